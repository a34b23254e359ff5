/* SPDX-License-Identifier: MIT
 *
 * A stream is a connection that pulls: when its socket takes bytes it asks its owner for the next
 * frame. Its owner keeps no queue and no buffer for it, only a position; what a slow reader has not
 * read yet waits where it came from.
 *
 * It ends in two steps. First closed() is called and nothing more is asked for; then what was
 * handed out is written, a Close frame after it, and the connection goes.
 */
#include "http/http_impl.h"

#include "base/id.h"
#include "http/ws_recv.h"

#include <string.h>
#include <sys/socket.h>

#define SEND_BUFFER      65536
#define LINGER_NORMAL_MS 10000 /* for the other side's Close, when it has much to read before it */

/* ---- starting (request thread) ------------------------------------------------------------- */

static bool prepare(struct http_request *r, const struct http_stream_opts *o)
{
	char accept[WS_ACCEPT_MAX];
	struct err e = { 0 };
	if (o->kind == HTTP_STREAM_SSE) {
		http_set(r, "Content-Type", "text/event-stream");
		http_set(r, "Cache-Control", "no-store");
		http_set(r, "X-Accel-Buffering", "no");
		return true;
	}
	if (ws_handshake(r, accept, &e)) {
		request_refuse(r, e.code, e.text);
		return false;
	}
	http_set(r, "Upgrade", "websocket");
	http_set(r, "Sec-WebSocket-Accept", accept);
	if (o->protocol)
		http_set(r, "Sec-WebSocket-Protocol", o->protocol);
	return true;
}

static uint32_t or_default(int64_t value, uint32_t otherwise)
{
	return value > 0 && value <= UINT32_MAX / 8 ? (uint32_t)value : otherwise;
}

static void on_wake(struct post *p)
{
	struct http_stream *s = container_of(p, struct http_stream, wake);
	atomic_store(&s->woken, false);
	stream_dirty(s);
	stream_unref(s);
}

struct http_stream *http_stream_start(struct http_request *r, const struct http_stream_opts *o)
{
	if (o->kind == HTTP_STREAM_SSE && strcmp(r->m.method, "HEAD") == 0) {
		http_respond(r, 200, "", 0);
		return NULL;
	}
	if (!prepare(r, o))
		return NULL;
	struct http_stream *s = mem_new(struct http_stream);
	s->wake.fn = on_wake;
	s->inbox = inbox_ref(r->reactor->inbox);
	s->refs = 1;
	s->kind = (uint8_t)o->kind;
	s->ops = o->ops;
	s->ctx = o->ctx;
	s->max_message = or_default((int64_t)o->max_message, 65536);
	s->ping_ms = or_default(o->ping_ms, o->kind == HTTP_STREAM_WS ? 20000 : 15000);
	s->stall_ms = or_default(o->stall_ms, 30000);
	struct buf head = BUF_INIT(64 << 10);
	int status = o->kind == HTTP_STREAM_WS ? 101 : 200;
	request_status(r, status);
	respond_head(r, status, -1, false, &head);
	r->out.bytes = head.len;
	r->out.data = buf_take(&head);
	r->stream = s;
	r->turn->streams = r; /* opened when the handler has returned */
	return s;
}

/* ---- life ---------------------------------------------------------------------------------- */

void stream_unref(struct http_stream *s)
{
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; i < s->queue_n; i++)
		http_frame_unref(s->queue[i]);
	free(s->queue);
	http_frame_unref(s->pong);
	http_frame_unref(s->close);
	ws_recv_free(s->rx);
	inbox_unref(s->inbox);
	free(s);
}

