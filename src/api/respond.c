/* SPDX-License-Identifier: MIT
 *
 * Answers: JSON documents, and problems (RFC 9457) whose type is a page that says what to do. Every
 * answer is counted here, with the route's pattern as label: no caller chooses a label's value.
 */
#include "api/api_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#include <stdio.h>
#include <string.h>

static const char *method_label(const char *method)
{
	static const char *const known[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i], method) == 0)
			return known[i];
	return "other";
}

void call_count(void *ctx, int status)
{
	const struct call *c = ctx;
	double seconds = (double)(clock_mono_us() - http_started_us(c->r)) / 1e6;
	const char *route = c->route ? c->route->pattern : "other";
	char code[16];

	snprintf(code, sizeof(code), "%d", status);
	metric_add(METRIC_HTTP_REQUESTS, 1, method_label(c->method), route, code);
	metric_observe(METRIC_HTTP_SECONDS, seconds, NULL);
	log_event(LOG_HTTP_REQUEST, NULL, "method=%s route=%s code=%d seconds=%.3f request=%s",
		method_label(c->method), route, status, seconds, http_request_id(c->r));
}

static void set_fields(struct call *c, const char *type)
{
	if (type)
		http_set(c->r, "Content-Type", type);
	if (c->cache_control)
		http_set(c->r, "Cache-Control", c->cache_control);
}

struct parts {
	const struct call *c;
	http_part_fn *fn;
	void (*done)(void *ctx);
	void *ctx;
};

/* A long answer is no way around the end of a key. */
static enum http_part next_part(void *ctx, struct buf *out)
{
	const struct parts *p = ctx;

	return call_is_over(p->c) ? HTTP_PART_BROKEN : p->fn(p->ctx, out);
}

static void parts_done(void *ctx)
{
	const struct parts *p = ctx;

	if (p->done)
		p->done(p->ctx);
}

void call_parts(struct call *c, const char *type, http_part_fn *fn, void (*done)(void *ctx),
	void *ctx)
{
	struct parts *p = arena_alloc(c->a, sizeof(*p));

	*p = (struct parts){ c, fn, done, ctx };
	set_fields(c, type);
	http_respond_parts(c->r, 200, next_part, parts_done, p);
}

void call_respond(struct call *c, int status, const char *type, const void *body, size_t n)
{
	set_fields(c, type);
	http_respond(c->r, status, body, n);
}

void call_json(struct call *c, int status, json_t *doc)
{
	autofree char *text = json_text(doc);

	json_decref(doc);
	call_respond(c, status, "application/json", text, strlen(text));
}

/* ---- problems ------------------------------------------------------------------------------- */

/* One line when the store goes away and one when it is back, not one a request. */
static void note_store(struct call *c, enum err_code code, const char *detail)
{
	if (code == ERR_STORE_UNAVAILABLE && !atomic_exchange(&c->api->store_down, true))
		log_event(LOG_STORE_UNAVAILABLE, NULL, "%s", detail);
}

static void waiting_headers(struct call *c, enum err_code code)
{
	int status = err_http(code);

	if (status == 429 && c->rates_told) {
		http_set(c->r, "Retry-After",
			arena_printf(c->a, "%lld", (long long)c->retry_after_s));
	} else if (status == 429) {
		const char *policy = code == ERR_QUEUE_FULL ? "queue" : "requests";
		long long limit = code == ERR_QUEUE_FULL ? (long long)c->api->o.max_open_items : 1;
		http_set(c->r, "RateLimit-Policy",
			arena_printf(c->a, "\"%s\";q=%lld", policy, limit));
		http_set(c->r, "RateLimit", arena_printf(c->a, "\"%s\";r=0;t=5", policy));
		http_set(c->r, "Retry-After", "5");
	} else if (status == 503) {
		http_set(c->r, "Retry-After", "1");
	}
}

/* Who, with which key, wanted what, and why not. A path holds ids of jobs, and no more of it is said
 * than its pattern; what was sent as a key or token has no way in here. */
static void note_refusal(struct call *c, enum err_code code)
{
	char client[46];
	struct ip ip = api_client(c->api, http_peer(c->r), http_header(c->r, "Forwarded"),
		http_header(c->r, "X-Forwarded-For"), c->a);
	const char *key = call_key_id(c);
	int status = err_http(code);

	if (status != 401 && status != 403 && status != 421 && status != 429)
		return;
	ip_format(&ip, client);
	log_event(LOG_REQUEST_REFUSED, NULL,
		"client=%s key=%s code=%s method=%s route=%s request=%s", client,
		key                      ? key
			: c->claimed_key ? c->claimed_key
					 : "-",
		err_name(code), method_label(c->method), c->route ? c->route->pattern : "other",
		http_request_id(c->r));
}

static void fail(struct call *c, enum err_code code, const char *detail, json_t *errors)
{
	const char *instance = arena_printf(c->a, "urn:request:%s", http_request_id(c->r));
	autojson *doc = view_problem(code, detail, instance, c->base_url);

	note_store(c, code, detail);
	note_refusal(c, code);
	if (errors)
		json_put(doc, "errors", json_incref(errors));
	waiting_headers(c, code);
	c->cache_control = "no-store";
	autofree char *text = json_text(doc);
	call_respond(c, err_http(code), "application/problem+json", text, strlen(text));
}

void call_fail(struct call *c, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	autofree char *detail = mem_vprintf(fmt, ap);
	va_end(ap);
	fail(c, code, detail, NULL);
}

void call_fail_err(struct call *c, const struct err *e)
{
	fail(c, e->code, e->text, NULL);
}

void call_fail_faults(struct call *c, struct faults *f)
{
	size_t n = json_array_size(f->list);
	const char *first = json_get_str(json_array_get(f->list, 0), "detail", NULL);
	autofree char *many = mem_printf("%zu faults; errors lists them", n);

	fail(c, f->code, n == 1 ? first : many, f->list);
	faults_done(f);
}
