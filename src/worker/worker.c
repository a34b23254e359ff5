/* SPDX-License-Identifier: MIT
 *
 * Starting and ending the threads. The end is in three moves, so that no task is ever given to a
 * lane that has gone: what runs is asked to stop, the dispatcher ends, then lanes and keeper.
 */
#include "worker/worker_impl.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

#define KEEP_MS    500
#define BACKOFF_MS 1000
#define POLL_MS    5000

static void cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

static void init_lane(struct worker *w, struct lane *l)
{
	*l = (struct lane){ .w = w, .fetch = fetch_lane_new(w->o.fetch) };
	atomic_store(&l->bytes, -1);
	atomic_store(&l->bytes_total, -1);
	cond_init(&l->given);
}

/* Whatever cut-outs do, variants find a lane. */
static size_t cut_places(const struct worker_opts *o)
{
	size_t n = o->cut_places;
	if (o->only_cuts)
		return o->lanes;
	if (n == 0)
		n = o->lanes / 4 > 2 ? o->lanes / 4 : 2;
	if (n >= o->lanes)
		n = o->lanes > 1 ? o->lanes - 1 : 1;
	return n;
}

static struct worker *init(const struct worker_opts *o)
{
	struct worker *w = mem_new(struct worker);
	w->o = *o;
	if (!w->o.keep_ms)
		w->o.keep_ms = KEEP_MS;
	if (!w->o.poll_ms)
		w->o.poll_ms = POLL_MS;
	if (!w->o.backoff_ms)
		w->o.backoff_ms = BACKOFF_MS;
	w->o.cut_places = cut_places(o);
	w->codecs = mem_strdup(o->codecs);
	memcpy(w->seal_key, o->seal_key, sizeof(w->seal_key));
	id_new(w->owner);
	pthread_mutex_init(&w->lock, NULL);
	cond_init(&w->work);
	cond_init(&w->beat);
	cond_init(&w->quiet);
	cond_init(&w->change);
	w->lanes = mem_array(o->lanes, sizeof(*w->lanes));
	for (size_t i = 0; i < o->lanes; i++)
		init_lane(w, &w->lanes[i]);
	return w;
}

static void done(struct worker *w)
{
	for (size_t i = 0; i < w->o.lanes; i++) {
		fetch_lane_free(w->lanes[i].fetch);
		pthread_cond_destroy(&w->lanes[i].given);
	}
	pthread_cond_destroy(&w->change);
	pthread_cond_destroy(&w->quiet);
	pthread_cond_destroy(&w->beat);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	mem_wipe(w->seal_key, sizeof(w->seal_key));
	free(w->codecs);
	known_free(w);
	free(w->lanes);
	free(w);
}

/* Lanes idle for ever when a later thread cannot be had: they are ended again. */
static enum err_code start(struct worker *w, size_t *lanes, struct err *e)
{
	int errnum = 0;
	for (*lanes = 0; !errnum && *lanes < w->o.lanes; *lanes += errnum == 0)
		errnum = pthread_create(&w->lanes[*lanes].thread, NULL, lane_main,
			&w->lanes[*lanes]);
	if (!errnum)
		errnum = pthread_create(&w->keeper, NULL, keeper_main, w);
	if (errnum)
		return err_sys(e, ERR_SYSTEM, errnum, "worker: cannot start a thread");
	errnum = pthread_create(&w->dispatcher, NULL, dispatcher_main, w);
	if (!errnum)
		return OK;
	pthread_mutex_lock(&w->lock);
	w->closing = true;
	pthread_cond_broadcast(&w->beat);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->keeper, NULL);
	return err_sys(e, ERR_SYSTEM, errnum, "worker: cannot start a thread");
}

static void close_lanes(struct worker *w, size_t n)
{
	pthread_mutex_lock(&w->lock);
	w->closing = true;
	for (size_t i = 0; i < n; i++)
		pthread_cond_signal(&w->lanes[i].given);
	pthread_mutex_unlock(&w->lock);
	for (size_t i = 0; i < n; i++)
		pthread_join(w->lanes[i].thread, NULL);
}

enum err_code worker_new(const struct worker_opts *o, struct worker **ret, struct err *e)
{
	if (o->lanes == 0 || !o->codecs)
		return err_set(e, ERR_USAGE, "worker: it needs lanes, and the codecs' versions");
	struct worker *w = init(o);
	size_t lanes;
	enum err_code code = start(w, &lanes, e);
	if (code != OK) {
		close_lanes(w, lanes);
		done(w);
		return code;
	}
	worker_wake(w);
	*ret = w;
	return OK;
}

void worker_wake(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->hinted = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
}

void worker_drain(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->draining = true;
	pthread_mutex_unlock(&w->lock);
}

size_t worker_busy(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	size_t n = w->busy;
	pthread_mutex_unlock(&w->lock);
	return n;
}

static void wait_quiet(struct worker *w, int64_t ms)
{
	struct timespec until = clock_deadline(ms);
	while (w->busy > 0 && pthread_cond_timedwait(&w->quiet, &w->lock, &until) != ETIMEDOUT)
		;
}

static void end_work(struct worker *w)
{
	w->ending = true;
	for (size_t i = 0; i < w->o.lanes; i++)
		atomic_store(&w->lanes[i].cancel, true);
	pthread_cond_broadcast(&w->change);
	pthread_cond_signal(&w->work);
}

void worker_stop(struct worker *w, int64_t wait_ms)
{
	pthread_mutex_lock(&w->lock);
	bool again = w->stopped;
	w->stopped = true;
	w->draining = true;
	if (!again) {
		wait_quiet(w, wait_ms);
		end_work(w);
	}
	pthread_mutex_unlock(&w->lock);
	if (again)
		return;
	pthread_join(w->dispatcher, NULL);
	close_lanes(w, w->o.lanes);
	pthread_mutex_lock(&w->lock);
	pthread_cond_broadcast(&w->beat);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->keeper, NULL);
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	worker_stop(w, 0);
	done(w);
}
