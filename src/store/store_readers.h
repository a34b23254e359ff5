/* SPDX-License-Identifier: MIT
 *
 * Connections that only read: one for each reader at a time, kept for the next. Thread-safe.
 */
#ifndef BULB_STORE_STORE_READERS_H
#define BULB_STORE_STORE_READERS_H

#include "store/store_impl.h"

struct store_readers;
struct store_readers *readers_new(const char *path, const char *vfs); /* copied */
void readers_free(struct store_readers *r); /* waits for readers under way; NULL is fine */
/* Run fn in a read transaction; waits where too many read already. */
enum err_code readers_run(struct store_readers *r, const struct store_opts *o, tx_fn fn, void *arg,
	struct err *e) MUST_CHECK;

#endif
