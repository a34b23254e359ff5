/* SPDX-License-Identifier: MIT
 *
 * A thread that sleeps: what it does may take minutes, and nothing waits for it but the end.
 */
#include "app/gc_timer.h"

#include "app/dispatching.h"
#include "app/gc.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"

#include <pthread.h>

#define FIRST_MS 60000 /* and up to half as much again */

struct gc_timer {
	struct store *store;
	struct blob *blob;
	struct results *results;
	int64_t first_ms, every_ms;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	bool stopping;
};

int64_t gc_first_ms(int64_t every_ms)
{
	int64_t ms = FIRST_MS + (int64_t)random_below(FIRST_MS / 2);
	return ms < every_ms ? ms : every_ms;
}

static void collect(struct gc_timer *t)
{
	struct err e = { 0 };
	struct gc_report r;
	if (dispatching_collect(t->results, &e) != OK)
		log_event(LOG_CONFIG_WARN, NULL, "reports that were left wait: %s", e.text);
	if (gc_run(t->store, t->blob, -2, false, &r, &e) != OK) {
		log_event(LOG_CONFIG_WARN, NULL, "gc was put off: %s", e.text);
		return;
	}
	if (r.jobs || r.originals || r.results || r.blobs || r.orphans)
		log_event(LOG_GC_DONE, NULL,
			"jobs=%lld originals=%lld results=%lld blobs=%lld orphans=%lld",
			(long long)r.jobs, (long long)r.originals, (long long)r.results,
			(long long)r.blobs, (long long)r.orphans);
}

/* True when the time has come; false when all is to end. Under the lock. */
static bool sleep_until(struct gc_timer *t, int64_t in_ms)
{
	struct timespec until = clock_deadline(in_ms);
	int timed_out = 0;
	while (!t->stopping && !timed_out)
		timed_out = pthread_cond_clockwait(&t->stop, &t->lock, CLOCK_MONOTONIC, &until);
	return !t->stopping;
}

static void *gc_loop(void *arg)
{
	struct gc_timer *t = arg;
	pthread_mutex_lock(&t->lock);
	for (int64_t in_ms = t->first_ms; sleep_until(t, in_ms); in_ms = t->every_ms) {
		pthread_mutex_unlock(&t->lock);
		collect(t);
		pthread_mutex_lock(&t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

struct gc_timer *gc_timer_new(struct store *s, struct blob *b, struct results *r, int64_t first_ms,
	int64_t every_ms)
{
	struct gc_timer *t = mem_new(struct gc_timer);
	t->store = s;
	t->blob = b;
	t->results = r;
	t->first_ms = first_ms;
	t->every_ms = every_ms;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->stop, NULL);
	if (pthread_create(&t->thread, NULL, gc_loop, t) == 0)
		return t;
	free(t);
	return NULL;
}

void gc_timer_free(struct gc_timer *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	pthread_cond_signal(&t->stop);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	pthread_cond_destroy(&t->stop);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
