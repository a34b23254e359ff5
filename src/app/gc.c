/* SPDX-License-Identifier: MIT
 *
 * A blob goes in two steps: its row's end puts it into the trash in one transaction, and only when
 * the longest link to it has died is it deleted and the trash forgets it. A crash between the two
 * deletes it again, which is harmless: names are never used twice.
 */
#include "app/gc.h"

#include "app/manifests.h"
#include "base/clock.h"

#define TRASH_BATCH   500
#define DELETE_MS     60000
#define ORPHAN_AGE_MS (24ll * 3600 * 1000)

/* Those of jobs that are gone. A server does so at once; there may be none. */
static enum err_code drop_manifests(struct store *s, struct blob *b, int64_t *ret_blobs,
	struct err *e)
{
	struct manifests_opts o = { .store = s, .blob = b, .lease_ms = DELETE_MS };
	for (bool any = true; any;) {
		if (manifests_do(&o, true, &any, e) != OK)
			return e->code;
		*ret_blobs += any;
	}
	return OK;
}

static enum err_code empty_trash(struct store *s, struct blob *b, int64_t *ret_blobs, struct err *e)
{
	for (size_t n = TRASH_BATCH; n == TRASH_BATCH;) {
		CLEANUP(arena_freep) struct arena *a = arena_new();
		const char **keys = NULL;
		if (store_trash_due(s, TRASH_BATCH, a, &keys, &n, e) != OK)
			return e->code;
		for (size_t i = 0; i < n; i++)
			if (blob_delete(b, keys[i], e) != OK)
				return e->code;
		if (n && store_trash_gone(s, keys, n, e) != OK)
			return e->code;
		*ret_blobs += (int64_t)n;
	}
	return OK;
}

/* Blobs old enough that no finish under way can still name them. */
struct orphans {
	struct store *store;
	bool dry;
	struct arena *arena;
	const char *keys[TRASH_BATCH];
	size_t n;
	int64_t before_ms, found;
	struct err *e;
};

static bool flush(struct orphans *o)
{
	bool named[TRASH_BATCH];
	if (store_blobs_named(o->store, o->keys, o->n, named, o->e) != OK)
		return false;
	size_t lost = 0;
	for (size_t i = 0; i < o->n; i++)
		if (!named[i])
			o->keys[lost++] = o->keys[i];
	if (lost && !o->dry && store_trash_add(o->store, o->keys, lost, o->e) != OK)
		return false;
	o->found += (int64_t)lost;
	o->n = 0;
	arena_free(o->arena);
	o->arena = arena_new();
	return true;
}

static bool look(void *ctx, const char *key, int64_t bytes, int64_t modified_ms)
{
	struct orphans *o = ctx;
	(void)bytes;
	if (modified_ms >= o->before_ms)
		return true;
	o->keys[o->n++] = arena_strdup(o->arena, key);
	return o->n < TRASH_BATCH || flush(o);
}

static enum err_code find_orphans(struct store *s, struct blob *b, bool dry, int64_t *ret,
	struct err *e)
{
	struct err flush_err = { 0 };
	struct orphans o = {
		.store = s,
		.dry = dry,
		.arena = arena_new(),
		.before_ms = clock_wall_ms() - ORPHAN_AGE_MS,
		.e = &flush_err,
	};
	enum err_code code = blob_list(b, look, &o, e);
	if (code == OK && flush_err.code == OK && o.n)
		(void)flush(&o);
	arena_free(o.arena);
	if (code == OK && flush_err.code != OK)
		return err_set(e, flush_err.code, "%s", flush_err.text);
	*ret = o.found;
	return code;
}

enum err_code gc_run(struct store *s, struct blob *b, int64_t keep_results_ms, bool dry,
	struct gc_report *ret, struct err *e)
{
	struct gc_report r = { 0 };
	if (store_gc(s, keep_results_ms, dry, &r, e) != OK)
		return e->code;
	if (find_orphans(s, b, dry, &r.orphans, e) != OK)
		return e->code;
	if (!dry &&
		(drop_manifests(s, b, &r.blobs, e) != OK || empty_trash(s, b, &r.blobs, e) != OK))
		return e->code;
	*ret = r;
	return OK;
}
