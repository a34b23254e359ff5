/* SPDX-License-Identifier: MIT
 *
 * One thread, in rounds: let the store go on with what goes on by itself, plan, see what functions
 * hold, claim for those that may be invoked besides, invoke them. An answer of Lambda says only that an
 * event was taken, so what a function holds is read from the store, where its reports have their effect.
 *
 * A task is claimed for a short time and has its long lease once Lambda has taken the event: a server
 * that is killed in between costs a minute, not a quarter of an hour. When Lambda wants no more, or is
 * not there, the tasks go back untouched, and nobody is invoked for a while that grows.
 */
#include "base/backoff.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/metrics.h"
#include "dispatch/dispatch_impl.h"
#include "lambda/invoke.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define CLAIM_MS       60000 /* until the event is taken */
#define INVOKE_MS      15000
#define DEADLINE_SHARE 20    /* of the lease, its last part: a report still arrives in time */
#define ROUND_MS       50    /* hints come in crowds */
#define COLLECT_MS     60000 /* between two looks at the reports that were left */
#define NEAR_MS        10000 /* before a lease ends, its own report is looked for */
#define COST_SHARE     4     /* of the lease that a chunk may be guessed to take: one in so many */
#define BACKOFF_MS     500
#define PAUSE_MAX_MS   60000 /* whatever Lambda asks for */
#define OWNER_MAX      64

struct dispatch {
	struct dispatch_opts o;
	char *function, *report_url;
	struct invoker *invoker;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	bool hinted, ending, started;
	/* Of the thread alone; times are monotonic. */
	int64_t tick_at, collect_at, find_at, pause_until;
	int failures; /* of Lambda, in a row */
	int store_failures;
};

/* What functions hold at this moment. */
struct state {
	struct flying *v;
	size_t n, invocations;
	const char **hosts;
	size_t hosts_n;
};

/* ---- what is under way ---------------------------------------------------------------------- */

static bool is_ending(struct dispatch *d)
{
	pthread_mutex_lock(&d->lock);
	bool ending = d->ending;
	pthread_mutex_unlock(&d->lock);
	return ending;
}

static bool seen(const struct state *s, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(s->v[k].owner, s->v[i].owner) == 0)
			return true;
	return false;
}

static enum err_code look(struct dispatch *d, struct arena *a, struct state *ret, struct err *e)
{
	struct state s = { 0 };
	enum err_code code = d->o.feed.flying(d->o.feed.ctx, a, &s.v, &s.n, e);
	if (code != OK)
		return code;
	s.hosts = arena_alloc(a, (s.n + 1) * sizeof(*s.hosts));
	for (size_t i = 0; i < s.n; i++) {
		s.invocations += !seen(&s, i);
		if (s.v[i].host)
			s.hosts[s.hosts_n++] = s.v[i].host;
	}
	metric_set(METRIC_INVOCATIONS_FLYING, (double)s.invocations, NULL, NULL, NULL);
	*ret = s;
	return OK;
}

/* Somebody may have finished, and nobody have heard it. */
static enum err_code find_reports(struct dispatch *d, const struct state *s, struct err *e)
{
	int64_t now = clock_mono_ms(), wall = clock_wall_ms();
	int64_t near = d->o.lease_ms / 4 < NEAR_MS ? d->o.lease_ms / 4 : NEAR_MS;
	enum err_code code = OK;
	if (now >= d->collect_at) {
		code = d->o.feed.collect(d->o.feed.ctx, e);
		d->collect_at = now + COLLECT_MS;
	}
	if (now < d->find_at)
		return code;
	d->find_at = now + near / 4;
	for (size_t i = 0; code == OK && i < s->n && s->v[i].until_ms - wall <= near; i++)
		code = d->o.feed.find(d->o.feed.ctx, &s->v[i].name, e);
	return code;
}

/* ---- invoking ------------------------------------------------------------------------------- */

/* A store that does not answer lets the claim run out, which is short. */
static void give_back(struct dispatch *d, const struct task_name *names, size_t n, int64_t in_ms)
{
	struct err ignored;
	for (size_t i = 0; i < n; i++)
		(void)!d->o.feed.later(d->o.feed.ctx, &names[i], clock_wall_ms() + in_ms, &ignored);
}

