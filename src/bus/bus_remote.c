/* SPDX-License-Identifier: MIT
 *
 * What every bus that leaves the process has in common. Publishers put hints into an outbox in which
 * a later one of the same job replaces the earlier; one thread owns the connection, sends what the
 * outbox holds in one message, waits a gap, and opens the connection anew, for ever, when it is lost.
 * The first hint after a quiet time leaves at once: the gap bounds the rate, not the latency.
 *
 * Hints of work wake every worker of the cluster, so they travel more rarely than news.
 */
#include "bus/bus_impl.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/io.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define OUTBOX_JOBS 512 /* with news at a time; of more than that the store's poll tells */
#define PROBES      8
#define WORK_GAP_MS 50
#define RETRY_MS    100 /* doubled to RETRY_MOST */
#define RETRY_MOST  2000
#define LOOK_MS     500 /* a carrier may learn of its loss by looking only */

struct bus_remote {
	const struct bus_carrier *carrier;
	void *self;
	struct bus *bus;
	void (*on_state)(void *ctx, bool up, const char *why);
	void *ctx;
	char sender[BUS_SENDER_LEN + 1];
	pthread_t thread;
	bool started;
	int wake_fd;
	pthread_mutex_t lock;
	pthread_cond_t change; /* up or why */
	/* Under the lock. */
	struct bus_pair news[OUTBOX_JOBS]; /* by job; job 0: free */
	size_t news_n;
	bool work, stop, up;
	struct err why; /* the last failure */
	/* The thread's own. */
	int64_t news_at, work_at; /* not to be sent before */
	bool said_down;
};

/* ---- the outbox ----------------------------------------------------------------------------- */

static void poke(struct bus_remote *r)
{
	uint64_t one = 1;
	(void)!write(r->wake_fd, &one, sizeof(one));
}

static void unpoke(struct bus_remote *r)
{
	uint64_t n;
	(void)!read(r->wake_fd, &n, sizeof(n));
}

/* Under the lock. */
static void put_news(struct bus_remote *r, int64_t job, int64_t seq)
{
	for (size_t i = 0; i < PROBES; i++) {
		struct bus_pair *p = &r->news[((uint64_t)job + i) % OUTBOX_JOBS];
		if (p->job != 0 && p->job != job)
			continue;
		r->news_n += p->job == 0;
		if (p->job == 0 || seq > p->seq)
			*p = (struct bus_pair){ job, seq };
		return;
	}
}

/* The thread waits for what it knows of, and work may wait for long: the first hint of either kind is
 * told to it. */
void bus_remote_publish(struct bus_remote *r, const struct bus_hint *h)
{
	bool first = false;
	pthread_mutex_lock(&r->lock);
	if (r->up) {
		first = (h->work && !r->work) || (h->job > 0 && r->news_n == 0);
		r->work |= h->work;
		if (h->job > 0)
			put_news(r, h->job, h->seq);
	}
	pthread_mutex_unlock(&r->lock);
	if (first)
		poke(r);
}

/* What is due now leaves the outbox; the return is when the rest is, or -1 for nothing. */
static int64_t take(struct bus_remote *r, bool *ret_work, struct bus_pair *ret, size_t *ret_n)
{
	int64_t now = clock_mono_ms(), next = -1;
	*ret_work = false;
	*ret_n = 0;
	pthread_mutex_lock(&r->lock);
	if (now >= r->news_at && r->news_n) {
		for (size_t i = 0; i < OUTBOX_JOBS; i++)
			if (r->news[i].job)
				ret[(*ret_n)++] = r->news[i];
		memset(r->news, 0, sizeof(r->news));
		r->news_n = 0;
	}
	if (now >= r->work_at && now >= r->news_at && r->work) {
		*ret_work = true;
		r->work = false;
	}
	if (r->work)
		next = r->work_at > r->news_at ? r->work_at : r->news_at;
	if (r->news_n)
		next = r->news_at;
	pthread_mutex_unlock(&r->lock);
	return next;
}

/* *ret_next: when something is due again, or -1. */
static enum err_code send_due(struct bus_remote *r, struct bus_link *l, int64_t *ret_next,
	struct err *e)
{
	struct bus_pair v[OUTBOX_JOBS];
	char text[BUS_MESSAGE_MAX + 1];
	bool work;
	size_t n, done = 0, some;
	*ret_next = take(r, &work, v, &n);
	if (!work && n == 0)
		return OK;
	do {
		bus_message_format(r->sender, work && done == 0, v + done, n - done, text, &some);
		if (r->carrier->send(l, text, e) != OK)
			return e->code;
		done += some;
	} while (done < n);
	r->news_at = clock_mono_ms() + r->carrier->gap_ms;
	if (work)
		r->work_at = clock_mono_ms() + WORK_GAP_MS;
	return OK;
}

/* ---- what comes in -------------------------------------------------------------------------- */

static void deliver(void *ctx, const struct bus_hint *h)
{
	bus_deliver(ctx, h);
}

