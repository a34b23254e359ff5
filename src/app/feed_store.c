/* SPDX-License-Identifier: MIT
 *
 * The only place where the worker's view of tasks meets the store's. Neither room knows the other,
 * so that a function on AWS can feed the same worker from an invocation.
 */
#include "app/feed_store.h"

static enum err_code plan(void *ctx, size_t lanes, bool *ret_more, struct err *e)
{
	return store_plan(ctx, lanes, ret_more, e);
}

static enum err_code tick(void *ctx, int64_t *ret_next_ms, struct err *e)
{
	return store_tick(ctx, ret_next_ms, e);
}

static enum err_code claim(void *ctx, const struct claim *c, struct arena *a, struct task **ret,
	size_t *ret_n, struct err *e)
{
	return store_claim(ctx, c, a, ret, ret_n, e);
}

static enum err_code keep(void *ctx, struct task_keep *k, size_t n, int64_t lease_ms, struct err *e)
{
	return store_keep(ctx, k, n, lease_ms, e);
}

static enum err_code later(void *ctx, int64_t id, int64_t lease, int64_t until_ms,
	const struct outcome *why, bool crashed, struct err *e)
{
	return store_later(ctx, id, lease, until_ms, why, crashed, e);
}

static enum err_code finish_fetch(void *ctx, int64_t id, int64_t lease, const struct fetched *f,
	const char *owner, int64_t lease_ms, struct arena *a, struct task *ret_make,
	struct original *ret_original, struct err *e)
{
	return store_finish_fetch(ctx, id, lease, f, owner, lease_ms, a, ret_make, ret_original, e);
}

static enum err_code finish_make(void *ctx, int64_t id, int64_t lease, const struct made *m,
	struct err *e)
{
	return store_finish_make(ctx, id, lease, m, e);
}

static enum err_code finish_cut(void *ctx, int64_t id, int64_t lease, const struct cut_made *m,
	struct err *e)
{
	return store_finish_cut(ctx, id, lease, m, e);
}

static enum err_code fail(void *ctx, int64_t id, int64_t lease, const struct outcome *o,
	const struct original *found, struct err *e)
{
	return store_fail(ctx, id, lease, o, found, e);
}

static enum err_code trash(void *ctx, const char *const *keys, size_t n, struct err *e)
{
	return store_trash_add(ctx, keys, n, e);
}

struct feed feed_of_store(struct store *s)
{
	return (struct feed){
		.ctx = s,
		.plan = plan,
		.tick = tick,
		.claim = claim,
		.keep = keep,
		.later = later,
		.finish_fetch = finish_fetch,
		.finish_make = finish_make,
		.finish_cut = finish_cut,
		.fail = fail,
		.trash = trash,
	};
}
