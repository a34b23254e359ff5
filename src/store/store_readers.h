/* SPDX-License-Identifier: MIT
 *
 * Connections that only read: one for each reader at a time, kept for the next. Thread-safe.
 */
#ifndef BULB_STORE_STORE_READERS_H
#define BULB_STORE_STORE_READERS_H

#include "store/sql.h"
#include "store/store_impl.h"

#define READERS_MAX 16

/* What the backend knows of its connections. */
struct readers_opts {
	enum err_code (*open)(void *ctx, struct sql **ret, struct err *e);
	bool (*is_bad)(struct sql *db); /* not to be used again */
	void *ctx;                      /* outlives the readers */
	const char *begin;              /* a literal: a transaction that sees one moment */
	bool may_be_stale; /* an idle one may have been lost: another is tried at once */
};
struct store_readers;
struct store_readers *readers_new(const struct readers_opts *o); /* copied */
void readers_free(struct store_readers *r); /* waits for readers under way; NULL is fine */
/* Run fn in a read transaction; waits where too many read already. */
enum err_code readers_run(struct store_readers *r, const struct store_opts *o, tx_fn fn, void *arg,
	struct err *e) MUST_CHECK;

#endif
