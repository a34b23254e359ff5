/* SPDX-License-Identifier: MIT
 *
 * One thread keeps the leases of everything that runs, in one call: a store that commits batches
 * is asked twice a second however many lanes there are. A store that cannot be reached is asked
 * again at the next beat; the work goes on meanwhile.
 */
#include "worker/worker_impl.h"

#include "base/clock.h"

#include <errno.h>

/* Until the next beat while something runs, for ever while nothing does. false: the end. */
static bool wait_beat(struct worker *w)
{
	while (!w->closing && w->busy == 0)
		pthread_cond_wait(&w->beat, &w->lock);
	struct timespec until = clock_deadline(w->o.keep_ms);
	while (!w->closing && pthread_cond_timedwait(&w->beat, &w->lock, &until) != ETIMEDOUT)
		;
	return !w->closing;
}

static size_t collect(struct worker *w, struct task_keep *keeps)
{
	size_t n = 0;
	for (size_t i = 0; i < w->o.lanes; i++) {
		struct lane *l = &w->lanes[i];
		if (!l->busy || l->stale)
			continue;
		keeps[n++] = (struct task_keep){ .id = l->task.id,
			.lease = l->task.lease,
			.step = (enum task_step)atomic_load(&l->step),
			.bytes = atomic_load(&l->bytes),
			.bytes_total = atomic_load(&l->bytes_total) };
	}
	return n;
}

/* The lane may have gone on to another task while the store was asked. */
static void answer(struct worker *w, const struct task_keep *k)
{
	for (size_t i = 0; i < w->o.lanes; i++) {
		struct lane *l = &w->lanes[i];
		if (!l->busy || l->task.id != k->id || l->task.lease != k->lease)
			continue;
		l->stale = l->stale || k->stale;
		atomic_store(&l->cancel, true);
		pthread_cond_broadcast(&w->change);
	}
}

static void keep_all(struct worker *w, struct task_keep *keeps)
{
	struct err e = { 0 };
	size_t n = collect(w, keeps);
	if (n == 0)
		return;
	pthread_mutex_unlock(&w->lock);
	enum err_code code = w->o.feed.keep(w->o.feed.ctx, keeps, n, w->o.lease_ms, &e);
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; code == OK && i < n; i++) {
		if (keeps[i].stale || keeps[i].unwanted)
			answer(w, &keeps[i]);
	}
}

void *keeper_main(void *worker)
{
	struct worker *w = worker;
	struct task_keep *keeps = mem_array(w->o.lanes, sizeof(*keeps));
	pthread_mutex_lock(&w->lock);
	while (wait_beat(w))
		keep_all(w, keeps);
	pthread_mutex_unlock(&w->lock);
	free(keeps);
	return NULL;
}
