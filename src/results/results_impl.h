/* SPDX-License-Identifier: MIT
 *
 * For this room only.
 */
#ifndef BULB_RESULTS_RESULTS_IMPL_H
#define BULB_RESULTS_RESULTS_IMPL_H

#include "results/results.h"

struct results {
	struct results_opts o;
	const char *prefix; /* of the store's keys; the blob store's */
};

/* A result that is held against what the task asked for. */
struct checked {
	struct outside_report report; /* what it points to lives in the arena */
	const char **spare;           /* keys of it that the report does not hand on */
	size_t spare_n;
};
/* ERR_REQUEST_INVALID, _LIMIT: it is not what was asked for, or its objects are not there.
 * ERR_BLOB_IO: nobody knows. */
enum err_code check_result(struct results *r, const struct report_result *in,
	const struct lent *lent, struct arena *a, struct checked *ret, struct err *e) MUST_CHECK;
/* Keys below the lease's prefix, of all that the result names. */
size_t keys_of(struct results *r, const struct report_result *in, const struct task_name *name,
	struct arena *a, const char ***ret);

#endif
