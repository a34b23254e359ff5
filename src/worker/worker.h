/* SPDX-License-Identifier: MIT
 *
 * The worker: lanes of straight-line blocking code, each taking one task from claim to finish.
 * Tasks come and go through a struct feed, which app binds to the store.
 */
#ifndef BULB_WORKER_WORKER_H
#define BULB_WORKER_WORKER_H

#include "base/err.h"
#include "blob/blob.h"
#include "darkroom/darkroom.h"
#include "fetch/fetch.h"
#include "job/task.h"
#include "provider/provider.h"

/* Where tasks come from. Every call may block; thread-safe. Contracts as in store.h, whose calls
 * these are without the first argument. */
struct feed {
	void *ctx;
	enum err_code (*plan)(void *ctx, size_t lanes, bool *ret_more, struct err *e);
	enum err_code (*tick)(void *ctx, int64_t *ret_next_ms, struct err *e);
	enum err_code (*claim)(void *ctx, const struct claim *c, struct arena *a, struct task **ret,
		size_t *ret_n, struct err *e);
	enum err_code (
		*keep)(void *ctx, struct task_keep *k, size_t n, int64_t lease_ms, struct err *e);
	enum err_code (*later)(void *ctx, int64_t id, int64_t lease, int64_t until_ms,
		const struct outcome *why, bool crashed, struct err *e);
	enum err_code (*finish_fetch)(void *ctx, int64_t id, int64_t lease, const struct fetched *f,
		const char *owner, int64_t lease_ms, struct arena *a, struct task *ret_make,
		struct original *ret_original, struct err *e);
	enum err_code (*finish_make)(void *ctx, int64_t id, int64_t lease, const struct made *m,
		struct err *e);
	enum err_code (*finish_cut)(void *ctx, int64_t id, int64_t lease, const struct cut_made *m,
		struct err *e);
	enum err_code (*fail)(void *ctx, int64_t id, int64_t lease, const struct outcome *o,
		const struct original *found, struct err *e);
	enum err_code (*trash)(void *ctx, const char *const *keys, size_t n, struct err *e);
};

struct worker;
struct worker_opts {
	struct feed feed;
	struct blob *blob;
	struct fetch *fetch;
	struct darkroom *darkroom;
	/* Cut-outs: a darkroom for each model that is installed, and the provider. */
	const struct cut_site *cuts; /* outlives the worker; NULL: no engine but flat */
	struct darkroom *mattes[8];  /* of cuts->models[i] */
	size_t cut_places; /* cut tasks at a time; 0: a quarter of the lanes, at least 2. One lane of
	                    * several is always left to others */
	struct provider *provider; /* or NULL */
	struct ledger ledger;
	const uint8_t *seal_key; /* 32 bytes: opens per-item headers; copied */
	const char *codecs; /* what image_codecs() says: part of every result's digest; copied */
	bool only_cuts; /* downloads and variants are done elsewhere: all lanes are for cut-outs */
	size_t lanes;
	size_t per_host;        /* of a claim, at most so many tasks of one host; 0: no limit */
	int64_t lease_ms;       /* 60 s */
	int max_tries;          /* of what may pass: 4 */
	int64_t max_held_bytes; /* originals held in memory by all lanes: above it none is begun */
	const char *blob_key;   /* template of their names (blob_key_check), or NULL */
	bool wait_for_blobs;    /* a disk that takes no blobs costs an item time, but no try */
	int64_t poll_ms;        /* longest sleep without a hint; 0: 5 s */
	int64_t keep_ms;        /* between two looks at the leases; 0: 500 */
	int64_t backoff_ms;     /* before the second try, longer before each further; 0: 1,000 */
};
enum err_code worker_new(const struct worker_opts *o, struct worker **ret, struct err *e)
	MUST_CHECK;
void worker_wake(struct worker *w);  /* a hint: there may be work; any thread, never blocks */
void worker_drain(struct worker *w); /* take nothing new; what runs goes on; returns at once */
/* Wait until nothing runs, at most so long; what is left is given back (later, untouched). */
void worker_stop(struct worker *w, int64_t wait_ms);
void worker_free(struct worker *w);
size_t worker_busy(struct worker *w); /* lanes with a task */

#endif
