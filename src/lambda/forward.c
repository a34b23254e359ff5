/* SPDX-License-Identifier: MIT
 *
 * A gateway gives up after 29 s and tells its client nothing of use; so we give up a little sooner and
 * say what happened. A function cannot stream: whoever asks for server-sent events here gets the same
 * events as a page, and events_url leads around the function.
 */
#include "lambda/forward.h"

#include "base/clock.h"
#include "base/id.h"
#include "lambda/call.h"
#include "lambda/runtime.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#define CONNECT_MS   5000
#define GATEWAY_MS   28000 /* a second under API Gateway's own limit */
#define MARGIN_MS    500   /* to say that the time is over */
#define PAUSE_MS     250
#define PAUSE_MAX_MS 5000
#define BODY_MAX     (RUNTIME_ANSWER_MAX - (64 << 10)) /* the rest is for the header fields */

struct server {
	char *url, *authorization; /* "Bearer KEY", or NULL; a secret */
	struct net_client *net;
};

struct server *server_new(const char *url, const char *key)
{
	struct server *s = mem_new(struct server);
	s->url = mem_strdup(url);
	s->authorization = key ? mem_printf("Bearer %s", key) : NULL;
	s->net = call_client_new();
	return s;
}

void server_free(struct server *s)
{
	if (!s)
		return;
	net_client_free(s->net);
	if (s->authorization)
		mem_wipe(s->authorization, strlen(s->authorization));
	free(s->authorization);
	free(s->url);
	free(s);
}

/* ---- what a gateway handed over --------------------------------------------------------------- */

static bool makes_job(const struct gateway_request *r)
{
	size_t n = strcspn(r->path, "?");
	return strcmp(r->method, "POST") == 0 && n == strlen("/v1/jobs") &&
		strncmp(r->path, "/v1/jobs", n) == 0;
}