void bus_remote_heard(struct bus_remote *r, const char *text, size_t n)
{
	bus_message_parse(text, n, r->sender, deliver, r->bus);
}

/* ---- the thread ----------------------------------------------------------------------------- */

static bool stopping(struct bus_remote *r)
{
	pthread_mutex_lock(&r->lock);
	bool stop = r->stop;
	pthread_mutex_unlock(&r->lock);
	return stop;
}

static void set_state(struct bus_remote *r, bool up, const struct err *why)
{
	pthread_mutex_lock(&r->lock);
	r->up = up;
	if (why)
		r->why = *why;
	memset(r->news, 0, sizeof(r->news));
	r->news_n = 0;
	r->work = false;
	pthread_cond_broadcast(&r->change);
	pthread_mutex_unlock(&r->lock);
	if (r->on_state && (up || !r->said_down))
		r->on_state(r->ctx, up, up ? NULL : why->text);
	r->said_down = !up;
}

/* While it lives. */
static enum err_code serve(struct bus_remote *r, struct bus_link *l, struct err *e)
{
	while (!stopping(r)) {
		int64_t next, ms = LOOK_MS;
		unpoke(r);
		if (send_due(r, l, &next, e) != OK)
			return e->code;
		if (next >= 0)
			ms = next - clock_mono_ms();
		ms = ms < 0 ? 0 : ms > LOOK_MS ? LOOK_MS : ms;
		if (r->carrier->wait(l, (int)ms, r->wake_fd, e) != OK)
			return e->code;
	}
	return OK;
}

static void pause_for(struct bus_remote *r, int64_t ms)
{
	struct timespec until = clock_deadline(ms);
	pthread_mutex_lock(&r->lock);
	while (!r->stop &&
		pthread_cond_clockwait(&r->change, &r->lock, CLOCK_MONOTONIC, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&r->lock);
}

static void *remote_main(void *arg)
{
	struct bus_remote *r = arg;
	int64_t wait_ms = RETRY_MS;
	for (unsigned n = 0; !stopping(r); n++) {
		struct err e = { 0 };
		struct bus_link *l = NULL;
		if (r->carrier->connect(r->self, r, n, &l, &e) == OK) {
			set_state(r, true, NULL);
			bus_deliver(r->bus, &(struct bus_hint){ .work = true });
			wait_ms = RETRY_MS;
			enum err_code code = serve(r, l, &e);
			r->carrier->disconnect(l);
			if (code == OK)
				break;
		}
		set_state(r, false, &e);
		pause_for(r, wait_ms / 2 + (int64_t)random_below((uint64_t)wait_ms));
		wait_ms = wait_ms * 2 < RETRY_MOST ? wait_ms * 2 : RETRY_MOST;
	}
	return NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

static enum err_code start(struct bus_remote *r, struct err *e)
{
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->wake_fd < 0)
		return err_sys(e, ERR_SYSTEM, errno, "eventfd");
	int rc = pthread_create(&r->thread, NULL, remote_main, r);
	if (rc)
		return err_sys(e, ERR_SYSTEM, rc, "cannot start the bus");
	r->started = true;
	return OK;
}

enum err_code bus_remote_new(const struct bus_carrier *c, const struct bus_opts *o, struct bus *b,
	struct bus_remote **ret, struct err *e)
{
	struct bus_remote *r = mem_new(struct bus_remote);
	uint64_t id;
	r->carrier = c;
	r->bus = b;
	r->on_state = o->on_state;
	r->ctx = o->ctx;
	r->wake_fd = -1;
	random_bytes(&id, sizeof(id));
	snprintf(r->sender, sizeof(r->sender), "%016llx", (unsigned long long)id);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->change, NULL);
	(void)err_set(&r->why, ERR_SYSTEM, "%s: not connected yet", c->name);
	if (c->init(o, &r->self, e) != OK || start(r, e) != OK) {
		bus_remote_free(r);
		return e->code;
	}
	*ret = r;
	return OK;
}

void bus_remote_free(struct bus_remote *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->change);
	pthread_mutex_unlock(&r->lock);
	if (r->wake_fd >= 0)
		poke(r);
	if (r->started)
		pthread_join(r->thread, NULL);
	if (r->self)
		r->carrier->done(r->self);
	fd_close(&r->wake_fd);
	pthread_cond_destroy(&r->change);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

enum err_code bus_remote_wait_up(struct bus_remote *r, int64_t ms, struct err *e)
{
	struct timespec until = clock_deadline(ms);
	enum err_code code = OK;
	pthread_mutex_lock(&r->lock);
	while (!r->up &&
		pthread_cond_clockwait(&r->change, &r->lock, CLOCK_MONOTONIC, &until) != ETIMEDOUT)
		;
	if (!r->up)
		code = err_set(e, ERR_SYSTEM, "%s", r->why.text);
	pthread_mutex_unlock(&r->lock);
	return code;
}
