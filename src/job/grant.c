/* SPDX-License-Identifier: MIT
 *
 * Bounds are compared with the request as it was understood, not with its text: URLs in their
 * normalised form, presets by the name that was chosen, costs summed up over all items.
 */
#include "job/grant.h"

#include "base/url.h"
#include "job/members.h"

#include <math.h>
#include <string.h>

#define EXPIRES_MAX_S (7 * 24 * 3600)
#define JOBS_MAX      1000000
#define URLS_MAX      1000000
#define URLS_DEFAULT  200
#define COST_MAX      1000000.0
#define SUBMIT_S      900
#define READ_S        3600

/* ---- reading -------------------------------------------------------------------------------- */

static void read_allow(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	static const char *const names[] = { "submit", "read" };

	((struct grant *)dst)->submit = read_name(v, names, ARRAY_LEN(names), at, f) == 0;
}

static void read_job(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct grant *g = dst;

	if (read_str(v, JOB_ID_MAX, at, f, &g->job) && !job_id_is_valid(g->job))
		at_fault(f, at, ERR_REQUEST_INVALID, "is not the id of a job");
}

static void read_expires(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)read_int(v, 1, EXPIRES_MAX_S, at, f, &((struct grant *)dst)->expires_s);
}

static void read_jobs(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)read_int(v, 1, JOBS_MAX, at, f, &((struct grant *)dst)->max_jobs);
}

static void read_urls(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)read_int(v, 1, URLS_MAX, at, f, &((struct grant *)dst)->max_urls);
}

static void read_background(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)read_bool(v, at, f, &((struct grant *)dst)->background);
}

static void read_cost(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	double n = json_is_number(v) ? json_number_value(v) : -1;

	if (n < 0 || n > COST_MAX)
		at_fault(f, at, ERR_REQUEST_INVALID, "must be a number from 0 to %.0f", COST_MAX);
	else
		((struct grant *)dst)->max_cost = (int64_t)floor(n * 1000 + 1e-6);
}

static size_t read_names(const json_t *v, size_t max, const char **ret, const struct at *at,
	struct faults *f)
{
	size_t i, n = 0;
	json_t *one;

	if (!json_is_array(v) || json_array_size(v) == 0 || json_array_size(v) > GRANT_NAMES_MAX) {
		at_fault(f, at, ERR_REQUEST_INVALID, "must be a list of 1 to %d strings",
			GRANT_NAMES_MAX);
		return 0;
	}
	json_array_foreach(v, i, one)
	{
		struct at place = { .up = at, .index = i };
		n += read_str(one, max, &place, f, &ret[n]);
	}
	return n;
}

static void read_presets(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct grant *g = dst;

	g->presets_n = read_names(v, 128, g->presets, at, f);
}

static void read_sources(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct grant *g = dst;
	struct url u;
	struct err e;

	g->sources_n = read_names(v, URL_MAX, g->sources, at, f);
	for (size_t i = 0; i < g->sources_n; i++) {
		struct at place = { .up = at, .index = i };
		if (url_parse(g->sources[i], a, &u, &e) != OK)
			at_fault(f, &place, ERR_REQUEST_INVALID, "%s", e.text);
		else if (u.query || u.has_userinfo)
			at_fault(f, &place, ERR_REQUEST_INVALID,
				"must be a scheme, a host and the beginning of a path");
	}
}

static void read_origin(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)read_str(v, 512, at, f, &((struct grant *)dst)->origin);
}

static const struct member members[] = {
	{ "allow", read_allow },
	{ "job", read_job },
	{ "expires_in", read_expires },
	{ "max_jobs", read_jobs },
	{ "max_urls", read_urls },
	{ "presets", read_presets },
	{ "background", read_background },
	{ "max_cost", read_cost },
	{ "sources", read_sources },
	{ "origin", read_origin },
};

/* A bound that is said where it bounds nothing was meant for something. */
static void check_kind(const json_t *body, const struct grant *g, struct faults *f)
{
	const char *name;
	json_t *v;

	if (!json_object_get(body, "allow"))
		faults_add(f, ERR_REQUEST_INVALID, "/allow", "must be submit or read");
	else if (!g->submit && !g->job)
		faults_add(f, ERR_REQUEST_INVALID, "/job", "a read token names its job");
	json_object_foreach((json_t *)(uintptr_t)body, name, v)
	{
		bool both = strcmp(name, "allow") == 0 || strcmp(name, "expires_in") == 0;
		if (both || json_is_null(v) || (strcmp(name, "job") == 0) != g->submit)
			continue;
		autofree char *pointer = mem_printf("/%s", name);
		faults_add(f, ERR_REQUEST_INVALID, pointer, "is not of a token that allows %s",
			g->submit ? "submit" : "read");
	}
}

