/* SPDX-License-Identifier: MIT
 *
 * The worker's neighbours for its tests: a feed that is a list in memory, sources and pictures that
 * do what their names say, and a blob store that counts and fails on demand. One of each a process.
 *
 * Sources, by what their URL ends in: /404 /503 /dead /slow (until canceled or `gate` opens) /304, any
 * other answers with the URL itself as its bytes. Pictures, by what their bytes hold: "corrupt",
 * "crash", "trouble" (no darkroom can be had), "slow"; any other gives "NAME of BYTES" a variant.
 */
#ifndef BULB_TESTS_WORKER_FAKES_H
#define BULB_TESTS_WORKER_FAKES_H

#include "lib/test.h"

#include "base/clock.h"
#include "blob/blob_impl.h"
#include "worker/worker.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- feed ---- */

#define FAKE_TASKS_MAX 32

struct fake_task {
	struct task t;
	enum task_state state;
	int64_t until_ms;
	int laters;    /* how often it was put back … */
	int untouched; /* … and how often without a reason */
	bool has_why;
	struct outcome why; /* of the last later, or of the failure */
	int64_t waited_ms;  /* until of the last later, from its moment */
	bool has_found, unwanted;
	struct original found; /* of a failure */
	int finishes;          /* that counted */
	struct fetched fetched;
	char etag[64];
	struct made made;
	struct product products[VARIANTS_MAX];
	struct cut_made cut;
};
struct fake_feed {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct fake_task tasks[FAKE_TASKS_MAX];
	size_t n;
	int unavailable; /* so many calls of finish, later and fail cannot be answered … */
	bool unavailable_but_done; /* … though the first of them was done */
	bool down;                 /* every call fails */
	bool stale_at_keep, stale_at_finish;
	int said; /* calls of finish, later and fail */
	int plans, claims;
	size_t most_claimed, full_hosts_seen, at_hosts_seen;
	size_t good_hosts, spare; /* of the last claim */
	size_t cuts_at_once;      /* most that were lent at a time */
	bool cuts_refused;        /* a claim wanted none */
	size_t keeps_at_once;     /* most tasks in one call of keep */
	int64_t kept_bytes;       /* as last seen by keep */
	enum task_step kept_step;
	int keeps;
	char trashed[64][BLOB_KEY_MAX + 1];
	size_t trashed_n;
	bool lends; /* a finished fetch lends its make at once */
};
extern struct fake_feed fake_feed;
void fake_feed_reset(void);
struct feed fake_feed_get(void);
/* A ready fetch or make; its place in the list. */
size_t fake_add_fetch(const char *url, const char *sealed_headers, const struct original *known);
size_t fake_add_make(const struct original *o);
size_t fake_add_cut(const struct original *o, const struct cut *c);
const char *fake_recipe(void); /* the variants of every make: "a" and "b" */
/* Wait until the condition holds; the test fails after 20 s. */
#define fake_await(condition)                                                                      \
	do {                                                                                       \
		struct timespec until_ = clock_deadline(20000);                                    \
		pthread_mutex_lock(&fake_feed.lock);                                               \
		bool ok_ = true;                                                                   \
		while (ok_ && !(condition))                                                        \
			ok_ = fake_wait_change(&until_);                                           \
		pthread_mutex_unlock(&fake_feed.lock);                                             \
		if (!ok_)                                                                          \
			fail_msg("waited in vain for: %s", #condition);                            \
	} while (0)
bool fake_wait_change(const struct timespec *until); /* under the lock; false when it has passed */

/* ---- sources ---- */

struct fake_sources {
	atomic_int asked, inside, most_inside;
	atomic_int failures; /* so many answers of /503 are 503, then it is there; -1: always */
	_Atomic int64_t retry_after_ms;
	atomic_bool gate;      /* /slow may go on */
	atomic_bool host_full; /* fetch_host_enter says no, fetch_full_hosts does not know yet */
	atomic_int hosts;      /* places taken */
	char authorization[64], if_none_match[64];
};
extern struct fake_sources fake_sources;
void fake_sources_reset(void);

/* ---- pictures ---- */

struct fake_pictures {
	atomic_int processed, inside, most_inside;
	atomic_int troubles; /* so many times "trouble" is one */
	atomic_bool gate;
};
extern struct fake_pictures fake_pictures;
void fake_pictures_reset(void);

/* ---- cut-outs ---- */

/* By what the picture's bytes hold: "flat" and "blank" (flat without a subject); to the model, "sure"
 * (confidence 0.9, else 0.5), "empty", "crash", "slow" (until canceled or `gate` of the pictures
 * opens); "big" is prepared before it is sent. A cut-out's bytes are "ENGINE cut of BYTES"; what is
 * composed is "remote cut of ANSWER", unless that holds "bad" or "bomb". */
struct fake_cuts {
	atomic_int local, flat, prepared, composed; /* calls */
	atomic_int most_inside, inside;
	atomic_bool model_is_broken;
};
extern struct fake_cuts fake_cuts;
extern struct cut_site fake_site; /* model "fast" (models_n 1) and provider, or not */

/* What the provider does, once the ledger has said yes. */
enum fake_answer { FAKE_SELLS, FAKE_REFUSES, FAKE_LOSES, FAKE_FINDS_NONE, FAKE_BAD, FAKE_BOMB };
struct fake_provider {
	enum fake_answer answer;
	atomic_int calls;
	int64_t retry_after_ms; /* of a refusal; -1: none */
	atomic_bool limited;    /* nobody gets to the ledger; retry_after_ms says how long */
	atomic_bool open;       /* nor does anybody here: the breaker */
	atomic_bool gate;       /* the answer may come; as it begins: true */
	char sent[64], media_type[32];
};
extern struct fake_provider fake_provider;

/* One intent at a time: what the store would say, and what it was told. */
struct fake_ledger {
	enum err_code says; /* to ask; OK: the intent is written */
	bool has_answer;    /* it was bought before: `blob` */
	char blob[BLOB_KEY_MAX + 1], media_type[64];
	int64_t cost;
	atomic_int asks, refused, unknown, bought;
	atomic_int away; /* so many words it does not hear */
};
extern struct fake_ledger fake_ledger;
struct ledger fake_ledger_get(void);
void fake_cuts_reset(void);

/* ---- blobs ---- */

struct fake_blobs {
	atomic_int puts, gets, syncs, removed;
	atomic_int bad_syncs, bad_puts; /* so many fail */
};
extern struct fake_blobs fake_blobs;
/* Real files in a folder of its own, with the counters and failures above. */
struct blob *fake_blob_open(void);
void fake_blob_close(struct blob *b);
char *fake_blob_text(struct blob *b, const char *key); /* NULL when it is not there */

/* ---- all together ---- */

void fake_open_gates(void);

static const uint8_t fake_key[32] = { 42 };
struct worker *fake_worker(struct blob *b, size_t lanes);         /* short times, four tries */
struct worker *fake_worker_waiting(struct blob *b, size_t lanes); /* for blobs; one try */
struct worker *fake_worker_with(struct blob *b, size_t lanes, int64_t held, int tries);
void fake_reset(void);

#endif
