/* SPDX-License-Identifier: MIT
 *
 * One connection, on its loop's thread: requests come in, one at a time is handed to a request
 * thread, its answer goes out, the next is read. What was pipelined behind a request waits in
 * `rest`. A connection that fails closes its socket at once; its memory stays until the request
 * that a thread still holds has been answered.
 */
#include "http/http_impl.h"

#include "base/id.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static void conn_feed(struct conn *c, const char *data, size_t n);

/* ---- life ---------------------------------------------------------------------------------- */

static void plain_free(struct plain *p)
{
	if (!p)
		return;
	h1_free(p->h1);
	buf_done(&p->rest);
	http_out_done(&p->out);
	http_request_free(p->parts);
	free(p);
}

static void on_readable(struct conn *c);
static void busy_readable(struct conn *c, bool ended);

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct conn *c = h->data;
	if (status < 0 && c->state == CONN_BUSY)
		conn_close(c, "client");
	if (events & UV_WRITABLE && c->state == CONN_WRITE)
		conn_write(c);
	else if (events & UV_WRITABLE && c->state == CONN_STREAM)
		stream_writable(c->stream);
	if (c->state == CONN_BUSY)
		busy_readable(c, events & UV_DISCONNECT);
	else if (c->state != CONN_CLOSED && (status < 0 || events & UV_READABLE))
		on_readable(c);
}

void conn_want(struct conn *c, int events)
{
	if (c->state == CONN_CLOSED || events == c->interest)
		return;
	c->interest = (uint8_t)events;
	if (events)
		uv_poll_start(&c->poll, events, on_poll);
	else
		uv_poll_stop(&c->poll);
}

void conn_due(struct conn *c, int64_t at_ms)
{
	wheel_add(&c->reactor->wheel, &c->timer, at_ms);
}

void conn_accept(struct reactor *rt, int fd, const struct ip *peer)
{
	struct conn *c = mem_new(struct conn);
	c->reactor = rt;
	c->fd = fd;
	c->refs = 1;
	if (uv_poll_init(&rt->loop, &c->poll, fd)) {
		close(fd);
		free(c);
		return;
	}
	c->poll.data = c;
	c->plain = mem_new(struct plain);
	c->plain->h1 = h1_new(&rt->server->limits, peer);
	c->plain->out.fd = -1;
	c->plain->rest.max = HTTP_READ_BYTES;
	c->plain->since_ms = conn_now(c);
	rt->conns++;
	atomic_fetch_add(&rt->server->conns, 1);
	conn_want(c, UV_READABLE);
	conn_due(c, conn_now(c) + rt->server->o.header_ms);
}

void conn_unref(struct conn *c)
{
	if (--c->refs)
		return;
	struct reactor *rt = c->reactor;
	plain_free(c->plain);
	close(c->fd);
	free(c);
	server_conn_closed(rt->server);
	reactor_conn_gone(rt);
}

static void on_closed(uv_handle_t *h)
{
	conn_unref(h->data);
}

void conn_close(struct conn *c, const char *why)
{
	if (c->state == CONN_CLOSED)
		return;
	struct http_request *parked = TAKE(&c->parked);
	c->state = CONN_CLOSED;
	wheel_remove(&c->timer);
	shutdown(c->fd, SHUT_RDWR); /* closed when nothing uses it any more */
	uv_close((uv_handle_t *)&c->poll, on_closed);
	if (c->stream)
		stream_gone(TAKE(&c->stream), why);
	if (parked) {
		atomic_store(&parked->parked.gone, true);
		park_flag(parked, PARK_WOKEN);
	}
}

void conn_linger(struct conn *c, int64_t ms)
{
	c->state = CONN_LINGER;
	shutdown(c->fd, SHUT_WR);
	conn_want(c, UV_READABLE);
	conn_due(c, conn_now(c) + ms);
}

/* What a thread is working on may still be answered (conn_answer closes then). */
void conn_stop(struct conn *c)
{
	if (c->state != CONN_BUSY || c->parked)
		conn_close(c, "closed");
}

void conn_drain(struct conn *c)
{
	int64_t now = conn_now(c);
	if (c->state == CONN_STREAM)
		conn_due(c, now + (int64_t)random_below(1000));
	else if (c->state == CONN_READ && h1_phase(c->plain->h1) == H1_IDLE)
		conn_due(c, now);
	else if (c->parked)
		park_flag(c->parked, PARK_WOKEN);
}

void conn_upgrade(struct conn *c, struct http_stream *s)
{
	plain_free(TAKE(&c->plain));
	c->stream = s;
	c->state = CONN_STREAM;
	conn_want(c, UV_READABLE);
}

/* ---- refusing ------------------------------------------------------------------------------ */

static void start_out(struct conn *c, struct http_out *out)
{
	c->plain->out = *out;
	*out = (struct http_out){ .fd = -1 };
	c->plain->since_ms = conn_now(c);
	c->state = CONN_WRITE;
	conn_due(c, conn_now(c) + HTTP_STALL_MS);
	conn_write(c);
}

static void refuse(struct conn *c, enum err_code code, const char *detail)
{
	struct http_refusal q = { .code = code,
		.detail = detail,
		.request_id = h1_id(c->plain->h1),
		.origin = h1_origin(c->plain->h1) };
	struct http_out out = respond_refusal(c->reactor->server, &q);
	start_out(c, &out);
}

/* ---- reading ------------------------------------------------------------------------------- */

static void to_thread(struct conn *c, struct http_request *r)
{
	c->state = CONN_BUSY;
	c->refs++;
	conn_due(c, INT64_MAX / 2);
	pool_add(&c->reactor->server->pool, r);
}

