/* SPDX-License-Identifier: MIT
 *
 * The part of a cut that may cost money: what the provider is sent, the call, its answer kept as it
 * came, the cut-out made from it. An answer is worth what was paid for it: from the moment the
 * intent is written until the answer is durable nothing stops this, neither a cancel nor a lease
 * that has moved on nor a full disk; only the worker's end does, and then the charge is unknown.
 * What is made of the answer may fail and be tried again: it is not bought twice.
 */
#include "worker/run.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"

#include <string.h>

#define WAIT_MAX_MS 60000 /* that auto waits for a provider which said when */

/* ---- the ledger, told until it listens ---- */

static enum err_code ask(void *ctx, int64_t task, int64_t lease, int64_t cost,
	struct ledger_answer *ret, struct err *e)
{
	const struct run *r = ctx;
	const struct ledger *l = &r->w->o.ledger;
	return l->ask(l->ctx, task, lease, cost, ret, e);
}

static enum err_code tell(struct run *r, int64_t charge,
	enum err_code (*say)(void *ctx, int64_t charge, struct err *e), struct err *e)
{
	enum err_code code;
	int n = 0;
	do {
		code = say(r->w->o.ledger.ctx, charge, e);
	} while (code == ERR_STORE_UNAVAILABLE && run_await_ledger(r, n++));
	return code;
}

static enum err_code refused(void *ctx, int64_t charge, struct err *e)
{
	struct run *r = ctx;
	return tell(r, charge, r->w->o.ledger.refused, e);
}

static enum err_code unknown(void *ctx, int64_t charge, struct err *e)
{
	struct run *r = ctx;
	return tell(r, charge, r->w->o.ledger.unknown, e);
}

/* ---- the answer, kept ---- */

struct answer {
	char key[BLOB_KEY_MAX + 1];
	bool stored;
};

static enum err_code store_answer(struct run *r, const struct provider_result *p, struct answer *a,
	struct err *e)
{
	struct blob *b = r->w->o.blob;
	bool zip = strcmp(p->media_type, "application/zip") == 0;
	struct err ignored;
	blob_key_new(zip ? "zip" : "png", a->key);
	enum err_code code = blob_put(b, a->key, p->fd, p->bytes, p->media_type, e);
	if (code == OK)
		code = blob_sync(b, e);
	if (code != OK)
		(void)!blob_delete(b, a->key, &ignored);
	a->stored = code == OK;
	return code;
}

static enum err_code keep_once(struct run *r, const struct provider_result *p, struct answer *a,
	struct err *e)
{
	const struct ledger *l = &r->w->o.ledger;
	enum err_code code = a->stored ? OK : store_answer(r, p, a, e);
	return code == OK ? l->bought(l->ctx, p->intent.charge, a->key, p->media_type, p->cost, e)
			  : code;
}

/* The blob stays: where the ledger did not answer, it may have taken it. */
static enum err_code give_up(struct run *r, const struct provider_result *p, struct err *e)
{
	const struct ledger *l = &r->w->o.ledger;
	struct err ignored;
	autofree char *why = mem_strdup(e->text);
	(void)!l->unknown(l->ctx, p->intent.charge, &ignored); /* else the next start says so */
	return err_set(e, ERR_MATTE_CHARGE_UNKNOWN, "the paid answer could not be kept: %s", why);
}

static enum err_code keep_answer(struct run *r, const struct provider_result *p, struct err *e)
{
	struct answer a = { 0 };
	for (int n = 0;; n++) {
		enum err_code code = keep_once(r, p, &a, e);
		if (code == OK)
			return OK;
		if (n == 0)
			log_event(LOG_ANSWER_WAITS, NULL, "task=%lld charge=%lld detail=\"%s\"",
				(long long)r->l->task.id, (long long)p->intent.charge, e->text);
		if ((code != ERR_BLOB_IO && code != ERR_STORE_UNAVAILABLE) ||
			!run_await_ledger(r, n))
			return give_up(r, p, e);
	}
}

/* ---- the call ---- */

/* What is sent: the original, or what the darkroom made of it where that is no good for sending. */
static enum err_code prepare(struct run *r, struct darkroom_cut_result *ret,
	struct provider_call *call, struct err *e)
{
	enum err_code code = run_cut(r, r->w->o.darkroom, CUT_DO_PREPARE, -1, ret, e);
	const struct darkroom_output *o = &ret->output;
	*call = (struct provider_call){ .fd = ret->has_output ? o->fd : r->fd,
		.bytes = ret->has_output ? o->bytes : r->original.bytes,
		.media_type = format_media_type(ret->has_output ? o->format : ret->format),
		.width = ret->has_output ? o->width : ret->width,
		.height = ret->has_output ? o->height : ret->height,
		.est_cost = r->w->o.cuts->call_cost,
		.cancel = &r->l->cancel,
		.task = r->l->task.id,
		.lease = r->l->task.lease };
	return code;
}

