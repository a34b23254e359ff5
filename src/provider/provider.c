/* SPDX-License-Identifier: MIT
 *
 * A paid call, step by step: wait at the gate, see that the provider is not out of order, look at
 * cancel for the last time, let the ledger write the intent, send, judge the answer, tell the
 * ledger. Between the ledger's yes and the request nothing can fail; after it nothing is dropped.
 */
#include "provider/provider.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/url.h"
#include "provider/call.h"

#include <string.h>

/* ---- made and freed ---- */

static enum err_code check_key(const char *key, struct err *e)
{
	if (key == NULL || key[0] == '\0')
		return err_set(e, ERR_USAGE, "the provider's key is empty");
	for (const char *p = key; *p != '\0'; p++)
		if (*p <= 0x20 || *p > 0x7e)
			return err_set(e, ERR_USAGE,
				"the provider's key holds a character that no key has");
	return OK;
}

static enum err_code check_url(const char *text, struct arena *a, struct url *u, struct err *e)
{
	struct err why;
	if (url_parse(text, a, u, &why) != OK)
		return err_set(e, ERR_USAGE, "the provider's URL: %s", why.text);
	if (strcmp(u->scheme, "file") == 0 || u->has_userinfo || u->query != NULL)
		return err_set(e, ERR_USAGE,
			"the provider's URL is https://HOST/PATH and holds nothing else");
	return OK;
}

enum err_code provider_new(const struct provider_opts *o, struct provider **ret, struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct url u;
	enum err_code rc = check_url(o->url, a, &u, e);
	if (rc == OK)
		rc = check_key(o->key, e);
	if (rc != OK)
		return rc;
	struct provider *p = mem_new(struct provider);
	p->opts = *o;
	p->opts.url = p->opts.key = NULL;
	if (p->opts.clock_ms == NULL)
		p->opts.clock_ms = clock_mono_ms;
	p->url = url_format(&u, a);
	size_t n = strlen(p->url);
	while (n > 0 && p->url[n - 1] == '/')
		n--;
	p->url = mem_strndup(p->url, n);
	p->host = mem_strdup(u.host);
	p->key = mem_strdup(o->key);
	limit_init(&p->limit, o->megapixels_per_minute, p->opts.clock_ms);
	breaker_init(&p->breaker, o->breaker_failures, o->breaker_ms);
	*ret = p;
	return OK;
}

void provider_free(struct provider *p)
{
	if (p == NULL)
		return;
	limit_done(&p->limit);
	breaker_done(&p->breaker);
	mem_wipe(p->key, strlen(p->key));
	free(p->key);
	free(p->host);
	free(p->url);
	free(p);
}

const char *provider_host(const struct provider *p)
{
	return p->host;
}

bool provider_is_open(struct provider *p)
{
	int64_t wait;
	return breaker_is_open(&p->breaker, p->opts.clock_ms(), &wait);
}

/* ---- a cut ---- */

struct cut {
	struct provider *p;
	const struct ledger *ledger;
	const struct provider_call *call;
	struct provider_result *ret;
	double megapixels; /* as the provider counts: a small picture is one */
	enum breaker_pass pass;
};

static enum err_code check_size(const struct cut *c, struct err *e)
{
	if (c->call->bytes > 0 && c->call->bytes <= PROVIDER_MAX_BYTES)
		return OK;
	c->ret->retry_after_ms = -1;
	return err_set(e, ERR_MATTE_PROVIDER,
		"the picture has %lld bytes, the provider takes 1 to %d", (long long)c->call->bytes,
		PROVIDER_MAX_BYTES);
}

static enum err_code breaker_open(const struct cut *c, int64_t wait_ms, struct err *e)
{
	c->ret->retry_after_ms = wait_ms;
	enum err_code rc = err_set(e, ERR_MATTE_PROVIDER,
		"'%.100s' failed %d times in a row and is left alone for %lld s", c->p->host,
		c->p->breaker.failures_max, (long long)((wait_ms + 999) / 1000));
	if (e != NULL)
		e->retry_after_ms = wait_ms;
	return rc;
}

/* At the gate and past the breaker: the last look at cancel, then the intent. */
static enum err_code ask_ledger(const struct cut *c, struct err *e)
{
	const struct provider_call *call = c->call;
	if (call->cancel != NULL && atomic_load(call->cancel))
		return err_set(e, ERR_CANCELED, "canceled before the provider was asked");
	return c->ledger->ask(c->ledger->ctx, call->task, call->lease, call->est_cost,
		&c->ret->intent, e);
}

static enum err_code pass_breaker(struct cut *c, struct err *e)
{
	int64_t wait = 0;
	c->pass = breaker_enter(&c->p->breaker, c->p->opts.clock_ms(), &wait);
	if (c->pass == BREAKER_OPEN)
		return breaker_open(c, wait, e);
	enum err_code rc = ask_ledger(c, e);
	if (rc != OK || c->ret->intent.bought)
		breaker_leave(&c->p->breaker, c->pass, BREAKER_NONE, c->p->opts.clock_ms());
	return rc;
}

