/* SPDX-License-Identifier: MIT
 *
 * The threads. One looks at what the store says is due, after a hint or once a poll, makes deliveries of
 * new events and takes as many as there are lanes free; lanes, which are started when they are first
 * needed, try one at a time. Hosts take turns, and none has more than its share of lanes, so a receiver
 * that lets everybody wait lets its own deliveries wait.
 */
#include "webhooks/webhooks_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define REST_MS  50    /* between two looks: events come in bursts; */
#define REST_FOR 9     /* and so many times as long as the last look took */
#define LEASE_MS 45000 /* beside the time of a try */

/* Deliveries of one claim share an arena; under the lock. */
struct claimed {
	struct arena *arena;
	size_t left;
};
struct errand {
	struct errand *next;
	struct delivery d;
	struct claimed *of;
};

struct webhooks {
	struct webhooks_opts o;
	char *secrets, *events_url, *blob_url;
	pthread_mutex_t lock;
	pthread_cond_t wake, work, done;
	bool woken, draining, ending;
	atomic_bool cancel;
	pthread_t looker, *lanes;
	bool looks;
	size_t lanes_n, flying; /* flying: queued or being tried */
	struct errand *first, **last;
	struct delivery_host *busy; /* by host; at most as many as lanes */
	size_t busy_n;
	char after[DELIVERY_HOST_MAX]; /* whose turn was last */
	bool failing;
};

/* ---- who is being called; under the lock ---------------------------------------------------- */

static struct delivery_host *busy_at(struct webhooks *w, const char *host)
{
	for (size_t i = 0; i < w->busy_n; i++)
		if (strcmp(w->busy[i].host, host) == 0)
			return &w->busy[i];
	return NULL;
}

static void begin_at(struct webhooks *w, const char *host)
{
	struct delivery_host *b = busy_at(w, host);

	if (!b) {
		b = &w->busy[w->busy_n++];
		*b = (struct delivery_host){ 0 };
		snprintf(b->host, sizeof(b->host), "%s", host);
	}
	b->n++;
	w->flying++;
}

static void end_at(struct webhooks *w, const char *host)
{
	struct delivery_host *b = busy_at(w, host);

	if (--b->n == 0)
		*b = w->busy[--w->busy_n];
	w->flying--;
}

static void errand_free(struct webhooks *w, struct errand *x)
{
	end_at(w, x->d.host);
	if (--x->of->left == 0) {
		arena_free(x->of->arena);
		free(x->of);
	}
	free(x);
	w->woken = true;
	pthread_cond_signal(&w->wake);
	pthread_cond_broadcast(&w->done);
}

/* ---- a lane --------------------------------------------------------------------------------- */

static void tell(const struct delivery *d, const struct delivery_end *end)
{
	static const struct {
		const char *outcome;
		enum log_event event;
	} of[] = {
		[DELIVERY_PENDING] = { "retry", LOG_WEBHOOK_LATER },
		[DELIVERY_SUCCEEDED] = { "succeeded", LOG_WEBHOOK_SENT },
		[DELIVERY_FAILED] = { "failed", LOG_WEBHOOK_FAILED },
		[DELIVERY_DISABLED] = { "disabled", LOG_WEBHOOK_DISABLED },
	};
	if (end->untried)
		return;
	metric_add(METRIC_WEBHOOKS, 1, of[end->state].outcome, NULL, NULL);
	log_event(of[end->state].event, d->of->id, "seq=%" PRId64 " host=%s try=%d detail=\"%s\"",
		d->seq, d->host, d->tries + 1, end->detail ? end->detail : "");
}

/* With a client of its own, which knows no addresses from before. What cannot be written down is tried
 * again when the lease ends: at least once is the promise. */
static void run(struct webhooks *w, const struct delivery *d)
{
	struct net_client *net = net_client_new(&w->o.guard);
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct delivery_end end;
	struct err e = { 0 };

	send_one(&w->o, net, d, &w->cancel, a, &end);
	net_client_free(net);
	if (store_delivery_end(w->o.store, &end, &e) == OK)
		tell(d, &end);
}

static struct errand *take(struct webhooks *w)
{
	struct errand *x = w->first;

	w->first = x->next;
	if (!w->first)
		w->last = &w->first;
	return x;
}

static void *lane_main(void *arg)
{
	struct webhooks *w = arg;

	pthread_setname_np(pthread_self(), "webhook");
	pthread_mutex_lock(&w->lock);
	while (!w->ending || w->first) {
		if (!w->first) {
			pthread_cond_wait(&w->work, &w->lock);
			continue;
		}
		struct errand *x = take(w);
		pthread_mutex_unlock(&w->lock);
		run(w, &x->d);
		pthread_mutex_lock(&w->lock);
		errand_free(w, x);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ---- the looker ----------------------------------------------------------------------------- */

/* Where no lane can be started they come back when their leases end. */
static void put_to_work(struct webhooks *w, const struct delivery *v, size_t n, struct arena *a)
{
	struct claimed *of = mem_new(struct claimed);

	*of = (struct claimed){ a, n };
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < n; i++) {
		struct errand *x = mem_new(struct errand);
		*x = (struct errand){ .d = v[i], .of = of };
		*w->last = x;
		w->last = &x->next;
		begin_at(w, v[i].host);
		snprintf(w->after, sizeof(w->after), "%s", v[i].host);
	}
	while (w->lanes_n < w->flying &&
		pthread_create(&w->lanes[w->lanes_n], NULL, lane_main, w) == 0)
		w->lanes_n++;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->lock);
}

static enum err_code claim(struct webhooks *w, bool *ret_any, struct err *e)
{
	struct arena *a = arena_new();
	struct delivery *v;
	size_t n = 0;
	char after[DELIVERY_HOST_MAX];