/* May it be sent twice without harm? */
static bool is_idempotent(const char *method)
{
	static const char *const safe[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS" };
	for (size_t i = 0; i < ARRAY_LEN(safe); i++)
		if (strcmp(method, safe[i]) == 0)
			return true;
	return false;
}

static size_t headers_of(const struct gateway_request *r, const char *id, struct net_header *h)
{
	size_t n = 0;
	for (size_t i = 0; i < r->headers_n; i++) {
		h[n] = r->headers[i];
		if (strcasecmp(h[n].name, "Accept") == 0 &&
			strstr(h[n].value, "text/event-stream") != NULL)
			h[n].value = "application/json";
		n++;
	}
	if (makes_job(r) && !gateway_header(r, "Idempotency-Key"))
		h[n++] = (struct net_header){ "Idempotency-Key", id };
	return n;
}

static void keep_header(void *ctx, const char *name, const char *value)
{
	if (!gateway_is_hop(name) && strcasecmp(name, "Date") != 0)
		gateway_answer_add(ctx, name, value);
}

static json_t *no_answer(const struct gateway_request *r, const struct err *e)
{
	bool late = e->code == ERR_FETCH_TIMEOUT;
	bool large = e->code == ERR_REQUEST_TOO_LARGE;
	struct err why;
	if (large)
		err_set(&why, ERR_REQUEST_TOO_LARGE,
			"the answer is over Lambda's 6 MB: ask for smaller pages, or the app server "
			"itself");
	else
		err_set(&why, ERR_OVERLOADED, "the app server %s: %s",
			late ? "did not answer in time" : "could not be reached", e->text);
	return gateway_problem(r, late ? 504 : 502, &why);
}

json_t *server_forward(struct server *s, const struct gateway_request *r, const char *id,
	int64_t left_ms)
{
	autofree char *url = mem_printf("%s%s", s->url, r->path);
	autofree struct net_header *h = mem_array(r->headers_n + 1, sizeof(*h));
	struct gateway_answer g = { 0 };
	struct call_answer a;
	struct err e = { 0 };
	int64_t most_ms = left_ms - MARGIN_MS < GATEWAY_MS ? left_ms - MARGIN_MS : GATEWAY_MS;
	struct call k = {
		.method = r->method,
		.url = url,
		.headers = h,
		.headers_n = headers_of(r, id, h),
		.body = r->body,
		.body_n = r->body_n,
		.connect_ms = CONNECT_MS,
		.total_ms = most_ms > 1 ? most_ms : 1,
		.once = !is_idempotent(r->method) && !makes_job(r),
		.max_bytes = BODY_MAX,
		.on_header = keep_header,
		.ctx = &g,
	};
	enum err_code code = call_do(s->net, &k, &a, &e);
	g.status = a.status;
	json_t *answer = code == OK
		? gateway_answer_json(&g, r->version, buf_str(&a.body), a.body.len)
		: no_answer(r, &e);
	call_done(&a);
	gateway_answer_done(&g);
	return answer;
}

/* ---- a job ------------------------------------------------------------------------------------ */

struct
try {
	int status;
	int64_t retry_after_ms;
};

static void take_retry_after(void *ctx, const char *name, const char *value)
{
	if (strcasecmp(name, "Retry-After") == 0)
		((struct try *)ctx)->retry_after_ms = net_retry_after(value);
}

/* What the server's problem document says, or what little its answer says otherwise. */
static enum err_code problem(int status, const struct buf *body, struct err *e)
{
	autojson *doc = NULL;
	struct err none;
	if (json_parse(buf_str(body), body->len, &doc, &none) != OK)
		return err_set(e, ERR_INTERNAL, "the app server answered %d", status);
	enum err_code code = err_from_name(json_get_str(doc, "code", ""));
	const json_t *first = json_array_get(json_object_get(doc, "errors"), 0);
	const char *pointer = json_get_str(first, "pointer", NULL);
	return err_set(e, code == ERR_COUNT ? ERR_INTERNAL : code,
		"the app server answered %d: %s%s%s", status, pointer ? pointer : "",
		pointer ? ": " : "", json_get_str(pointer ? first : doc, "detail", "(no detail)"));
}

static enum err_code submit_once(struct server *s, const char *text, const char *id,
	int64_t left_ms, struct try *ret, json_t **ret_job, struct err *e)
{
	autofree char *url = mem_printf("%s/v1/jobs", s->url);
	const struct net_header h[] = { { "Content-Type", "application/json" },
		{ "Accept", "application/json" }, { "Idempotency-Key", id },
		{ "Authorization", s->authorization } };
	struct call_answer a;
	enum err_code code = call_do(s->net,
		&(struct call){ .method = "POST",
			.url = url,
			.headers = h,
			.headers_n = ARRAY_LEN(h) - (s->authorization ? 0 : 1),
			.body = text,
			.body_n = strlen(text),
			.connect_ms = CONNECT_MS,
			.total_ms = left_ms < GATEWAY_MS ? left_ms : GATEWAY_MS,
			.on_header = take_retry_after,
			.ctx = ret },
		&a, e);
	ret->status = a.status;
	if (code == OK && a.status / 100 != 2)
		code = problem(a.status, &a.body, e);
	else if (code == OK)
		code = json_parse(buf_str(&a.body), a.body.len, ret_job, e);
	call_done(&a);
	return code;
}

static bool may_pass(const struct try *t, enum err_code code)
{
	return t->status == 0 || t->status == 429 || t->status >= 500 ||
		code == ERR_REQUEST_IN_PROGRESS;
}

static void pause_for(int64_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	nanosleep(&t, NULL);
}

enum err_code server_submit(struct server *s, const json_t *job, const char *id, int64_t left_ms,
	json_t **ret, struct err *e)
{
	autofree char *text = json_text(job);
	int64_t until = left_ms == INT64_MAX ? INT64_MAX : clock_mono_ms() + left_ms - MARGIN_MS;
	for (int64_t pause = PAUSE_MS;; pause = pause < PAUSE_MAX_MS ? pause * 2 : pause) {
		struct try t = { 0 };
		int64_t left = until == INT64_MAX ? GATEWAY_MS : until - clock_mono_ms();
		enum err_code code = submit_once(s, text, id, left > 1 ? left : 1, &t, ret, e);
		int64_t ms = t.retry_after_ms ? t.retry_after_ms
					      : (int64_t)random_below((uint64_t)pause) + 1;
		/* Where no deadline is known, some tries are enough: who invoked us tries again. */
		bool is_last = until == INT64_MAX ? pause >= PAUSE_MAX_MS
						  : clock_mono_ms() + ms >= until;
		if (code == OK || is_last || !may_pass(&t, code))
			return code;
		pause_for(ms);
	}
}
