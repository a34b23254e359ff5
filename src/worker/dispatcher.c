/* SPDX-License-Identifier: MIT
 *
 * One thread asks for work: it lets the store go on with what goes on by itself (tick), has fresh
 * items planned, and claims tasks for all idle lanes in one call. It sleeps until a hint comes, a
 * lane becomes idle, or the store said something is due. Hints may be lost, so no sleep is longer
 * than poll_ms.
 *
 * Planning runs a little ahead of the lanes. Where all of that lies on hosts that answer slowly or
 * not at all, lanes would be idle although the same job has work at other hosts: then it runs
 * further ahead, step by step, until no lane is at a host any more.
 *
 * Half of the lanes are for hosts that answered lately and for one task of each other host, so that
 * a few that hang do not hold them all.
 */
#include "worker/worker_impl.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>

#define FULL_HOST_MS     250  /* a host that asked us to wait tells nobody when it is over */
#define STARVED_MS       1000 /* idle lanes, and nothing but full hosts, for so long */
#define AHEAD_MAX        256  /* times what planning runs ahead at first */
#define STORE_RETRY_MS   100
#define STORE_RETRY_MOST 3 /* times four each */

struct dispatcher {
	struct worker *w;
	int64_t tick_at, wake_at; /* monotonic */
	int64_t fed_at;           /* lanes were busy, or got something */
	size_t ahead;             /* how far planning runs ahead, from 1 */
	bool full;                /* hosts were, or lanes are at some, as of the last claim */
	int failures;             /* of the store, in a row */
};

struct round {
	bool hinted, draining;
	size_t idle;
};

/* false: the end. */
static bool next_round(struct dispatcher *d, struct round *ret)
{
	struct worker *w = d->w;
	pthread_mutex_lock(&w->lock);
	while (!w->ending && !w->hinted && !w->freed) {
		int64_t ms = d->wake_at - clock_mono_ms();
		struct timespec until = clock_deadline(ms);
		if (ms <= 0 || pthread_cond_timedwait(&w->work, &w->lock, &until) == ETIMEDOUT)
			break;
	}
	*ret = (struct round){ .hinted = w->hinted,
		.draining = w->draining,
		.idle = w->o.lanes - w->busy };
	w->hinted = w->freed = false;
	bool go_on = !w->ending;
	pthread_mutex_unlock(&w->lock);
	return go_on;
}

static void give(struct worker *w, const struct task *tasks, size_t n)
{
	size_t given = 0;
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->o.lanes && given < n; i++) {
		if (!w->lanes[i].busy)
			lane_give(&w->lanes[i], &tasks[given++]);
	}
	pthread_cond_signal(&w->beat);
	pthread_mutex_unlock(&w->lock);
}

/* Where our lanes are. A lane forgets its task only after it has left the host. */
static const char **at_hosts(struct worker *w, struct arena *a, size_t *ret_n)
{
	const char **hosts = arena_alloc(a, w->o.lanes * sizeof(*hosts));
	*ret_n = 0;
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->o.lanes; i++)
		if (w->lanes[i].busy && w->lanes[i].at_host)
			hosts[(*ret_n)++] = arena_strdup(a, w->lanes[i].task.host);
	pthread_mutex_unlock(&w->lock);
	return hosts;
}

/* Cut-outs take seconds, and a provider's a minute: they get no more lanes than are theirs. */
static size_t free_cut_places(struct worker *w)
{
	size_t cuts = 0;
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->o.lanes; i++)
		cuts += w->lanes[i].busy && w->lanes[i].task.kind == TASK_CUT;
	pthread_mutex_unlock(&w->lock);
	return cuts < w->o.cut_places ? w->o.cut_places - cuts : 0;
}

static void free_hosts(char **hosts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(hosts[i]);
	free(hosts);
}

static enum err_code claim(struct dispatcher *d, size_t idle, size_t *ret_n, struct err *e)
{
	struct worker *w = d->w;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	char **hosts = NULL;
	size_t hosts_n = fetch_full_hosts(w->o.fetch, &hosts), n = 0;
	struct task *tasks = NULL;
	struct claim c = { .owner = w->owner,
		.lease_ms = w->o.lease_ms,
		.max = idle,
		.full_hosts = (const char *const *)hosts,
		.full_hosts_n = hosts_n,
		.per_host = w->o.per_host,
		.spare = w->o.lanes / 2 };
	c.max_cuts = free_cut_places(w);
	c.no_cuts = c.max_cuts == 0;
	c.only_cuts = w->o.only_cuts;
	c.good_hosts = known_copy(w, a, &c.good_hosts_n);
	c.at_hosts = at_hosts(w, a, &c.at_hosts_n);
	enum err_code code = w->o.feed.claim(w->o.feed.ctx, &c, a, &tasks, &n, e);
	free_hosts(hosts, hosts_n);
	if (code != OK)
		return code;
	give(w, tasks, n);
	d->full = hosts_n + c.at_hosts_n > 0;
	*ret_n = n;
	return OK;
}

static void look_ahead(struct dispatcher *d, size_t idle, size_t given)
{
	int64_t now = clock_mono_ms();
	if (!d->full)
		d->ahead = 1;
	if (!d->full || idle == 0 || given > 0)
		d->fed_at = now;
	else if (now - d->fed_at >= STARVED_MS && d->ahead < AHEAD_MAX)
		d->ahead *= 2;
}

static enum err_code tick(struct dispatcher *d, struct err *e)
{
	struct feed *f = &d->w->o.feed;
	int64_t most = d->w->o.poll_ms, next_ms = most;
	enum err_code code = f->tick(f->ctx, &next_ms, e);
	if (next_ms > most)
		next_ms = most;
	if (code == OK)
		d->tick_at = clock_mono_ms() + next_ms;
	return code;
}

static enum err_code play(struct dispatcher *d, const struct round *r, struct err *e)
{
	struct feed *f = &d->w->o.feed;
	bool more = false;
	size_t given = 0;
	enum err_code code = OK;
	if (r->hinted || clock_mono_ms() >= d->tick_at)
		code = tick(d, e);
	if (code == OK && !r->draining)
		code = f->plan(f->ctx, d->w->o.lanes * d->ahead, &more, e);
	if (code == OK && !r->draining && r->idle > 0)
		code = claim(d, r->idle, &given, e);
	if (code != OK)
		return code;
	look_ahead(d, r->idle, given);
	d->wake_at = more ? 0 : d->tick_at;
	int64_t soon = clock_mono_ms() + FULL_HOST_MS;
	if (d->full && d->wake_at > soon)
		d->wake_at = soon;
	return OK;
}

static void store_failed(struct dispatcher *d, const struct err *e)
{
	if (d->failures == 0)
		log_event(LOG_STORE_UNAVAILABLE, NULL, "code=%s detail=\"%s\"", err_name(e->code),
			e->text);
	int n = d->failures < STORE_RETRY_MOST ? d->failures : STORE_RETRY_MOST;
	d->tick_at = d->wake_at = clock_mono_ms() + backoff_ms(STORE_RETRY_MS, n);
	d->failures++;
}

void *dispatcher_main(void *worker)
{
	struct dispatcher d = { .w = worker, .ahead = 1, .fed_at = clock_mono_ms() };
	struct round r;
	while (next_round(&d, &r)) {
		struct err e = { 0 };
		if (play(&d, &r, &e) != OK) {
			store_failed(&d, &e);
			continue;
		}
		if (d.failures > 0)
			log_event(LOG_STORE_BACK, NULL, "tries=%d", d.failures);
		d.failures = 0;
	}
	return NULL;
}
