/* SPDX-License-Identifier: MIT
 *
 * How an attempt ends that did not succeed. Every way out says so to the feed, except when the
 * lease has moved on, or the store cannot be reached and we end: then the lease runs out, or the
 * next start finds the task as it was. Blobs that no row will name go to the trash; where it is not
 * known whether a row names them they are left to gc, which looks.
 */
#include "worker/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/url.h"

#include <stdio.h>
#include <string.h>

#define RETRY_AFTER_MAX_MS ((int64_t)3600 * 1000) /* of what a source may ask us to wait */
#define CRASH_RETRY_MS     200
#define BUSY_RETRY_MS      250 /* somebody else buys the same: an answer takes seconds */
#define STORE_RETRY_MS     100
#define STORE_RETRY_MOST   3 /* times four each: what is in hand is told within seconds of recovery */

enum verdict {
	VERDICT_STALE, /* someone else has the task */
	VERDICT_OPEN,  /* the store did not answer, and we end */
	VERDICT_BACK,  /* unwanted, or the worker ends, or nothing was begun as the store is away */
	VERDICT_BUSY,  /* not begun: the same is being done elsewhere, or it is not its turn */
	VERDICT_CRASHED, /* the decoder died; the store counts to three */
	VERDICT_LATER,   /* may pass */
	VERDICT_FAILED,
};

static int64_t retry_ms(int n)
{
	return backoff_ms(STORE_RETRY_MS, n < STORE_RETRY_MOST ? n : STORE_RETRY_MOST);
}

bool run_await_disk(struct run *r, int n)
{
	return lane_sleep(r->l, retry_ms(n));
}

bool run_await_ledger(struct run *r, int n)
{
	return lane_linger(r->l, retry_ms(n));
}

static enum verdict judge(const struct run *r, const struct err *e)
{
	if (e->code == ERR_STORE_STALE || lane_is_stale(r->l))
		return VERDICT_STALE;
	if (e->code == ERR_STORE_UNAVAILABLE && r->unsure)
		return VERDICT_OPEN;
	if (e->code == ERR_CANCELED || e->code == ERR_STORE_UNAVAILABLE)
		return VERDICT_BACK;
	if (e->code == ERR_BUSY || r->untried)
		return VERDICT_BUSY;
	if (r->crashed)
		return VERDICT_CRASHED;
	if (!r->hopeless && fetch_may_pass(e) && r->l->task.tries + 1 < r->w->o.max_tries)
		return VERDICT_LATER;
	return VERDICT_FAILED;
}

enum err_code run_report(struct run *r, enum err_code (*say)(struct run *r, struct err *e),
	struct err *e)
{
	for (int i = 0;; i++) {
		enum err_code code = say(r, e);
		if (code != ERR_STORE_UNAVAILABLE)
			return code;
		r->unsure = true;
		if (!run_await_disk(r, i))
			return code;
	}
}

static void drop_written(struct run *r)
{
	struct feed *feed = &r->w->o.feed;
	const char *keys[ARRAY_LEN(r->written)];
	struct err e = { 0 };
	if (r->written_n == 0 || r->unsure)
		return;
	for (size_t i = 0; i < r->written_n; i++)
		keys[i] = r->written[i];
	(void)!feed->trash(feed->ctx, keys, r->written_n, &e); /* else gc finds them */
	r->written_n = 0;
}

/* ---- what is said ---- */

struct giving_back {
	int64_t until_ms;
	const struct outcome *why;
	bool crashed;
};

/* The dispatcher then asks when it is due. */
static void put_back(struct run *r, const struct giving_back *g)
{
	struct feed *feed = &r->w->o.feed;
	struct err e = { 0 };
	for (int i = 0;; i++) {
		enum err_code code = feed->later(feed->ctx, r->l->task.id, r->l->task.lease,
			g->until_ms, g->why, g->crashed, &e);
		if (code != ERR_STORE_UNAVAILABLE || !run_await_disk(r, i))
			break;
	}
	worker_wake(r->w);
}

static enum err_code say_failed(struct run *r, struct err *e)
{
	struct feed *feed = &r->w->o.feed;
	return feed->fail(feed->ctx, r->l->task.id, r->l->task.lease, &r->outcome,
		r->has_original ? &r->original : NULL, e);
}

void run_give_back(struct run *r, int64_t in_ms)
{
	struct giving_back g = { .until_ms = clock_wall_ms() + in_ms };
	put_back(r, &g);
}

/* ---- what is logged ---- */

static void log_ending(const struct run *r, enum log_event ev, int64_t in_ms)
{
	const struct outcome *o = &r->outcome;
	const char *url = r->asked.url ? url_for_log(r->asked.url, r->l->arena) : r->original.key;
	log_event(ev, NULL, "task=%lld code=%s stage=%s try=%d in_ms=%lld source=%s detail=\"%s\"",
		(long long)r->l->task.id, err_name(o->code), o->stage, r->l->task.tries + 1,
		(long long)in_ms, url, o->detail);
}

static void note(struct run *r, const struct err *e)
{
	r->outcome.code = e->code;
	r->outcome.source_status = e->source_status;
	snprintf(r->outcome.detail, sizeof(r->outcome.detail), "%s", e->text);
	if (e->code == ERR_BLOB_IO)
		log_event(LOG_BLOB_FAILED, NULL, "task=%lld detail=\"%s\"",
			(long long)r->l->task.id, e->text);
}

/* ---- the ways ---- */

/* At least so long, and as long as the other side asked, within reason. */
static int64_t wait_asked(const struct err *e, int64_t ms)
{
	if (e->retry_after_ms <= ms)
		return ms;
	return e->retry_after_ms < RETRY_AFTER_MAX_MS ? e->retry_after_ms : RETRY_AFTER_MAX_MS;
}

static void try_later(struct run *r, const struct err *e, bool crashed)
{
	int64_t ms = crashed ? backoff_ms(CRASH_RETRY_MS, 0)
			     : backoff_ms(r->w->o.backoff_ms, r->l->task.tries);
	ms = wait_asked(e, ms);
	struct giving_back g = { .until_ms = clock_wall_ms() + ms,
		.why = &r->outcome,
		.crashed = crashed };
	log_ending(r, LOG_ITEM_LATER, ms);
	put_back(r, &g);
}

static void fail(struct run *r)
{
	struct err e = { 0 };
	log_ending(r, LOG_ITEM_FAILED, 0);
	if (r->l->task.kind == TASK_CUT)
		metric_add(METRIC_CUTOUTS, 1, cut_state_name(CUT_FAILED),
			cut_engine_name(r->cut.engine), NULL);
	(void)!run_report(r, say_failed, &e);
}

void run_failed(struct run *r, const struct err *e)
{
	enum verdict v = judge(r, e);
	note(r, e);
	if (v != VERDICT_OPEN)
		drop_written(r);
	switch (v) {
	case VERDICT_STALE:
		log_event(LOG_LEASE_LOST, NULL, "task=%lld", (long long)r->l->task.id);
		break;
	case VERDICT_OPEN:
		break;
	case VERDICT_BACK:
		run_give_back(r, 0);
		break;
	case VERDICT_BUSY:
		run_give_back(r, wait_asked(e, BUSY_RETRY_MS));
		break;
	case VERDICT_CRASHED:
	case VERDICT_LATER:
		try_later(r, e, v == VERDICT_CRASHED);
		break;
	case VERDICT_FAILED:
		fail(r);
		break;
	}
}
