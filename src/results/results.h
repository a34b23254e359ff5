/* SPDX-License-Identifier: MIT
 *
 * Both ends of work outside that a server holds: it says of a task what somebody without a database
 * needs to know (results_describe), and takes in what they report (results_take), whether that was
 * posted or left as an object beside the blobs. Calls block and are thread-safe.
 */
#ifndef BULB_RESULTS_RESULTS_H
#define BULB_RESULTS_RESULTS_H

#include "blob/blob.h"
#include "job/report.h"
#include "store/store.h"

struct results;
struct results_opts {
	struct store *store;
	struct blob *blob;
	const uint8_t *report_key, *seal_key; /* 32 bytes each; outlive it */
	struct event_limits limits; /* what a task may cost; told, and held against reports */
	int max_tries;              /* of what was put back with an error */
};
struct results *results_new(const struct results_opts *o);
void results_free(struct results *r);
static inline void results_freep(struct results **r)
{
	results_free(*r);
	*r = NULL;
}

/* What is said of one result. */
struct results_verdict {
	struct report_answer answer;
	enum err_code code; /* of refused: ERR_AUTH_REQUIRED (not signed with the task's secret),
	                     * ERR_REQUEST_INVALID, ERR_REQUEST_LIMIT; else OK */
};
struct results_taken {
	bool is_list;
	struct results_verdict *v;
	size_t n;
};
/* Record what is signed and makes sense. The time of the letter is not looked at. What was recorded
 * stays so when a later result fails: the letter may come again. Blobs that it names and nobody will
 * need go to the trash, if they are this lease's. ERR_REQUEST_MALFORMED, _INVALID, _LIMIT (of the
 * whole), ERR_STORE_UNAVAILABLE, ERR_BLOB_IO. */
enum err_code results_take(struct results *r, const struct report_letter *l, struct arena *a,
	struct results_taken *ret, struct err *e) MUST_CHECK;

/* *ret_held false: the task is not lent under this lease. deadline_ms 0: a little before its end. */
enum err_code results_describe(struct results *r, const struct task_name *name, int64_t deadline_ms,
	struct arena *a, struct event_task *ret, bool *ret_held, struct err *e) MUST_CHECK;

/* Take in the report that was left for this lease, if there is one. */
enum err_code results_find_left(struct results *r, const struct task_name *name, bool *ret_found,
	struct err *e) MUST_CHECK;
/* All that were left. *ret_n: how many there were; *ret_bad: of these, not one result was taken. */
enum err_code results_collect(struct results *r, int64_t *ret_n, int64_t *ret_bad, struct err *e)
	MUST_CHECK;

#endif