/* Up to the intent. Behind an open breaker nobody waits for a turn. */
static enum err_code get_ready(struct cut *c, struct err *e)
{
	int64_t wait = 0;
	enum err_code rc = check_size(c, e);
	if (rc == OK && breaker_is_open(&c->p->breaker, c->p->opts.clock_ms(), &wait))
		rc = breaker_open(c, wait, e);
	if (rc != OK)
		return rc;
	rc = limit_enter(&c->p->limit, c->megapixels, c->call->cancel, e);
	if (rc == ERR_MATTE_PROVIDER && e != NULL)
		c->ret->retry_after_ms = e->retry_after_ms;
	if (rc != OK)
		return rc;
	rc = pass_breaker(c, e);
	limit_leave(&c->p->limit, c->megapixels, rc == OK && !c->ret->intent.bought);
	return rc;
}

static void hand_over(const struct cut *c, struct answer *a)
{
	struct provider_result *ret = c->ret;
	ret->fd = fd_take(&a->fd);
	ret->bytes = a->bytes;
	memcpy(ret->media_type, a->media_type, sizeof(ret->media_type));
	ret->cost = a->credits >= 0 ? a->credits : c->call->est_cost;
}

/* The ledger hears of what will not come. Should it fail to listen, the intent stays as it is and
 * ends as unknown: too much is counted then, never too little. */
static enum err_code tell_ledger(const struct cut *c, const struct verdict *v, struct err *e)
{
	const struct ledger *l = c->ledger;
	int64_t charge = c->ret->intent.charge;
	return v->kind == VERDICT_UNKNOWN ? l->unknown(l->ctx, charge, e)
					  : l->refused(l->ctx, charge, e);
}

static void note(const struct cut *c, const struct answer *a, const struct verdict *v)
{
	struct provider *p = c->p;
	int64_t credits = a->credits > 0 ? a->credits : 0;
	if (v->kind == VERDICT_BOUGHT && a->credits < 0)
		credits = c->call->est_cost;
	breaker_leave(&p->breaker, c->pass, v->away ? BREAKER_BAD : BREAKER_GOOD,
		p->opts.clock_ms());
	if (v->kind == VERDICT_REFUSED && v->retry_after_ms > 0)
		limit_hold(&p->limit, v->retry_after_ms);
	if (p->opts.on_call != NULL)
		p->opts.on_call(p->opts.ctx, v->outcome, credits);
}

static enum err_code call_and_settle(const struct cut *c, struct err *e)
{
	CLEANUP(answer_done) struct answer a = ANSWER_INIT;
	struct err why = { 0 };
	call_cut(c->p, c->call, &a);
	if (a.fd >= 0 && a.error.code == OK && io_seal(a.fd, &why) != OK)
		a.error = why;
	struct verdict v = answer_judge(&a, c->p->host, c->p->key, &why);
	note(c, &a, &v);
	if (v.kind == VERDICT_BOUGHT) {
		hand_over(c, &a);
		return OK;
	}
	enum err_code rc = tell_ledger(c, &v, e);
	if (rc != OK)
		return rc;
	c->ret->no_foreground = v.kind == VERDICT_NO_FOREGROUND;
	c->ret->retry_after_ms = v.retry_after_ms;
	if (c->ret->no_foreground)
		return OK;
	if (e != NULL)
		*e = why;
	return why.code;
}

enum err_code provider_cut(struct provider *p, const struct ledger *l,
	const struct provider_call *call, struct provider_result *ret, struct err *e)
{
	double megapixels = (double)call->width * call->height / 1e6;
	struct cut c = { .p = p,
		.ledger = l,
		.call = call,
		.ret = ret,
		.megapixels = megapixels > 1 ? megapixels : 1 };
	*ret = (struct provider_result){ .fd = -1 };
	enum err_code rc = get_ready(&c, e);
	return rc != OK || ret->intent.bought ? rc : call_and_settle(&c, e);
}

/* ---- the account ---- */

enum err_code provider_account(struct provider *p, double *ret_credits, struct err *e)
{
	CLEANUP(answer_done) struct answer a = ANSWER_INIT;
	autojson *j = NULL;
	call_account(p, &a);
	if (a.status != 200 || a.error.code != OK) {
		struct err why = { 0 };
		answer_judge(&a, p->host, p->key, &why);
		return err_set(e, ERR_MATTE_PROVIDER, "%s", why.text);
	}
	if (json_parse(buf_str(&a.text), a.text.len, &j, NULL) == OK) {
		const json_t *credits =
			json_object_get(json_object_get(json_object_get(json_object_get(j, "data"),
								"attributes"),
						"credits"),
				"total");
		if (json_is_number(credits)) {
			*ret_credits = json_number_value(credits);
			return OK;
		}
	}
	return err_set(e, ERR_MATTE_PROVIDER, "'%.100s' does not say how many credits are left",
		p->host);
}