bool grant_parse(const json_t *body, struct grant *ret, struct faults *f)
{
	const struct at root = { .name = "" };
	struct grant g = { .max_jobs = 1, .max_urls = URLS_DEFAULT };

	members_read(body, members, ARRAY_LEN(members), &root, &g, f);
	if (!f->list)
		check_kind(body, &g, f);
	if (f->list)
		return false;
	if (!g.expires_s)
		g.expires_s = g.submit ? SUBMIT_S : READ_S;
	*ret = g;
	return true;
}

static void put_names(json_t *o, const char *name, const char *const *v, size_t n)
{
	json_t *list = json_arr();

	for (size_t i = 0; i < n; i++)
		json_push(list, json_string(v[i]));
	if (n > 0)
		json_put(o, name, list);
	else
		json_decref(list);
}

json_t *grant_json(const struct grant *g)
{
	json_t *o = json_obj();

	json_put_str(o, "allow", g->submit ? "submit" : "read");
	if (!g->submit) {
		json_put_str(o, "job", g->job);
		return o;
	}
	json_put_int(o, "max_jobs", g->max_jobs);
	json_put_int(o, "max_urls", g->max_urls);
	put_names(o, "presets", g->presets, g->presets_n);
	json_put_bool(o, "background", g->background);
	json_put(o, "max_cost", json_real((double)g->max_cost / 1000));
	put_names(o, "sources", g->sources, g->sources_n);
	if (g->origin)
		json_put_str(o, "origin", g->origin);
	return o;
}

/* ---- holding a request to it ---------------------------------------------------------------- */

/* "https://a.test/x" is the beginning of "https://a.test/x/y" and not of "https://a.test/xy". */
static bool begins_with(const char *url, const char *prefix)
{
	size_t n = strlen(prefix);

	if (strncmp(url, prefix, n) != 0)
		return false;
	return (n && prefix[n - 1] == '/') || strchr("/?", url[n]);
}

static bool comes_from(const struct grant *g, const char *text, struct arena *a)
{
	struct url u, prefix;
	struct err e;

	if (url_parse(text, a, &u, &e) != OK || u.has_userinfo)
		return false;
	const char *url = url_normalise(&u, a);
	for (size_t i = 0; i < g->sources_n; i++)
		if (url_parse(g->sources[i], a, &prefix, &e) == OK &&
			begins_with(url, url_normalise(&prefix, a)))
			return true;
	return false;
}

static void check_sources(const struct grant *g, const struct request *r, struct faults *f)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();

	for (size_t i = 0; g->sources_n && i < r->items_n; i++)
		if (!comes_from(g, r->items[i].url, a))
			faults_add(f, ERR_AUTH_FORBIDDEN, "/urls",
				"this token does not open the source '%s'",
				url_for_log(r->items[i].url, a));
}

static bool is_granted(const struct grant *g, const char *preset)
{
	for (size_t i = 0; preset && i < g->presets_n; i++)
		if (strcmp(g->presets[i], preset) == 0)
			return true;
	return false;
}

static void check_presets(const struct grant *g, const struct request *r, struct faults *f)
{
	if (g->presets_n && !is_granted(g, r->preset))
		faults_add(f, ERR_AUTH_FORBIDDEN, r->preset ? "/preset" : "/variants",
			"this token allows the presets that it names, and no other");
	for (size_t i = 0; g->presets_n && i < r->items_n; i++)
		if (r->items[i].recipe) {
			faults_add(f, ERR_AUTH_FORBIDDEN, "/urls",
				"this token allows no variants or preset of a URL's own");
			return;
		}
}

static void check_background(const struct grant *g, const struct request *r, struct faults *f)
{
	bool any = r->cut.remove;

	for (size_t i = 0; i < r->items_n; i++)
		any |= r->items[i].cut && r->items[i].cut->remove;
	if (any && !g->background)
		faults_add(f, ERR_AUTH_FORBIDDEN, "/background", "this token does not allow it");
	else if (any && request_max_cost(r) > g->max_cost)
		faults_add(f, ERR_AUTH_FORBIDDEN, "/background/max_cost",
			"this token allows at most %g", (double)g->max_cost / 1000);
}

/* What reaches beyond the job itself: others' jobs, and messages in the tenant's name. */
static void check_reach(const json_t *body, struct faults *f)
{
	static const char *const names[] = { "from", "webhook" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const json_t *v = json_object_get(body, names[i]);
		autofree char *pointer = mem_printf("/%s", names[i]);
		if (v && !json_is_null(v))
			faults_add(f, ERR_AUTH_FORBIDDEN, pointer, "this token does not allow it");
	}
}

bool grant_allows(const struct grant *g, const json_t *body, const struct request *r,
	struct faults *f)
{
	int64_t urls = (int64_t)(r->items_n + r->duplicates);

	check_reach(body, f);
	if (urls > g->max_urls)
		faults_add(f, ERR_AUTH_FORBIDDEN, "/urls", "%lld URLs; this token allows %lld",
			(long long)urls, (long long)g->max_urls);
	check_sources(g, r, f);
	check_presets(g, r, f);
	check_background(g, r, f);
	return !f->list;
}
