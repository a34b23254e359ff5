/* SPDX-License-Identifier: MIT
 *
 * A lane: one thread that takes the task it is given from claim to finish, then is idle again.
 */
#include "worker/run.h"

#include "base/clock.h"

#include <errno.h>

/* false: the lanes close. A task that was given is done first. */
static bool wait_task(struct lane *l)
{
	struct worker *w = l->w;
	pthread_mutex_lock(&w->lock);
	while (!l->busy && !w->closing)
		pthread_cond_wait(&l->given, &w->lock);
	bool busy = l->busy;
	pthread_mutex_unlock(&w->lock);
	return busy;
}

static void become_idle(struct lane *l)
{
	struct worker *w = l->w;
	arena_free(l->arena);
	pthread_mutex_lock(&w->lock);
	l->arena = NULL;
	l->task = (struct task){ 0 };
	l->busy = false; /* from here on the dispatcher may give it the next */
	l->held_bytes = 0;
	atomic_store(&l->bytes, -1);
	atomic_store(&l->bytes_total, -1);
	w->busy--;
	w->freed = true;
	pthread_cond_signal(&w->work);
	pthread_cond_broadcast(&w->quiet);
	pthread_cond_broadcast(&w->change);
	pthread_mutex_unlock(&w->lock);
}

void *lane_main(void *lane)
{
	struct lane *l = lane;
	while (wait_task(l)) {
		run_task(l);
		become_idle(l);
	}
	return NULL;
}

static void set_task(struct lane *l, const struct task *t)
{
	l->task = *t;
	l->task.host = arena_strdup(l->arena, t->host);
	l->task.input = arena_strdup(l->arena, t->input);
	l->task.key_prefix = arena_strdup(l->arena, t->key_prefix);
}

void lane_give(struct lane *l, const struct task *t)
{
	l->arena = arena_new();
	set_task(l, t);
	l->busy = true;
	l->at_host = t->host != NULL;
	l->stale = false;
	atomic_store(&l->cancel, l->w->ending);
	atomic_store(&l->step, t->kind == TASK_FETCH ? STEP_DOWNLOADING : STEP_PROCESSING);
	l->w->busy++;
	pthread_cond_signal(&l->given);
}

void lane_switch(struct lane *l, const struct task *t)
{
	pthread_mutex_lock(&l->w->lock);
	set_task(l, t);
	l->stale = false;
	atomic_store(&l->cancel, l->w->ending);
	atomic_store(&l->step, STEP_PROCESSING);
	atomic_store(&l->bytes, -1);
	atomic_store(&l->bytes_total, -1);
	pthread_mutex_unlock(&l->w->lock);
}

void lane_leave_host(struct lane *l)
{
	pthread_mutex_lock(&l->w->lock);
	l->at_host = false;
	l->w->freed = true;
	pthread_cond_signal(&l->w->work);
	pthread_mutex_unlock(&l->w->lock);
}

/* What lies in memory, downloads under way included. */
static int64_t held_now(const struct worker *w)
{
	int64_t sum = 0;
	for (size_t i = 0; i < w->o.lanes; i++) {
		int64_t bytes = atomic_load(&w->lanes[i].bytes);
		int64_t held = w->lanes[i].held_bytes;
		sum += held > bytes ? held : bytes > 0 ? bytes : 0;
	}
	return sum;
}

/* One that is alone may always begin, however large it is. */
enum err_code lane_hold(struct lane *l, int64_t bytes, struct err *e)
{
	struct worker *w = l->w;
	pthread_mutex_lock(&w->lock);
	while (!atomic_load(&l->cancel) && w->o.max_held_bytes > 0) {
		int64_t held = held_now(w);
		if (held == 0 || held + bytes <= w->o.max_held_bytes)
			break;
		pthread_cond_wait(&w->change, &w->lock);
	}
	bool canceled = atomic_load(&l->cancel);
	if (!canceled)
		l->held_bytes = bytes;
	pthread_mutex_unlock(&w->lock);
	return canceled ? err_set(e, ERR_CANCELED, "canceled while it waited for memory") : OK;
}

void lane_held(struct lane *l, int64_t bytes)
{
	pthread_mutex_lock(&l->w->lock);
	l->held_bytes = bytes;
	pthread_cond_broadcast(&l->w->change);
	pthread_mutex_unlock(&l->w->lock);
}

bool lane_sleep(struct lane *l, int64_t ms)
{
	struct worker *w = l->w;
	struct timespec until = clock_deadline(ms);
	pthread_mutex_lock(&w->lock);
	while (!w->ending && !l->stale &&
		pthread_cond_timedwait(&w->change, &w->lock, &until) != ETIMEDOUT)
		;
	bool slept = !w->ending && !l->stale;
	pthread_mutex_unlock(&w->lock);
	return slept;
}

bool lane_linger(struct lane *l, int64_t ms)
{
	struct worker *w = l->w;
	struct timespec until = clock_deadline(ms);
	pthread_mutex_lock(&w->lock);
	while (!w->ending && pthread_cond_timedwait(&w->change, &w->lock, &until) != ETIMEDOUT)
		;
	bool goes_on = !w->ending;
	pthread_mutex_unlock(&w->lock);
	return goes_on;
}

bool lane_is_stale(struct lane *l)
{
	pthread_mutex_lock(&l->w->lock);
	bool stale = l->stale;
	pthread_mutex_unlock(&l->w->lock);
	return stale;
}
