/* SPDX-License-Identifier: MIT
 *
 * For implementers of a store; callers see only store.h.
 *
 * The transitions are written once, as functions that run inside a transaction (struct tx). A
 * backend only says what a transaction is: how it begins, how it commits durably and how many of
 * them share one commit.
 */
#ifndef BULB_STORE_STORE_IMPL_H
#define BULB_STORE_STORE_IMPL_H

#include "store/store.h"

struct tx;
/* One operation. It reads and writes through tx and its own argument, and may run again from the
 * start when the backend says so: outputs go to *arg and are looked at after the commit only. */
typedef enum err_code (*tx_fn)(struct tx *t, void *arg, struct err *e);

struct store_impl {
	const char *scheme;
	/* rest: what follows "scheme:". The base part of *ret is filled by the caller afterwards;
	 * nothing runs before that. */
	enum err_code (*open)(const char *rest, const struct store_opts *o, struct store **ret,
		struct err *e);
	/* Run fn and commit; when this answers OK the commit is durable. When fn fails nothing of
	 * it stays, whoever shares the commit. Calls on_news and on_work after the commit. */
	enum err_code (*write)(struct store *s, tx_fn fn, void *arg, struct err *e);
	/* Run fn in a transaction that sees one moment and writes nothing. */
	enum err_code (*read)(struct store *s, tx_fn fn, void *arg, struct err *e);
	void (*free)(struct store *s);
};

struct store {
	const struct store_impl *impl;
	struct store_opts opts; /* codecs is owned */
};

extern const struct store_impl store_sqlite, store_memory, store_postgres, store_postgresql;

#endif
