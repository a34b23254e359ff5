/* SPDX-License-Identifier: MIT
 *
 * `watch` reads server-sent events: they pass every proxy that passes HTTP, and need no second
 * protocol in the client. The log is durable, so a broken connection costs nothing but the wait.
 */
#include "app/client.h"

#include "app/sse.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "job/job.h"
#include "net/net.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define ANSWER_MAX    (64 << 20)
#define GIVE_UP_MS    60000
#define BACKOFF_MS    250
#define BACKOFF_MAX   5000
#define CALL_TOTAL_MS 120000
#define SILENCE_MS    45000 /* the server sends a comment every 15 s */

struct client {
	char *server;
	char *authorization; /* "Bearer KEY", or NULL; a secret */
	char *idempotency_key;
	struct net_guard guard;
	struct net_client *net;
};

struct client *client_new(const char *server, const char *key)
{
	struct client *c = mem_new(struct client);
	c->server = mem_strdup(server);
	size_t n = strlen(c->server);
	if (n && c->server[n - 1] == '/')
		c->server[n - 1] = 0;
	c->authorization = key ? mem_printf("Bearer %s", key) : NULL;
	c->guard.off = true;
	c->net = net_client_new(&c->guard);
	return c;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	net_client_free(c->net);
	if (c->authorization)
		mem_wipe(c->authorization, strlen(c->authorization));
	free(c->authorization);
	free(c->idempotency_key);
	free(c->server);
	free(c);
}

enum err_code client_check_jobs(const char *const *ids, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (!job_id_is_valid(ids[i]))
			return err_set(e, ERR_USAGE, "'%s' is not the id of a job", ids[i]);
	return OK;
}

void client_idempotency_key(struct client *c, const char *key)
{
	free(c->idempotency_key);
	c->idempotency_key = mem_strdup(key);
}

/* The headers of a call, into room for four; returns how many. */
static size_t call_headers(const struct client *c, bool has_body, struct net_header h[4])
{
	size_t n = 0;
	h[n++] = (struct net_header){ "Accept", "application/json" };
	if (has_body)
		h[n++] = (struct net_header){ "Content-Type", "application/json" };
	if (has_body && c->idempotency_key)
		h[n++] = (struct net_header){ "Idempotency-Key", c->idempotency_key };
	if (c->authorization)
		h[n++] = (struct net_header){ "Authorization", c->authorization };
	return n;
}

static enum err_code problem_to_err(int status, const json_t *doc, struct err *e)
{
	enum err_code code = err_from_name(json_get_str(doc, "code", ""));
	const char *detail = json_get_str(doc, "detail", "");
	const json_t *first = json_array_get(json_object_get(doc, "errors"), 0);
	if (code == ERR_COUNT)
		return err_set(e, ERR_INTERNAL, "the server answered %d %s", status, detail);
	if (!first)
		return err_set(e, code, "%s", *detail ? detail : err_title(code));
	return err_set(e, code, "%s: %s", json_get_str(first, "pointer", ""),
		json_get_str(first, "detail", ""));
}

static bool gather(void *ctx, const void *data, size_t n)
{
	return buf_add(ctx, data, n);
}

enum err_code client_call(struct client *c, const char *method, const char *path,
	const json_t *body, json_t **ret, struct err *e)
{
	autofree char *url = mem_printf("%s%s", c->server, path);
	autofree char *text = body ? json_text(body) : NULL;
	struct net_header headers[4];
	struct buf answer = BUF_INIT(ANSWER_MAX);
	struct net_request r = {
		.method = method,
		.url = url,
		.headers = headers,
		.headers_n = call_headers(c, body != NULL, headers),
		.body = text,
		.body_n = text ? strlen(text) : 0,
		.connect_ms = 10000,
		.total_ms = CALL_TOTAL_MS,
		.on_body = gather,
		.ctx = &answer,
	};
	struct net_response res = { 0 };
	autojson *doc = NULL;
	enum err_code code = net_do(c->net, &r, &res, e);
	if (code == OK && res.stopped)
		code = err_set(e, ERR_INTERNAL, "the answer is longer than %d MiB",
			ANSWER_MAX >> 20);
	if (code == OK && answer.len)
		code = json_parse(answer.data, answer.len, &doc, e);
	buf_done(&answer);
	if (code != OK)
		return err_wrap(e, "%s %s", method, url);
	if (res.status >= 400)
		return problem_to_err(res.status, doc, e);
	*ret = TAKE(&doc);
	return OK;
}

