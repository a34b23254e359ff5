/* SPDX-License-Identifier: MIT
 *
 * Writes the manifests of jobs that have ended into the blob store, and takes those of deleted jobs
 * away, beside all else and in any process of a cluster.
 */
#ifndef BULB_APP_MANIFESTS_H
#define BULB_APP_MANIFESTS_H

#include "blob/blob.h"
#include "store/store.h"

struct manifests;
struct manifests_opts {
	struct store *store;
	struct blob *blob;
	const char *blob_url; /* what links to blobs begin with; NULL: they are relative */
	int64_t lease_ms, poll_ms;
};
/* NULL when there is no thread to be had. */
struct manifests *manifests_new(const struct manifests_opts *o);
void manifests_wake(struct manifests *m); /* something may be due; does not block */
void manifests_stop(struct manifests *m); /* waits for one that is being written; NULL is fine */
void manifests_free(struct manifests *m);

/* Does one that is due, *ret_any: there was one. deletions: of those that are to go only. */
enum err_code manifests_do(const struct manifests_opts *o, bool deletions, bool *ret_any,
	struct err *e) MUST_CHECK;

#endif