static void refused(struct dispatch *d, const struct chunk *c, const struct err *e)
{
	int64_t ms = backoff_ms(BACKOFF_MS, d->failures++);
	if (e->retry_after_ms > ms)
		ms = e->retry_after_ms < PAUSE_MAX_MS ? e->retry_after_ms : PAUSE_MAX_MS;
	metric_add(METRIC_INVOCATIONS, 1, e->code == ERR_RATE_LIMITED ? "throttled" : "failed",
		NULL, NULL);
	if (d->failures == 1)
		log_event(LOG_DISPATCH_REFUSED, NULL, "code=%s tasks=%zu detail=\"%s\"",
			err_name(e->code), c->event.n, e->text);
	d->pause_until = clock_mono_ms() + ms;
	give_back(d, c->names, c->event.n, ms);
}

static void accepted(struct dispatch *d, const struct chunk *c, const char *owner)
{
	metric_add(METRIC_INVOCATIONS, 1, "sent", NULL, NULL);
	log_event(LOG_DISPATCH_SENT, NULL, "invocation=%s tasks=%zu", owner, c->event.n);
	if (d->failures > 0)
		log_event(LOG_DISPATCH_BACK, NULL, "tries=%d", d->failures);
	d->failures = 0;
}

/* The owner is known before the event leaves: a report may be quicker than Lambda's answer. */
static enum err_code send(struct dispatch *d, struct chunk *c, struct err *e)
{
	struct dispatch_feed *f = &d->o.feed;
	char owner[OWNER_MAX], id[ID_LEN + 1];
	id_new(id);
	snprintf(owner, sizeof(owner), "%s%s", d->o.owner, id);
	if (f->hand(f->ctx, c->names, c->event.n, owner, CLAIM_MS, e) != OK)
		return e->code;
	c->event.report_url = d->report_url;
	c->event.bucket.name = d->o.bucket;
	c->event.bucket.region = d->o.region;
	c->event.bucket.prefix = d->o.prefix;
	autojson *doc = event_json(&c->event);
	autofree char *text = json_text(doc);
	if (invoke_event(d->invoker, d->function, text, strlen(text), INVOKE_MS, e) != OK) {
		refused(d, c, e);
		return OK;
	}
	accepted(d, c, owner);
	return f->hand(f->ctx, c->names, c->event.n, owner, d->o.lease_ms, e);
}

/* ---- a round -------------------------------------------------------------------------------- */

struct load {
	struct task *tasks;
	size_t n, at, room; /* room: invocations that may be made */
};

/* The next chunk, from load->at on; what has moved on is left out. */
static enum err_code fill(struct dispatch *d, struct load *l, struct arena *a, struct chunk *c,
	struct err *e)
{
	size_t most = chunk_size(l->n - l->at, l->room, d->o.batch);
	int64_t deadline = clock_wall_ms() + d->o.lease_ms - d->o.lease_ms / DEADLINE_SHARE;
	for (; l->at < l->n; l->at++) {
		struct task_name name = { l->tasks[l->at].id, l->tasks[l->at].lease };
		struct event_task t;
		bool held = false;
		enum err_code code = d->o.feed.describe(d->o.feed.ctx, &name, deadline, a, &t,
			&held, e);
		if (code == ERR_STORE_UNAVAILABLE)
			return code;
		if (code != OK) { /* one that cannot be told must not keep the others */
			(void)!d->o.feed.failed(d->o.feed.ctx, &name, e, &(struct err){ 0 });
			continue;
		}
		if (!held)
			continue;
		if (!chunk_takes(c, &t, d->o.prefix, most, d->o.lease_ms / COST_SHARE))
			return OK;
		chunk_add(c, &name, &t, d->o.prefix);
	}
	return OK;
}

static void return_rest(struct dispatch *d, const struct load *l)
{
	for (size_t i = l->at; i < l->n; i++)
		give_back(d, &(struct task_name){ l->tasks[i].id, l->tasks[i].lease }, 1, 0);
}

static enum err_code send_all(struct dispatch *d, struct load *l, struct err *e)
{
	enum err_code code = OK;
	while (code == OK && l->at < l->n && l->room > 0 && !is_ending(d) &&
		clock_mono_ms() >= d->pause_until) {
		CLEANUP(arena_freep) struct arena *a = arena_new();
		struct chunk *c = chunk_new(a);
		code = fill(d, l, a, c, e);
		if (code == OK && c->event.n > 0)
			code = send(d, c, e);
		if (code != OK)
			give_back(d, c->names, c->event.n, 0);
		l->room--;
	}
	return_rest(d, l);
	return code;
}

static enum err_code claim(struct dispatch *d, const struct state *s, struct arena *a,
	struct load *ret, struct err *e)
{
	size_t room = d->o.concurrency - s->invocations;
	struct claim c = { .owner = "dispatch",
		.lease_ms = CLAIM_MS,
		.max = room * d->o.batch,
		.at_hosts = s->hosts,
		.at_hosts_n = s->hosts_n,
		.per_host = d->o.per_host,
		.no_cuts = true };
	*ret = (struct load){ .room = room };
	return d->o.feed.claim(d->o.feed.ctx, &c, a, &ret->tasks, &ret->n, e);
}