void http_stream_hold(struct http_stream *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void http_stream_drop(struct http_stream *s)
{
	stream_unref(s);
}

static void call_closed(struct http_stream *s, const char *why)
{
	const struct http_stream_ops *ops = s->ops;
	s->ops = NULL;
	atomic_store(&s->over, true);
	if (ops)
		ops->closed(s->ctx, why);
}

static void end_with(struct http_stream *s, struct http_frame *close, const char *why)
{
	s->close = close;
	s->linger_ms = HTTP_LINGER_MS;
	s->end_ms = conn_now(s->conn) + s->stall_ms;
	call_closed(s, why);
	stream_plan(s);
	stream_dirty(s);
}

void stream_end(struct http_stream *s, int code, const char *reason, const char *why)
{
	if (!s->ops)
		return;
	end_with(s, s->kind == HTTP_STREAM_WS ? frame_close(code, reason) : NULL, why);
	if (strcmp(why, "error") != 0 && strcmp(why, "client") != 0)
		s->linger_ms = LINGER_NORMAL_MS;
}

void stream_gone(struct http_stream *s, const char *why)
{
	call_closed(s, why);
	s->conn = NULL;
	stream_unref(s);
}

void stream_open(struct conn *c, struct http_request *r)
{
	struct http_stream *s = r->stream;
	struct http_frame *head = http_frame_raw(r->out.data, r->out.bytes);
	http_request_free(r);
	if (c->state != CONN_BUSY) {
		http_frame_unref(head);
		stream_gone(s, "client");
		return;
	}
	struct buf rest = c->plain->rest;
	c->plain->rest = (struct buf){ 0 };
	conn_upgrade(c, s);
	s->conn = c;
	s->queue = mem_new(struct http_frame *);
	s->queue[s->queue_n++] = head;
	int bytes = SEND_BUFFER;
	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	s->received_ms = s->sent_ms = s->moved_ms = conn_now(c);
	s->ping_at_ms = s->received_ms + s->ping_ms / 2 + (int64_t)random_below(s->ping_ms / 2 + 1);
	conn_due(c, c->reactor->draining ? conn_now(c) : s->ping_at_ms);
	if (s->close) /* it was closed before it was open */
		end_with(s, s->close, "closed");
	stream_dirty(s);
	if (rest.len)
		stream_received(s, rest.data, rest.len);
	buf_done(&rest);
}

/* ---- from other threads -------------------------------------------------------------------- */

void http_stream_wake(struct http_stream *s)
{
	if (atomic_load(&s->over) || atomic_exchange(&s->woken, true))
		return;
	http_stream_hold(s);
	if (!inbox_post(s->inbox, &s->wake))
		stream_unref(s);
}

struct close_post {
	struct post post;
	struct http_stream *s;
	struct http_frame *frame;
};

static void on_close(struct post *post)
{
	struct close_post *p = container_of(post, struct close_post, post);
	struct http_stream *s = p->s;
	if (!s->ops || s->close) {
		http_frame_unref(p->frame);
	} else if (s->conn) {
		end_with(s, p->frame, "closed");
		s->linger_ms = LINGER_NORMAL_MS;
	} else {
		s->close = p->frame;
	}
	stream_unref(s);
	free(p);
}

void http_stream_close(struct http_stream *s, int code, const char *reason)
{
	if (atomic_load(&s->over))
		return;
	struct close_post *p = mem_new(struct close_post);
	p->post.fn = on_close;
	p->s = s;
	p->frame = s->kind == HTTP_STREAM_WS ? frame_close(code, reason) : http_frame_raw("", 0);
	http_stream_hold(s);
	if (!inbox_post(s->inbox, &p->post)) {
		http_frame_unref(p->frame);
		free(p);
		stream_unref(s);
	}
}

int64_t http_stream_idle_ms(const struct http_stream *s)
{
	return s->conn ? conn_now(s->conn) - s->sent_ms : 0;
}

/* ---- receiving ----------------------------------------------------------------------------- */

static void got_text(void *ctx, const char *text, size_t n)
{
	struct http_stream *s = ctx;
	if (s->ops)
		s->ops->message(s->ctx, text, n);
}

/* Only the latest ping is answered when several came before we could write (RFC 6455 §5.5.3). */
static void got_ping(void *ctx, const void *payload, size_t n)
{
	struct http_stream *s = ctx;
	http_frame_unref(s->pong);
	s->pong = frame_control(0xA, payload, n);
	stream_dirty(s);
}

static void got_close(void *ctx, int code)
{
	stream_end(ctx, code, NULL, "client");
}

static const char *failure_text(int code)
{
	switch (code) {
	case 1003:
		return "text only";
	case 1007:
		return "invalid UTF-8";
	case 1009:
		return "message too large";
	default:
		return "protocol error";
	}
}

void stream_received(struct http_stream *s, const char *data, size_t n)
{
	static const struct ws_sink sink = { got_text, got_ping, got_close };
	s->received_ms = conn_now(s->conn);
	if (s->kind != HTTP_STREAM_WS || !s->ops)
		return;
	int code = ws_recv_feed(&s->rx, s->max_message, &sink, s, data, n);
	if (code)
		stream_end(s, code, failure_text(code), "error");
}

/* ---- time ---------------------------------------------------------------------------------- */

void stream_plan(struct http_stream *s)
{
	int64_t due = s->ping_at_ms;
	if (!s->ops)
		due = s->end_ms;
	else if (s->conn->reactor->draining)
		return; /* conn_drain has set it */
	else if (s->blocked && s->moved_ms + s->stall_ms < due)
		due = s->moved_ms + s->stall_ms;
	conn_due(s->conn, due);
}

static void ping(struct http_stream *s, int64_t now)
{
	s->ping_due = true;
	s->ping_at_ms = now + s->ping_ms - (int64_t)random_below(s->ping_ms / 8 + 1);
	stream_dirty(s);
}

void stream_timeout(struct http_stream *s)
{
	int64_t now = conn_now(s->conn);
	if (!s->ops && now >= s->end_ms) {
		conn_close(s->conn, "closed");
		return;
	}
	bool silent = now - s->received_ms >= 3 * (int64_t)s->ping_ms;
	if (s->ops && s->kind == HTTP_STREAM_WS && silent) {
		stream_end(s, 1013, "no answer to three pings", "client");
		return;
	}
	if (s->ops && s->conn->reactor->draining)
		stream_end(s, 1001, "the server is stopping", "drain");
	else if (s->ops && s->blocked && now - s->moved_ms >= s->stall_ms)
		stream_slow(s);
	else if (s->ops && now >= s->ping_at_ms)
		ping(s, now);
	stream_plan(s);
}