static void note_failure(struct run *r, const struct provider_result *p, struct err *e)
{
	if (e->code != ERR_MATTE_PROVIDER)
		return;
	e->retry_after_ms = p->retry_after_ms > 0 ? p->retry_after_ms : 0;
	r->hopeless = p->retry_after_ms < 0;
	r->untried = !p->intent.charge && !r->hopeless && !provider_is_open(r->w->o.provider);
	if (p->intent.charge)
		log_event(LOG_PROVIDER_REFUSED, NULL, "task=%lld detail=\"%s\"",
			(long long)r->l->task.id, e->text);
}

/* On success p->fd holds an answer that is durable, unless it found no subject. */
static enum err_code buy(struct run *r, const struct provider_call *call, struct provider_result *p,
	struct err *e)
{
	const struct ledger l = { .ctx = r, .ask = ask, .refused = refused, .unknown = unknown };
	int64_t since = clock_mono_ms();
	enum err_code code = provider_cut(r->w->o.provider, &l, call, p, e);
	run_took(r, &r->outcome.process_ms, clock_mono_ms() - since);
	if (code != OK) {
		note_failure(r, p, e);
		return code;
	}
	if (p->no_foreground)
		return OK;
	r->charge = p->intent.charge;
	r->cost = p->intent.bought ? p->intent.cost : p->cost;
	if (!p->intent.bought)
		return keep_answer(r, p, e);
	code = run_copy(r, p->intent.blob, true, &p->fd, e);
	if (code != ERR_BLOB_NOT_FOUND)
		return code;
	r->hopeless = true; /* that code would say that the original is lost */
	return err_set(e, ERR_MATTE_PROVIDER, "the answer that was bought is no longer there");
}

static enum err_code prepare_and_buy(struct run *r, struct provider_result *p, struct err *e)
{
	struct darkroom_cut_result sent = { .output = { .fd = -1 } };
	struct provider_call call;
	enum err_code code = prepare(r, &sent, &call, e);
	if (code == OK)
		code = buy(r, &call, p, e);
	darkroom_cut_done(&sent);
	return code;
}

static enum err_code compose(struct run *r, const struct provider_result *p, struct err *e)
{
	struct darkroom_cut_result made = { .output = { .fd = -1 } };
	enum err_code code = OK;
	if (p->no_foreground)
		made.done = made.none = true;
	else
		code = run_cut(r, r->w->o.darkroom, CUT_DO_COMPOSE, p->fd, &made, e);
	if (code != OK) {
		darkroom_cut_done(&made);
		return code;
	}
	made.engine = CUT_REMOTE;
	made.confidence = -1;
	darkroom_cut_done(&r->piece);
	r->piece = made;
	return OK;
}

/* ---- and without it ---- */

/* Trouble of ours, or nobody's: it passes, and what was bought is still there then. */
static bool is_ours(enum err_code code)
{
	switch (code) {
	case ERR_CANCELED:
	case ERR_BUSY:
	case ERR_STORE_STALE:
	case ERR_STORE_UNAVAILABLE:
	case ERR_BLOB_IO:
	case ERR_DARKROOM:
	case ERR_SYSTEM:
	case ERR_MEMORY:
	case ERR_INTERNAL:
		return true;
	default:
		return false;
	}
}

/* It said when to come again, and that is soon. */
static bool is_worth_waiting(const struct run *r, const struct err *e)
{
	return e->code == ERR_MATTE_PROVIDER && !r->hopeless && e->retry_after_ms > 0 &&
		e->retry_after_ms <= WAIT_MAX_MS && !provider_is_open(r->w->o.provider) &&
		r->l->task.tries + 1 < r->w->o.max_tries;
}

static bool falls_back(const struct run *r, const struct err *e)
{
	return r->piece.done && !is_ours(e->code) && !is_worth_waiting(r, e);
}

static enum cut_reason why_not(enum err_code code)
{
	return code == ERR_MATTE_BUDGET            ? CUT_REASON_UNPAID
		: code == ERR_MATTE_CHARGE_UNKNOWN ? CUT_REASON_CHARGE_UNKNOWN
						   : CUT_REASON_PROVIDER_FAILED;
}

enum err_code run_pay(struct run *r, struct err *e)
{
	struct provider_result p = { .fd = -1 };
	*e = (struct err){ 0 };
	enum err_code code = prepare_and_buy(r, &p, e);
	if (code == OK)
		code = compose(r, &p, e);
	fd_close(&p.fd);
	if (code == OK || !falls_back(r, e))
		return code;
	r->reason = why_not(code);
	r->charge = r->cost = 0;
	r->crashed = r->hopeless = r->untried = false;
	return OK;
}
