/* SPDX-License-Identifier: MIT
 *
 * What reading items and reading events share: the rows an item names, joined and parsed into the
 * reader's arena.
 */
#ifndef BULB_STORE_READ_H
#define BULB_STORE_READ_H

#include "store/tx.h"

/* Names of a job's variants, in the order of an item's results; own recipes of items come from
 * their extra. */
struct read_job {
	const char **names;
	size_t n;
	enum cut_apply apply; /* of its cut-outs */
};
enum err_code read_job_names(struct tx *t, int64_t no, struct arena *a, struct read_job *ret,
	struct err *e) MUST_CHECK;
/* refs, metadata and own variant names out of an item's extra. */
enum err_code read_extra(const char *extra, struct arena *a, const struct read_job *j,
	struct item_row *ret, struct read_job *ret_names, struct err *e) MUST_CHECK;
/* The original and the results of an item; results is a JSON array of ids or NULL. */
enum err_code read_original(struct tx *t, int64_t id, struct arena *a, const struct original **ret,
	struct err *e) MUST_CHECK;
/* cut: of variants that were made from that cut-out; 0 else. */
enum err_code read_variants(struct tx *t, int64_t original, int64_t cut, const json_t *results,
	const struct read_job *names, struct arena *a, struct item_row *ret, struct err *e)
	MUST_CHECK;
/* What there is of its cut-out: cut is its result or 0; paid: its own job paid for it. */
enum err_code read_cut(struct tx *t, int64_t cut, bool paid, const struct read_job *j,
	struct arena *a, struct item_row *ret, struct err *e) MUST_CHECK;
/* NULL in *ret: it is not there, or is being deleted, or its time is over. */
enum err_code read_job_by_no(struct tx *t, int64_t no, struct arena *a, const struct job_row **ret,
	struct err *e) MUST_CHECK;
/* outcome_json() text; NULL stays NULL. */
enum err_code read_outcome(const char *text, struct arena *a, const struct outcome **ret,
	struct err *e) MUST_CHECK;

#endif
