/* SPDX-License-Identifier: MIT
 *
 * What a tenant is held to when it submits: rates here, by token buckets, quotas in the store's
 * transaction. Both are told in the RateLimit fields (draft-ietf-httpapi-ratelimit-headers) of every
 * answer to a submit, one policy a limit, under the limit's own name, and quotas in the caller's usage.
 */
#include "api/api_impl.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400

struct policy {
	const char *name;
	int64_t quota, left, window_s, reset_s; /* -1: has none */
};
struct telling {
	struct buf policies, states;
};

static void tell(struct telling *t, const struct policy *p)
{
	const char *comma = t->policies.len ? ", " : "";

	buf_printf(&t->policies, "%s\"%s\";q=%lld", comma, p->name, (long long)p->quota);
	if (p->window_s >= 0)
		buf_printf(&t->policies, ";w=%lld", (long long)p->window_s);
	buf_printf(&t->states, "%s\"%s\";r=%lld", comma, p->name,
		(long long)(p->left < 0 ? 0 : p->left));
	if (p->reset_s >= 0)
		buf_printf(&t->states, ";t=%lld", (long long)p->reset_s);
}

static void tell_rates(struct telling *t, const struct rate rates[RATES])
{
	for (size_t i = 0; i < RATES; i++) {
		const struct rate *r = &rates[i];
		if (r->capacity)
			tell(t,
				&(struct policy){ limit_rows[i].name, r->capacity, r->left,
					r->window_s, r->full_s });
	}
}

/* The calendar's window, UTC, in which now lies: how long it is, and how much of it is left. */
static void window_of(enum limit_window w, int64_t now_s, int64_t *ret_length, int64_t *ret_left)
{
	time_t t = (time_t)now_s;
	struct tm tm, next = { 0 };

	*ret_length = DAY_S;
	*ret_left = DAY_S - now_s % DAY_S;
	if (w != LIMIT_WINDOW_MONTH)
		return;
	gmtime_r(&t, &tm);
	next.tm_year = tm.tm_year;
	next.tm_mon = tm.tm_mon + 1;
	next.tm_mday = 1;
	int64_t end = (int64_t)timegm(&next);
	tm.tm_mday = 1;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	*ret_length = end - (int64_t)timegm(&tm);
	*ret_left = end - now_s;
}

static struct policy quota_of(enum limit which, int64_t most, int64_t used)
{
	const struct limit_row *row = &limit_rows[which];
	int64_t unit = row->unit == LIMIT_UNIT_DECIMAL ? 1000 : 1;
	struct policy p = { row->name, most / unit, (most - used) / unit, -1, -1 };

	if (row->window != LIMIT_WINDOW_STANDING)
		window_of(row->window, clock_wall_ms() / 1000, &p.window_s, &p.reset_s);
	return p;
}

static void tell_quotas(struct telling *t, const struct limits *l, const struct quota_answer *q)
{
	for (size_t i = RATES; q->known && i < LIMIT_COUNT; i++) {
		struct policy p = quota_of((enum limit)i, l->most[i], q->used[i]);
		if (l->most[i] >= 0)
			tell(t, &p);
	}
}

static void put_fields(struct call *c, const struct telling *t)
{
	if (!t->policies.len)
		return;
	http_set(c->r, "RateLimit-Policy", arena_strdup(c->a, buf_str((struct buf *)&t->policies)));
	http_set(c->r, "RateLimit", arena_strdup(c->a, buf_str((struct buf *)&t->states)));
	c->rates_told = true;
}

static void tell_all(struct call *c, const struct limits *l, const struct rate rates[RATES],
	const struct quota_answer *q)
{
	struct telling t = { BUF_INIT(4096), BUF_INIT(4096) };

	tell_rates(&t, rates);
	tell_quotas(&t, l, q);
	put_fields(c, &t);
	buf_done(&t.policies);
	buf_done(&t.states);
}

/* ---- what a submit asks --------------------------------------------------------------------- */

bool limits_begin(struct call *c, int64_t urls, struct submit_limits *ret)
{
	const struct access_key *k = c->key ? c->key : c->token_maker;

	*ret = (struct submit_limits){ .quota.hit = LIMIT_COUNT };
	limits_none(&ret->limits);
	if (!k)
		return true;
	access_limits(c->api->o.access, k->tenant, &ret->limits);
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		ret->any |= ret->limits.most[i] >= 0;
	enum limit over = access_take(c->api->o.access, k->tenant, urls, ret->rates);
	if (over == LIMIT_COUNT)
		return true;
	tell_all(c, &ret->limits, ret->rates, &ret->quota);
	c->retry_after_s = ret->rates[over].wait_s;
	call_fail(c, ERR_RATE_LIMITED, "the limit %s is reached", limit_rows[over].name);
	return false;
}

void limits_end(struct call *c, const struct submit_limits *s)
{
	enum limit over = s->quota.hit;

	tell_all(c, &s->limits, s->rates, &s->quota);
	if (over == LIMIT_COUNT)
		return;
	struct policy p = quota_of(over, s->limits.most[over], s->quota.used[over]);
	c->retry_after_s = p.reset_s >= 0 ? p.reset_s : DAY_S;
}

/* ---- what a caller may do, and what is left of it --------------------------------------------- */

/* Of a rate nothing is left or used up: it is another number in each server, and at each moment. */
static json_t *limit_json(enum limit which, int64_t most, int64_t used)
{
	json_t *o = json_obj();
	enum limit_window window = limit_rows[which].window;
	int64_t now_s = clock_wall_ms() / 1000, length, left;
	char end[CLOCK_RFC3339_MAX];

	json_put(o, "limit", limit_amount_json(which, most));
	if (window == LIMIT_WINDOW_SECOND)
		return o;
	json_put(o, "left", limit_amount_json(which, used < most ? most - used : 0));
	if (window == LIMIT_WINDOW_STANDING)
		return o;
	window_of(window, now_s, &length, &left);
	clock_format_rfc3339((now_s + left) * 1000, end);
	json_put_str(o, "resets_at", end);
	return o;
}

enum err_code limits_left(struct call *c, json_t **ret, struct err *e)
{
	struct limits l;
	int64_t used[LIMIT_COUNT];

	access_limits(c->api->o.access, c->tenant, &l);
	enum err_code code = store_quota_used(c->api->o.store, c->tenant, &l, used, e);
	if (code != OK)
		return code;
	*ret = json_obj();
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		if (l.most[i] >= 0)
			json_put(*ret, limit_rows[i].name,
				limit_json((enum limit)i, l.most[i], used[i]));
	return OK;
}
