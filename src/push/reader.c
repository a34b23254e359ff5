/* SPDX-License-Identifier: MIT
 *
 * Readers: streams with a position, or several. A stream asks for its next frame when its socket
 * takes bytes; it gets an answer to a message of its own, an event, or a heartbeat. Nothing is
 * queued for an event: a slow reader is only a position that moves slowly.
 */
#include "push/push_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#include <inttypes.h>

#define MESSAGE_MAX 4096
#define WS_PING_MS  20000
#define SSE_PING_MS 15000
#define STALL_MS    30000

static const char *kind_name(const struct reader *r)
{
	if (r->many)
		return "many";
	return r->kind == HTTP_STREAM_WS ? "websocket" : "sse";
}

static struct cursor *first_cursor(struct reader *r)
{
	return link_empty(&r->cursors) ? NULL
				       : LINK_OF(link_first(&r->cursors), struct cursor, own);
}

/* ---- ends ----------------------------------------------------------------------------------- */

void reader_close(struct reader *r, int code, const char *reason)
{
	if (r->closing)
		return;
	r->closing = true;
	if (code != 1000)
		metric_add(METRIC_READERS_DROPPED, 1, reason, NULL, NULL);
	http_stream_close(r->stream, code, reason);
}

static void cursor_has_ended(struct reader *r, struct cursor *c, enum cursor_end end)
{
	if (r->many)
		many_cursor_ended(r, c, end);
	else if (end == CURSOR_DONE)
		reader_close(r, 1000, "done");
	else
		reader_close(r, 1008, err_name(end == CURSOR_GONE ? ERR_GONE : ERR_AUTH_REQUIRED));
}

/* ---- what the stream asks for --------------------------------------------------------------- */

/* The cursors take turns, one event each. */
static struct http_frame *next_event(struct reader *r)
{
	int64_t now = clock_wall_ms();

	for (uint32_t left = r->cursors_n; left > 0 && !r->closing; left--) {
		struct cursor *c = first_cursor(r);
		struct http_frame *f;
		link_del(&c->own);
		link_add_last(&r->cursors, &c->own);
		enum cursor_end end = cursor_end(c, now);
		if (end == CURSOR_GOES_ON && (f = cursor_take(c)))
			return f;
		if (end == CURSOR_GOES_ON)
			end = cursor_end(c, now);
		if (end != CURSOR_GOES_ON)
			cursor_has_ended(r, c, end);
	}
	return NULL;
}

/* Outside the log: tells a client that nothing is missing. */
static struct http_frame *heartbeat(struct reader *r)
{
	struct cursor *c = first_cursor(r);
	char seq[24], text[80];

	if (!c || !r->heartbeat_ms || clock_mono_ms() - r->sent_ms < r->heartbeat_ms)
		return NULL;
	view_seq(c->next - 1, seq);
	int n = snprintf(text, sizeof(text), "{\"type\":\"heartbeat\",\"sequence\":\"%s\"}", seq);
	return http_frame_ws(text, (size_t)n);
}

static struct http_frame *next_frame(struct reader *r)
{
	static const char retry[] = "retry: 2000\n\n";
	struct http_frame *f;

	if (r->greet) {
		r->greet = false;
		return http_frame_raw(retry, strlen(retry));
	}
	if (r->many && (f = many_answer_next(r->many)))
		return f;
	f = next_event(r);
	if (f)
		metric_add(METRIC_DELIVERED, 1, kind_name(r), NULL, NULL);
	else if (r->many)
		f = many_answer_next(r->many); /* an end may have been said */
	return f || r->closing ? f : heartbeat(r);
}

static struct http_frame *on_next(void *ctx)
{
	struct reader *r = ctx;
	struct push *p = r->push;

	pthread_mutex_lock(&p->lock);
	struct http_frame *f = r->closing ? NULL : next_frame(r);
	if (f)
		r->sent_ms = clock_mono_ms();
	pthread_mutex_unlock(&p->lock);
	return f;
}

static void on_message(void *ctx, const char *text, size_t n)
{
	struct reader *r = ctx;
	struct push *p = r->push;

	pthread_mutex_lock(&p->lock);
	if (r->many)
		many_message(r, text, n);
	else
		reader_close(r, 1008, "message");
	pthread_mutex_unlock(&p->lock);
}

static void on_closed(void *ctx, const char *why)
{
	struct reader *r = ctx;
	struct push *p = r->push;

	pthread_mutex_lock(&p->lock);
	struct http_stream *stream = r->stream;
	struct cursor *c = first_cursor(r);
	if (strcmp(why, "slow") == 0) {
		metric_add(METRIC_READERS_DROPPED, 1, "slow", NULL, NULL);
		log_event(LOG_READER_DROPPED, c ? c->block->of->watch->job.id : NULL,
			"next=%" PRId64, c ? c->next : 0);
	}
	metric_add(METRIC_READERS, -1, kind_name(r), NULL, NULL);
	reader_free(r);
	pthread_mutex_unlock(&p->lock);
	http_stream_drop(stream);
}

void reader_tick(struct reader *r, int64_t mono_ms, int64_t wall_ms)
{
	bool due = r->heartbeat_ms && mono_ms - r->sent_ms >= r->heartbeat_ms;

	for (struct link *l = link_first(&r->cursors); l && !due; l = link_next(&r->cursors, l))
		due = cursor_end(LINK_OF(l, struct cursor, own), wall_ms) == CURSOR_EXPIRED;
	if (due && !r->closing)
		http_stream_wake(r->stream);
	if (r->many)
		many_tick(r, mono_ms, wall_ms);
}

/* ---- life ----------------------------------------------------------------------------------- */

struct reader *reader_new(struct push *p, enum http_stream_kind kind)
{
	struct reader *r = mem_new(struct reader);

	*r = (struct reader){ .push = p,
		.kind = kind,
		.greet = kind == HTTP_STREAM_SSE,
		.sent_ms = clock_mono_ms() };
	link_init(&r->link);
	link_init(&r->cursors);
	return r;
}

/* The stream may ask for frames before this returns; it waits for the mutex that the caller holds. */
bool reader_start(struct reader *r, struct http_request *req)
{
	static const struct http_stream_ops ops = { on_next, on_message, on_closed };
	const struct http_stream_opts o = { .kind = r->kind,
		.ops = &ops,
		.ctx = r,
		.max_message = MESSAGE_MAX,
		.stall_ms = STALL_MS,
		.ping_ms = r->kind == HTTP_STREAM_WS ? WS_PING_MS : SSE_PING_MS };

	r->stream = http_stream_start(req, &o);
	if (!r->stream) {
		reader_free(r);
		return false;
	}
	http_stream_hold(r->stream);
	link_add_last(&r->push->readers, &r->link);
	metric_add(METRIC_READERS, 1, kind_name(r), NULL, NULL);
	return true;
}

void reader_free(struct reader *r)
{
	while (!link_empty(&r->cursors))
		reader_remove_cursor(first_cursor(r));
	link_del(&r->link);
	r->dead = true;
	if (!r->many || many_release(r->many))
		free(r);
}

struct cursor *reader_add_cursor(struct reader *r, struct rendition *of, int64_t after,
	const struct push_pass *pass)
{
	struct cursor *c = mem_new(struct cursor);

	*c = (struct cursor){ .reader = r, .pass = *pass };
	cursor_start(c, of, after);
	link_add_last(&r->cursors, &c->own);
	r->cursors_n++;
	return c;
}

void reader_remove_cursor(struct cursor *c)
{
	link_del(&c->own);
	c->reader->cursors_n--;
	cursor_stop(c);
	free(c);
}