/* ---- watching -------------------------------------------------------------------------------- */

struct watching {
	struct show *show;
	struct sse_parser sse;
	struct buf problem;
	int status;
	int64_t heard_ms; /* when something last came */
	atomic_bool *stop;
};

static bool shown(void *ctx, const char *data, size_t n)
{
	struct watching *w = ctx;
	show_event(w->show, data, n);
	return !atomic_load(w->stop);
}

static bool on_status(void *ctx, int status)
{
	((struct watching *)ctx)->status = status;
	return true;
}

static bool on_body(void *ctx, const void *data, size_t n)
{
	struct watching *w = ctx;
	w->heard_ms = clock_mono_ms();
	if (w->status != 200)
		return buf_add(&w->problem, data, n);
	return sse_feed(&w->sse, data, n);
}

/* One connection, until it breaks or the log is read to its end. *ret_over: nothing more comes. */
static enum err_code watch_once(struct client *c, const char *job, struct watching *w,
	bool *ret_over, struct err *e)
{
	autofree char *url = mem_printf("%s/v1/jobs/%s/events?after=%lld", c->server, job,
		(long long)show_sequence(w->show));
	struct net_header headers[] = {
		{ "Accept", "text/event-stream" },
		{ "Authorization", c->authorization },
	};
	struct net_request r = {
		.method = "GET",
		.url = url,
		.headers = headers,
		.headers_n = c->authorization ? 2 : 1,
		.connect_ms = 10000,
		.low_speed_bytes = 1,
		.low_speed_ms = SILENCE_MS,
		.cancel = w->stop,
		.on_status = on_status,
		.on_body = on_body,
		.ctx = w,
	};
	struct net_response res = { 0 };
	if (net_do(c->net, &r, &res, e) != OK)
		return e->code;
	if (res.status == 204 || show_ended(w->show)) {
		*ret_over = true;
		return OK;
	}
	if (res.status >= 400) {
		autojson *doc = NULL;
		if (json_parse(buf_str(&w->problem), w->problem.len, &doc, e) != OK)
			return err_set(e, ERR_INTERNAL, "the server answered %d", res.status);
		return problem_to_err(res.status, doc, e);
	}
	return OK;
}

static void pause_ms(int64_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	nanosleep(&t, NULL);
}

/* Worth another try? A server that is away or drains may come back; a missing job does not. */
static bool may_come_back(enum err_code code)
{
	return err_retryable(code) || code == ERR_REQUEST_MALFORMED;
}

static enum err_code watch_loop(struct client *c, const char *job, struct watching *w,
	struct err *e)
{
	int64_t backoff = BACKOFF_MS;
	bool away = false;
	w->heard_ms = clock_mono_ms();
	for (bool over = false; !over;) {
		int64_t before = show_sequence(w->show);
		buf_reset(&w->problem);
		enum err_code code = watch_once(c, job, w, &over, e);
		if (atomic_load(w->stop))
			return err_set(e, ERR_CANCELED, "stopped watching; the job goes on");
		if (code != OK && !may_come_back(code))
			return code;
		if (code != OK && clock_mono_ms() - w->heard_ms > GIVE_UP_MS)
			return code;
		if (code != OK && !away)
			fprintf(stderr, "bulb: %s; trying again for a minute\n", e->text);
		away = code != OK;
		if (over)
			break;
		backoff = show_sequence(w->show) > before ? BACKOFF_MS : backoff * 2;
		if (backoff > BACKOFF_MAX)
			backoff = BACKOFF_MAX;
		pause_ms(backoff / 2 + (int64_t)random_below((uint64_t)backoff / 2));
	}
	return OK;
}

enum err_code client_watch(struct client *c, const char *job, struct show *show, atomic_bool *stop,
	struct err *e)
{
	struct watching w = { .show = show, .problem = BUF_INIT(1 << 16), .stop = stop };
	sse_init(&w.sse, shown, &w);
	enum err_code code = watch_loop(c, job, &w, e);
	sse_done(&w.sse);
	buf_done(&w.problem);
	return code;
}