	pthread_mutex_lock(&w->lock);
	struct delivery_host *busy = arena_alloc(a, (w->busy_n + 1) * sizeof(*busy));
	memcpy(busy, w->busy, w->busy_n * sizeof(*busy));
	memcpy(after, w->after, sizeof(after));
	struct delivery_claim c = {
		.max = w->draining ? 0 : w->o.lanes - w->flying,
		.per_host = w->o.per_host,
		.busy = busy,
		.busy_n = w->busy_n,
		.after = after,
		.lease_ms = w->o.timeout_ms + LEASE_MS,
	};
	pthread_mutex_unlock(&w->lock);
	enum err_code code = c.max ? store_deliveries_claim(w->o.store, &c, a, &v, &n, e) : OK;
	*ret_any = code == OK && n;
	if (*ret_any)
		put_to_work(w, v, n, a);
	else
		arena_free(a);
	return code;
}

/* *ret_wait_ms: how long nothing more is due. */
static enum err_code look(struct webhooks *w, int64_t *ret_wait_ms, struct err *e)
{
	bool behind = false, more = true, any = false;
	int64_t next = INT64_MAX, now;

	*ret_wait_ms = w->o.poll_ms;
	if (store_hooks_look(w->o.store, &behind, &next, e) != OK)
		return e->code;
	while (behind && more)
		if (store_hooks_follow(w->o.store, &more, e) != OK)
			return e->code;
	now = clock_wall_ms();
	if ((behind || next <= now) && claim(w, &any, e) != OK)
		return e->code;
	if (any) /* then there may be more, and what comes next was not asked */
		*ret_wait_ms = 0;
	else if (next > now && next - now < *ret_wait_ms)
		*ret_wait_ms = next - now;
	return OK;
}

/* With very many jobs open a look takes long: it is not to be all that the store does. */
static int64_t pause_after(const struct webhooks *w, int64_t took_ms)
{
	int64_t ms = took_ms * REST_FOR;

	if (ms > w->o.poll_ms)
		ms = w->o.poll_ms;
	return ms > REST_MS ? ms : REST_MS;
}

static void rest(struct webhooks *w, int64_t ms, bool until_woken)
{
	struct timespec until = clock_deadline(ms);
	int timed_out = 0;

	while (!w->draining && !(until_woken && w->woken) && !timed_out)
		timed_out = pthread_cond_clockwait(&w->wake, &w->lock, CLOCK_MONOTONIC, &until);
}

static void *looker_main(void *arg)
{
	struct webhooks *w = arg;

	pthread_setname_np(pthread_self(), "webhooks");
	pthread_mutex_lock(&w->lock);
	while (!w->draining) {
		int64_t wait_ms, began_ms = clock_mono_ms();
		struct err e = { 0 };
		w->woken = false;
		pthread_mutex_unlock(&w->lock);
		bool failed = look(w, &wait_ms, &e) != OK;
		if (failed && !w->failing && e.code != ERR_STORE_UNAVAILABLE)
			log_event(LOG_WEBHOOKS_WAIT, NULL, "detail=\"%s\"", e.text);
		w->failing = failed;
		pthread_mutex_lock(&w->lock);
		rest(w, pause_after(w, clock_mono_ms() - began_ms), false);
		rest(w, wait_ms, true);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

enum err_code webhooks_new(const struct webhooks_opts *o, struct webhooks **ret, struct err *e)
{
	struct webhooks *w = mem_new(struct webhooks);

	if (o->secrets && webhooks_secrets_check(o->secrets, e) != OK) {
		free(w);
		return e->code;
	}
	w->o = *o;
	w->o.secrets = w->secrets = mem_strdup(o->secrets);
	w->o.events_url = w->events_url = mem_strdup(o->events_url);
	w->o.blob_url = w->blob_url = mem_strdup(o->blob_url);
	w->last = &w->first;
	w->busy = mem_array(o->lanes, sizeof(*w->busy));
	w->lanes = mem_array(o->lanes, sizeof(*w->lanes));
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->done, NULL);
	int rc = pthread_create(&w->looker, NULL, looker_main, w);
	w->looks = rc == 0;
	if (rc) {
		webhooks_free(w);
		return err_sys(e, ERR_SYSTEM, rc, "cannot start a thread for webhooks");
	}
	*ret = w;
	return OK;
}

void webhooks_wake(struct webhooks *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->woken = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

void webhooks_drain(struct webhooks *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->draining = true;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	if (w->looks)
		pthread_join(w->looker, NULL);
	w->looks = false;
}

static void await_tries(struct webhooks *w, int64_t ms)
{
	struct timespec until = clock_deadline(ms);
	int timed_out = 0;

	while (w->flying && !timed_out)
		timed_out = pthread_cond_clockwait(&w->done, &w->lock, CLOCK_MONOTONIC, &until);
}

/* Those that are not under way yet see that they are canceled, and are given back by their lanes. */
void webhooks_stop(struct webhooks *w, int64_t wait_ms)
{
	if (!w)
		return;
	webhooks_drain(w);
	pthread_mutex_lock(&w->lock);
	await_tries(w, wait_ms);
	atomic_store(&w->cancel, true);
	w->ending = true;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->lock);
	for (; w->lanes_n > 0; w->lanes_n--)
		pthread_join(w->lanes[w->lanes_n - 1], NULL);
}

void webhooks_free(struct webhooks *w)
{
	if (!w)
		return;
	webhooks_stop(w, 0);
	pthread_cond_destroy(&w->done);
	pthread_cond_destroy(&w->work);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	if (w->secrets)
		mem_wipe(w->secrets, strlen(w->secrets));
	free(w->secrets);
	free(w->events_url);
	free(w->blob_url);
	free(w->busy);
	free(w->lanes);
	free(w);
}
