/* SPDX-License-Identifier: MIT
 *
 * The dispatcher knows no store and no bucket: both are handed to it here.
 */
#include "app/dispatching.h"

#include "base/log.h"
#include "base/metrics.h"

#include <string.h>

#define SCHEME  "lambda:"
#define PATH    "/v1/results"
#define POLL_MS 1000

/* ---- the feed ------------------------------------------------------------------------------- */

static enum err_code plan(void *ctx, size_t lanes, bool *ret_more, struct err *e)
{
	return store_plan(((struct engine *)ctx)->store, lanes, ret_more, e);
}

static enum err_code tick(void *ctx, int64_t *ret_next_ms, struct err *e)
{
	return store_tick(((struct engine *)ctx)->store, ret_next_ms, e);
}

static enum err_code claim(void *ctx, const struct claim *c, struct arena *a, struct task **ret,
	size_t *ret_n, struct err *e)
{
	return store_claim(((struct engine *)ctx)->store, c, a, ret, ret_n, e);
}

static enum err_code later(void *ctx, const struct task_name *name, int64_t until_ms, struct err *e)
{
	enum err_code code = store_later(((struct engine *)ctx)->store, name->id, name->lease,
		until_ms, NULL, false, e);
	return code == ERR_STORE_STALE ? OK : code;
}

/* As a report that puts it back would. */
static enum err_code failed(void *ctx, const struct task_name *name, const struct err *why,
	struct err *e)
{
	const struct engine *g = ctx;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct outcome o = { .code = why->code,
		.stage = "download",
		.download_ms = -1,
		.process_ms = -1,
		.store_ms = -1 };
	struct outside_report r = { .id = name->id,
		.lease = name->lease,
		.later = true,
		.outcome = &o,
		.after_ms = POLL_MS,
		.max_tries = (int)g->conf->max_tries };
	struct outside_answer answer;
	snprintf(o.detail, sizeof(o.detail), "%s", why->text);
	return store_report(g->store, &r, a, &answer, e);
}

static enum err_code hand(void *ctx, const struct task_name *names, size_t n, const char *owner,
	int64_t lease_ms, struct err *e)
{
	struct outside_name v[EVENT_TASKS_MAX];
	for (size_t i = 0; i < n; i++)
		v[i] = (struct outside_name){ names[i].id, names[i].lease };
	return store_hand(((struct engine *)ctx)->store, v, n, owner, lease_ms, e);
}

static enum err_code describe(void *ctx, const struct task_name *name, int64_t deadline_ms,
	struct arena *a, struct event_task *ret, bool *ret_held, struct err *e)
{
	return results_describe(((struct engine *)ctx)->results, name, deadline_ms, a, ret,
		ret_held, e);
}

static enum err_code flying(void *ctx, struct arena *a, struct flying **ret, size_t *ret_n,
	struct err *e)
{
	struct outside_row *rows = NULL;
	size_t n = 0;
	enum err_code code = store_outside(((struct engine *)ctx)->store, a, &rows, &n, e);
	if (code != OK)
		return code;
	struct flying *v = arena_alloc(a, (n + 1) * sizeof(*v));
	for (size_t i = 0; i < n; i++)
		v[i] = (struct flying){ .name = { rows[i].id, rows[i].lease },
			.until_ms = rows[i].until_ms,
			.host = rows[i].host,
			.owner = rows[i].owner };
	*ret = v;
	*ret_n = n;
	return OK;
}

static enum err_code find(void *ctx, const struct task_name *name, struct err *e)
{
	bool found = false;
	enum err_code code = results_find_left(((struct engine *)ctx)->results, name, &found, e);
	if (code == OK && found)
		log_event(LOG_REPORTS_FOUND, NULL, "task=%lld.%lld", (long long)name->id,
			(long long)name->lease);
	/* a bucket that does not answer must not keep tasks from being sent */
	return code == ERR_STORE_UNAVAILABLE ? code : OK;
}

enum err_code dispatching_collect(struct results *r, struct err *e)
{
	int64_t n = 0, bad = 0;
	enum err_code code = results_collect(r, &n, &bad, e);
	if (code == OK && n > 0)
		log_event(bad ? LOG_REPORT_REFUSED : LOG_REPORTS_FOUND, NULL,
			"left=%lld refused=%lld", (long long)n, (long long)bad);
	return code;
}

static enum err_code collect(void *ctx, struct err *e)
{
	enum err_code code = dispatching_collect(((struct engine *)ctx)->results, e);
	return code == ERR_STORE_UNAVAILABLE ? code : OK;
}

static struct dispatch_feed feed_of(struct engine *g)
{
	return (struct dispatch_feed){ .ctx = g,
		.plan = plan,
		.tick = tick,
		.claim = claim,
		.later = later,
		.failed = failed,
		.hand = hand,
		.describe = describe,
		.flying = flying,
		.find = find,
		.collect = collect };
}

/* ---- the settings --------------------------------------------------------------------------- */

static void wake(void *ctx, const struct bus_hint *h)
{
	(void)h; /* news of a job may be a report, which makes room */
	dispatch_wake(ctx);
}

/* Sockets' schemes are those of requests here; NULL: nobody said where this server is. */
static char *report_url(const struct conf *c, const char *self_url)
{
	const char *url = c->report_url ? c->report_url
		: c->events_url         ? c->events_url
		: c->public_url         ? c->public_url
					: self_url;
	if (!url)
		return NULL;
	bool ws = strncmp(url, "ws", 2) == 0;
	size_t n = strlen(url);
	while (n > 0 && url[n - 1] == '/')
		n--;
	return mem_printf("%s%.*s" PATH, ws ? "http" : "", (int)n - (ws ? 2 : 0),
		url + (ws ? 2 : 0));
}

static enum err_code check(const struct engine *g, const char *url, struct err *e)
{
	const char *to = g->conf->dispatch;
	if (strncmp(to, SCHEME, strlen(SCHEME)) != 0 || !to[strlen(SCHEME)])
		return err_set(e, ERR_USAGE, "--dispatch '%.100s': it is lambda:FUNCTION", to);
	if (!blob_place(g->blob).bucket)
		return err_set(e, ERR_USAGE,
			"--dispatch: functions put what they make into a bucket, so --blob is "
			"s3://BUCKET/PREFIX");
	if (!url)
		return err_set(e, ERR_USAGE,
			"--dispatch: functions report to a server: say where with --report-url");
	return OK;
}

enum err_code dispatching_start(struct engine *g, const char *self_url, struct err *e)
{
	const struct conf *c = g->conf;
	if (!c->dispatch)
		return OK;
	autofree char *url = report_url(c, self_url);
	if (check(g, url, e) != OK)
		return e->code;
	const struct blob_place place = blob_place(g->blob);
	struct dispatch_opts o = { .feed = feed_of(g),
		.function = c->dispatch + strlen(SCHEME),
		.environment = c->environment,
		.report_url = url,
		.bucket = place.bucket,
		.region = place.region,
		.prefix = place.prefix,
		.owner = OUTSIDE_OWNER,
		.lease_ms = c->dispatch_lease_ms,
		.concurrency = (size_t)c->dispatch_concurrency,
		.batch = (size_t)c->dispatch_batch,
		.per_host = (size_t)c->dispatch_per_host,
		.poll_ms = POLL_MS };
	if (dispatch_new(&o, &g->dispatch, e) != OK)
		return err_wrap(e, "--dispatch");
	bus_subscribe(g->bus, wake, g->dispatch);
	return OK;
}