static void hand_over(struct conn *c)
{
	struct h1_message m;
	h1_take(c->plain->h1, &m);
	struct http_request *r = request_new(c, &m);
	r->post.fn = conn_answer;
	to_thread(c, r);
}

/* A request is not whole: until when may it take? */
static void plan_read(struct conn *c, enum h1_phase before)
{
	const struct http_opts *o = &c->reactor->server->o;
	struct plain *p = c->plain;
	enum h1_phase phase = h1_phase(p->h1);
	if (phase == before)
		return;
	if (phase == H1_BODY && h1_continue(p->h1)) {
		static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
		ssize_t n = send(c->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL);
		(void)n; /* the socket was empty; a client that misses it sends all the same */
	}
	p->since_ms = conn_now(c);
	conn_due(c, p->since_ms + (phase == H1_BODY ? o->body_ms : o->header_ms));
}

static void conn_feed(struct conn *c, const char *data, size_t n)
{
	struct err e = { 0 };
	size_t used;
	enum h1_phase before = h1_phase(c->plain->h1);
	switch (h1_feed(c->plain->h1, data, n, &used, &e)) {
	case H1_MORE:
		plan_read(c, before);
		break;
	case H1_WHOLE:
		if (used == n || buf_add(&c->plain->rest, data + used, n - used))
			hand_over(c);
		else
			conn_close(c, "error");
		break;
	case H1_REFUSED:
		refuse(c, e.code, e.text);
		break;
	}
}

/* While a thread has the request, more bytes wait where they are, and the client's end is noticed.
 * A client may close its side and still read the answer; one that waits for a parked request is
 * taken to be gone. */
static void busy_readable(struct conn *c, bool ended)
{
	char peek;
	ssize_t n = recv(c->fd, &peek, 1, MSG_PEEK | MSG_DONTWAIT);
	bool broken = n < 0 && errno != EAGAIN && errno != EINTR;
	ended |= n == 0;
	if (broken || (ended && c->parked))
		conn_close(c, "client");
	else
		conn_want(c, ended ? 0 : UV_DISCONNECT);
}

static void on_readable(struct conn *c)
{
	char *in = c->reactor->in;
	ssize_t n = recv(c->fd, in, HTTP_READ_BYTES, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		conn_close(c, "client");
	else if (c->state == CONN_READ)
		conn_feed(c, in, (size_t)n);
	else if (c->state == CONN_STREAM)
		stream_received(c->stream, in, (size_t)n);
}

/* ---- answering ----------------------------------------------------------------------------- */

void conn_parked(struct conn *c, struct http_request *r, int64_t deadline_ms)
{
	bool gone = c->state != CONN_BUSY || c->interest == 0 || c->reactor->stopping;
	if (gone) {
		atomic_store(&r->parked.gone, true);
		park_flag(r, PARK_WOKEN);
		return;
	}
	c->parked = r;
	conn_due(c, conn_now(c) + (deadline_ms > 0 && !c->reactor->draining ? deadline_ms : 0));
}

void conn_answer(struct post *post)
{
	struct http_request *r = container_of(post, struct http_request, post);
	struct conn *c = r->conn;
	c->parked = NULL;
	if (r->stream) {
		stream_open(c, r);
	} else if (c->state == CONN_BUSY) {
		struct http_out out = r->out;
		r->out = (struct http_out){ .fd = -1 };
		if (r->part)
			c->plain->parts = r;
		else
			http_request_free(r);
		start_out(c, &out);
	} else {
		http_request_free(r);
	}
	if (c->reactor->stopping)
		conn_close(c, "closed");
	conn_unref(c);
}

static void read_next(struct conn *c)
{
	struct buf rest = c->plain->rest;
	c->plain->rest = (struct buf)BUF_INIT(HTTP_READ_BYTES);
	c->state = CONN_READ;
	c->plain->since_ms = conn_now(c);
	conn_want(c, UV_READABLE);
	conn_due(c, conn_now(c) + c->reactor->server->o.idle_ms);
	if (rest.len)
		conn_feed(c, rest.data, rest.len);
	buf_done(&rest);
}

void conn_written(struct conn *c)
{
	bool keep = c->plain->out.keep_alive && !c->reactor->draining;
	http_out_done(&c->plain->out);
	if (c->plain->parts) {
		conn_want(c, UV_DISCONNECT);
		to_thread(c, TAKE(&c->plain->parts));
	} else if (keep)
		read_next(c);
	else
		conn_linger(c, HTTP_LINGER_MS);
}

/* ---- time ---------------------------------------------------------------------------------- */

static void read_timeout(struct conn *c)
{
	const struct http_opts *o = &c->reactor->server->o;
	struct plain *p = c->plain;
	enum h1_phase phase = h1_phase(p->h1);
	int64_t until = p->since_ms + o->body_ms +
		(int64_t)h1_body_bytes(p->h1) * 1000 / o->body_bytes_per_s;
	if (phase == H1_IDLE)
		conn_close(c, "closed");
	else if (phase == H1_BODY && until > conn_now(c))
		conn_due(c, until);
	else
		refuse(c, ERR_REQUEST_TIMEOUT,
			phase == H1_BODY ? "the body came too slowly"
					 : "the header did not come in time");
}

void conn_timeout(struct conn *c)
{
	int64_t now = conn_now(c);
	if (c->state == CONN_READ) {
		read_timeout(c);
	} else if (c->state == CONN_BUSY) {
		conn_due(c, INT64_MAX / 2);
		if (c->parked)
			park_flag(c->parked, PARK_WOKEN);
	} else if (c->state == CONN_WRITE && now - c->plain->since_ms < HTTP_STALL_MS) {
		conn_due(c, c->plain->since_ms + HTTP_STALL_MS);
	} else if (c->state == CONN_STREAM) {
		stream_timeout(c->stream);
	} else {
		conn_close(c, "closed");
	}
}
