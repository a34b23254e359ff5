/* SPDX-License-Identifier: MIT
 *
 * Drop what nothing needs: rows past their time, their blobs, and blobs that no row names.
 */
#ifndef BULB_APP_GC_H
#define BULB_APP_GC_H

#include "blob/blob.h"
#include "store/store.h"

/* keep_results_ms: -2 for the store's own setting. dry: only count. Blocks; safe beside a server. */
enum err_code gc_run(struct store *s, struct blob *b, int64_t keep_results_ms, bool dry,
	struct gc_report *ret, struct err *e) MUST_CHECK;

#endif