static enum err_code tick(struct dispatch *d, struct err *e)
{
	int64_t next_ms = d->o.poll_ms;
	enum err_code code = d->o.feed.tick(d->o.feed.ctx, &next_ms, e);
	if (next_ms > d->o.poll_ms)
		next_ms = d->o.poll_ms;
	if (code == OK)
		d->tick_at = clock_mono_ms() + next_ms;
	return code;
}

static enum err_code play(struct dispatch *d, struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct state s = { 0 };
	struct load l = { 0 };
	bool more;
	enum err_code code = tick(d, e);
	if (code == OK)
		code = d->o.feed.plan(d->o.feed.ctx, d->o.concurrency * d->o.batch, &more, e);
	if (code == OK)
		code = look(d, a, &s, e);
	if (code == OK)
		code = find_reports(d, &s, e);
	if (code != OK || s.invocations >= d->o.concurrency || clock_mono_ms() < d->pause_until)
		return code;
	code = claim(d, &s, a, &l, e);
	return code == OK ? send_all(d, &l, e) : code;
}

/* ---- the thread ----------------------------------------------------------------------------- */

/* True: the time has come. */
static bool wait_until(struct dispatch *d, const struct timespec *until)
{
	return pthread_cond_clockwait(&d->work, &d->lock, CLOCK_MONOTONIC, until) == ETIMEDOUT;
}

/* Until a hint, the next thing that is due, or the end: then false. */
static bool await_round(struct dispatch *d)
{
	pthread_mutex_lock(&d->lock);
	while (!d->ending && !d->hinted) {
		int64_t ms = d->tick_at - clock_mono_ms();
		struct timespec until = clock_deadline(ms);
		if (ms <= 0 || wait_until(d, &until))
			break;
	}
	struct timespec calm = clock_deadline(ROUND_MS);
	while (!d->ending && !wait_until(d, &calm))
		;
	d->hinted = false;
	bool go_on = !d->ending;
	pthread_mutex_unlock(&d->lock);
	return go_on;
}

static void store_failed(struct dispatch *d, const struct err *e)
{
	if (d->store_failures++ == 0)
		log_event(LOG_STORE_UNAVAILABLE, NULL, "code=%s detail=\"%s\"", err_name(e->code),
			e->text);
	d->tick_at = clock_mono_ms() + backoff_ms(BACKOFF_MS, d->store_failures - 1);
}

static void *dispatch_main(void *arg)
{
	struct dispatch *d = arg;
	while (await_round(d)) {
		struct err e = { 0 };
		if (play(d, &e) != OK) {
			store_failed(d, &e);
			continue;
		}
		if (d->store_failures > 0)
			log_event(LOG_STORE_BACK, NULL, "tries=%d", d->store_failures);
		d->store_failures = 0;
	}
	return NULL;
}

enum err_code dispatch_new(const struct dispatch_opts *o, struct dispatch **ret, struct err *e)
{
	struct invoker *invoker = NULL;
	if (invoker_new(o->environment, &invoker, e) != OK)
		return e->code;
	struct dispatch *d = mem_new(struct dispatch);
	d->o = *o;
	d->invoker = invoker;
	d->function = mem_strdup(o->function);
	d->report_url = mem_strdup(o->report_url);
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->work, NULL);
	int rc = pthread_create(&d->thread, NULL, dispatch_main, d);
	d->started = rc == 0;
	if (rc != 0) {
		dispatch_free(d);
		return err_sys(e, ERR_SYSTEM, rc, "starting the dispatcher");
	}
	*ret = d;
	return OK;
}

void dispatch_wake(struct dispatch *d)
{
	pthread_mutex_lock(&d->lock);
	d->hinted = true;
	pthread_cond_signal(&d->work);
	pthread_mutex_unlock(&d->lock);
}

void dispatch_stop(struct dispatch *d)
{
	pthread_mutex_lock(&d->lock);
	bool join = d->started;
	d->started = false;
	d->ending = true;
	pthread_cond_signal(&d->work);
	pthread_mutex_unlock(&d->lock);
	if (join)
		pthread_join(d->thread, NULL);
}

void dispatch_free(struct dispatch *d)
{
	if (!d)
		return;
	dispatch_stop(d);
	invoker_free(d->invoker);
	pthread_cond_destroy(&d->work);
	pthread_mutex_destroy(&d->lock);
	free(d->function);
	free(d->report_url);
	free(d);
}
