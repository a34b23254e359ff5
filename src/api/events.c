/* SPDX-License-Identifier: MIT
 *
 * The event log on one path, three ways: a WebSocket when an upgrade is asked for, server-sent
 * events when Accept says so, else a JSON page. All of them are positions in the same log; push
 * does the first two, the page is one read of the store.
 */
#include "api/api_impl.h"

#include <string.h>

#define PAGE_ROWS     200
#define PAGE_BYTES    (256 << 10)
#define HEARTBEAT_MAX 3600

struct events_call {
	struct call *c;
	struct job_row *job;
	int64_t after, wait_ms;
};

/* ---- a page --------------------------------------------------------------------------------- */

static void answer_page(struct events_call *ec, const struct event_row *rows, size_t n, bool done)
{
	struct call *c = ec->c;
	struct view_links links = call_links(c);
	CLEANUP(buf_done) struct buf b = BUF_INIT((size_t)PAGE_ROWS * 2 * VIEW_EVENT_MAX);
	char next[24];

	view_seq(n ? rows[n - 1].seq : ec->after, next);
	buf_puts(&b, "{\"events\":[");
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_putc(&b, ',');
		view_event(&rows[i], ec->job->id, ec->job, &links, &b);
	}
	buf_printf(&b, "],\"next\":\"%s\",\"done\":%s}", next, done ? "true" : "false");
	call_respond(c, 200, "application/json", buf_str(&b), b.len);
}

static void page(struct events_call *ec);

static void page_after_wait(void *ctx, struct http_request *r, bool gone)
{
	struct events_call *ec = ctx;

	(void)r;
	(void)gone;
	if (call_still_may(ec->c))
		page(ec);
}

static void page(struct events_call *ec)
{
	struct call *c = ec->c;
	struct event_row *rows;
	struct err e = { 0 };
	int64_t last, wait_ms = ec->wait_ms;
	bool ended;
	size_t n;

	if (store_events(c->api->o.store, ec->job->no, ec->after, PAGE_ROWS, PAGE_BYTES, c->a,
		    &rows, &n, &last, &ended, &e) != OK) {
		call_fail_err(c, &e);
		return;
	}
	int64_t at = n ? rows[n - 1].seq : ec->after;
	ec->wait_ms = 0;
	if (n == 0 && !ended && wait_ms > 0)
		push_wait(c->api->o.push, c->r, ec->job->no, ec->after, false, wait_ms,
			page_after_wait, ec);
	else
		answer_page(ec, rows, n, ended && at >= last);
}

/* ---- streams -------------------------------------------------------------------------------- */

static void stream(struct events_call *ec, enum http_stream_kind kind, int64_t heartbeat_s)
{
	struct call *c = ec->c;
	const struct push_reader_opts o = {
		.pass = call_pass(c),
		.job = ec->job,
		.after = ec->after,
		.base_url = c->base_url,
		.events_url = c->events_url,
		.heartbeat_ms = heartbeat_s * 1000,
	};

	push_watch(c->api->o.push, c->r, kind, &o);
}

/* An EventSource comes back by itself when its stream ends, and stops only at a 204. */
static void sse(struct events_call *ec)
{
	if (job_has_ended(ec->job->state) && ec->after == ec->job->seq)
		call_respond(ec->c, 204, NULL, NULL, 0);
	else
		stream(ec, HTTP_STREAM_SSE, 0);
}

static bool wants_sse(const struct call *c)
{
	const char *accept = http_header(c->r, "Accept");

	return !c->is_websocket && accept && strstr(accept, "text/event-stream");
}

static bool read_after(struct events_call *ec)
{
	struct call *c = ec->c;
	const char *text = wants_sse(c) ? http_header(c->r, "Last-Event-ID") : NULL;

	if (!text || !*text)
		text = call_query(c, "after");
	ec->after = 0;
	if (text && !view_seq_parse(text, &ec->after)) {
		call_fail(c, ERR_REQUEST_INVALID, "after must be a sequence number");
		return false;
	}
	return true;
}

void events_get(struct call *c)
{
	struct events_call *ec = arena_alloc(c->a, sizeof(*ec));
	int64_t most = c->api->o.max_wait_ms / 1000, wait_s, heartbeat_s;

	ec->c = c;
	if (!read_after(ec) || !call_query_int(c, "wait", 0, 0, most, true, &wait_s) ||
		!call_query_int(c, "heartbeat", 0, 0, HEARTBEAT_MAX, true, &heartbeat_s) ||
		!(ec->job = call_job(c)))
		return;
	ec->wait_ms = wait_s * 1000;
	if (c->is_websocket)
		stream(ec, HTTP_STREAM_WS, heartbeat_s);
	else if (ec->after > ec->job->seq)
		call_fail(c, ERR_REQUEST_AFTER, "the log ends at %lld", (long long)ec->job->seq);
	else if (wants_sse(c))
		sse(ec);
	else
		page(ec);
}

void events_many(struct call *c)
{
	if (!c->is_websocket) {
		http_set(c->r, "Upgrade", "websocket");
		call_fail(c, ERR_REQUEST_UPGRADE, "many jobs are watched over a WebSocket");
		return;
	}
	struct push_pass pass = call_pass(c);
	push_watch_many(c->api->o.push, c->r, &pass, c->base_url, c->events_url);
}
