/* SPDX-License-Identifier: MIT
 *
 * What a caller used, what it cost and what the caches saved, by days (UTC); and what a request would
 * do, which costs nothing to ask. Days are added up here, not in the store: a month of them is short.
 */
#include "api/api_impl.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_MS   (24 * 60 * 60 * 1000LL)
#define DAYS_MAX 366

/* ---- days ----------------------------------------------------------------------------------- */

static const char *day_text(struct call *c, int64_t day)
{
	char text[CLOCK_RFC3339_MAX];

	clock_format_rfc3339(day * DAY_MS, text);
	return arena_strndup(c->a, text, strlen("2026-11-23"));
}

/* YYYY-MM-DD and nothing else; a day that no month has is none. */
static bool day_parse(struct call *c, const char *text, int64_t *ret)
{
	struct tm t = { 0 };

	if (strlen(text) != 10 || !strptime(text, "%Y-%m-%d", &t))
		return false;
	int64_t day = (int64_t)timegm(&t) / (DAY_MS / 1000);
	if (strcmp(day_text(c, day), text) != 0)
		return false;
	*ret = day;
	return true;
}

/* NULL: the default. false: answered. */
static bool query_day(struct call *c, const char *name, int64_t dflt, int64_t *ret)
{
	const char *text = call_query(c, name);

	*ret = dflt;
	if (!text || day_parse(c, text, ret))
		return true;
	call_fail(c, ERR_REQUEST_INVALID, "%s must be a day such as 2026-11-23 (UTC)", name);
	return false;
}

static bool query_days(struct call *c, int64_t *ret_from, int64_t *ret_to)
{
	int64_t today = clock_wall_ms() / DAY_MS, month = 0;

	if (!query_day(c, "to", today, ret_to))
		return false;
	const char *first = arena_printf(c->a, "%.7s-01", day_text(c, *ret_to));
	(void)day_parse(c, first, &month);
	if (!query_day(c, "from", month, ret_from))
		return false;
	if (*ret_from <= *ret_to && *ret_to - *ret_from < DAYS_MAX)
		return true;
	call_fail(c, *ret_from > *ret_to ? ERR_REQUEST_INVALID : ERR_REQUEST_LIMIT,
		"from must not be after to, and at most %d days before it", DAYS_MAX - 1);
	return false;
}

/* ---- the document --------------------------------------------------------------------------- */

static void put_work(json_t *o, const struct usage_row *u)
{
	json_put_int(o, "jobs", u->jobs);
	json_put_int(o, "items", u->items);
	json_put_int(o, "downloads", u->downloads);
	json_put_int(o, "encodes", u->encodes);
	json_put_int(o, "cutouts", u->cutouts);
	json_put_int(o, "bytes_in", u->bytes_in);
	json_put_int(o, "bytes_out", u->bytes_out);
	json_put_int(o, "paid_calls", u->paid_calls);
	json_put_int(o, "unknown_calls", u->unknown_calls);
}

static json_t *credits_json(const struct usage_row *u)
{
	json_t *o = json_obj();

	view_credits(o, "spent", u->spent);
	view_credits(o, "unknown", u->unknown);
	return o;
}

static json_t *saved_json(const struct usage_row *u)
{
	json_t *o = json_obj();

	json_put_int(o, "downloads", u->saved.downloads);
	json_put_int(o, "encodes", u->saved.encodes);
	json_put_int(o, "paid_calls", u->saved.paid_calls);
	view_credits(o, "credits", u->saved_cost);
	return o;
}

static json_t *day_json(struct call *c, const struct usage_row *u)
{
	json_t *o = json_obj();

	json_put_str(o, "date", day_text(c, u->day));
	put_work(o, u);
	json_put(o, "credits", credits_json(u));
	json_put(o, "saved", saved_json(u));
	return o;
}

static void add(struct usage_row *sum, const struct usage_row *u)
{
	sum->jobs += u->jobs;
	sum->items += u->items;
	sum->downloads += u->downloads;
	sum->encodes += u->encodes;
	sum->cutouts += u->cutouts;
	sum->bytes_in += u->bytes_in;
	sum->bytes_out += u->bytes_out;
	sum->paid_calls += u->paid_calls;
	sum->spent += u->spent;
	sum->unknown += u->unknown;
	sum->unknown_calls += u->unknown_calls;
	sum->saved.downloads += u->saved.downloads;
	sum->saved.encodes += u->saved.encodes;
	sum->saved.paid_calls += u->saved.paid_calls;
	sum->saved_cost += u->saved_cost;
}

void usage_get(struct call *c)
{
	struct usage_row *rows, sum = { 0 };
	struct err e = { 0 };
	int64_t from, to, reserved, limit = c->api->o.max_cost_month;
	size_t n;

	if (!query_days(c, &from, &to))
		return;
	json_t *limits = NULL;
	if (store_usage(c->api->o.store, c->tenant, from, to, c->a, &rows, &n, &reserved, &e) !=
			OK ||
		limits_left(c, &limits, &e) != OK) {
		call_fail_err(c, &e);
		return;
	}
	json_t *doc = json_obj(), *totals = json_obj(), *days = json_arr();
	for (size_t i = 0; i < n; i++) {
		add(&sum, &rows[i]);
		json_push(days, day_json(c, &rows[i]));
	}
	put_work(totals, &sum);
	json_t *credits = credits_json(&sum);
	view_credits(credits, "reserved", reserved);
	if (limit >= 0)
		view_credits(credits, "limit", limit);
	else
		json_put(credits, "limit", json_null());
	json_put_str(doc, "from", day_text(c, from));
	json_put_str(doc, "to", day_text(c, to));
	json_put(doc, "totals", totals);
	json_put(doc, "credits", credits);
	json_put(doc, "limits", limits);
	json_put(doc, "saved", saved_json(&sum));
	json_put(doc, "days", days);
	call_json(c, 200, doc);
}

/* ---- what a request would do ---------------------------------------------------------------- */

void estimate_answer(struct call *c, const struct request *r)
{
	const struct api_opts *o = &c->api->o;
	struct estimate x = { 0 };
	struct err e = { 0 };

	if (store_estimate(o->store, c->tenant, r, o->seal_key, &x, &e) != OK) {
		call_fail_err(c, &e);
		return;
	}
	json_t *doc = json_obj(), *counts = json_obj(), *estimate = json_obj();
	json_put_int(counts, "total", (int64_t)r->items_n);
	json_put_int(counts, "duplicates", (int64_t)r->duplicates);
	json_put_int(estimate, "downloads", x.downloads);
	json_put_int(estimate, "revalidations", x.revalidations);
	json_put_int(estimate, "encodes", x.encodes);
	json_put_int(estimate, "cutouts", x.cutouts);
	json_put_int(estimate, "paid_calls", x.paid_calls);
	view_credits(estimate, "cost", x.cost);
	json_put_int(estimate, "hits", x.hits);
	json_put_bool(doc, "dry_run", true);
	json_put(doc, "counts", counts);
	json_put(doc, "estimate", estimate);
	call_json(c, 200, doc);
}
