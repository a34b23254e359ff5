/* SPDX-License-Identifier: MIT
 *
 * The writing side of a stream. A turn takes what was left over, a pong or ping that is due, and as
 * many next frames as make a decent write, and hands them to the kernel in one call. A frame that
 * went out in part is always finished before anything else. Nothing is kept for a stream that has
 * no unsent bytes.
 */
#include "http/http_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define BATCH_FRAMES   64
#define BATCH_BYTES    16384 /* the next frame is asked for while below */
#define BATCHES_A_TURN 4

struct batch {
	struct http_frame *frames[BATCH_FRAMES];
	size_t n, bytes;
};

static void batch_add(struct batch *b, struct http_frame *f)
{
	b->frames[b->n++] = f;
	b->bytes += f->bytes;
}

static struct http_frame *ping_frame(struct http_stream *s)
{
	s->ping_due = false;
	return s->kind == HTTP_STREAM_WS ? frame_control(0x9, NULL, 0) : http_frame_raw(":\n\n", 3);
}

static void batch_fill(struct http_stream *s, struct batch *b)
{
	for (uint32_t i = 0; i < s->queue_n; i++)
		batch_add(b, s->queue[i]);
	free(TAKE(&s->queue));
	s->queue_n = 0;
	if (s->pong && b->n < BATCH_FRAMES)
		batch_add(b, TAKE(&s->pong));
	if (s->ping_due && b->n < BATCH_FRAMES)
		batch_add(b, ping_frame(s));
	while (s->ops && b->n < BATCH_FRAMES && b->bytes < BATCH_BYTES) {
		struct http_frame *f = s->ops->next(s->ctx);
		if (!f)
			break;
		batch_add(b, f);
		s->sent_ms = conn_now(s->conn);
	}
	if (!s->ops && s->close && b->n < BATCH_FRAMES)
		batch_add(b, TAKE(&s->close));
}

/* Bytes taken, 0 when the socket is full, -1 when it is broken. */
static ssize_t batch_send(int fd, const struct batch *b, uint32_t at)
{
	struct iovec iov[BATCH_FRAMES];
	for (size_t i = 0; i < b->n; i++) {
		size_t from = i == 0 ? at : 0;
		const struct http_frame *f = b->frames[i];
		iov[i] = (struct iovec){ (char *)f->data + from, f->bytes - from };
	}
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = b->n };
	ssize_t n;
	do {
		n = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 && errno == EAGAIN ? 0 : n;
}

/* Drop what was taken, keep the rest. True when there is a rest. */
static bool batch_keep_rest(struct http_stream *s, struct batch *b, size_t taken)
{
	size_t i = 0;
	taken += s->queue_at;
	while (i < b->n && taken >= b->frames[i]->bytes) {
		taken -= b->frames[i]->bytes;
		http_frame_unref(b->frames[i++]);
	}
	s->queue_at = (uint32_t)taken;
	if (i == b->n)
		return false;
	s->queue_n = (uint32_t)(b->n - i);
	s->queue = mem_array(s->queue_n, sizeof(struct http_frame *));
	memcpy(s->queue, b->frames + i, s->queue_n * sizeof(struct http_frame *));
	return true;
}

static void set_blocked(struct http_stream *s, bool blocked)
{
	s->blocked = blocked;
	conn_want(s->conn, blocked ? UV_READABLE | UV_WRITABLE : UV_READABLE);
	if (blocked)
		stream_plan(s);
}

static void moved(struct http_stream *s)
{
	s->moved_ms = conn_now(s->conn);
	if (!s->ops)
		s->end_ms = s->moved_ms + s->stall_ms;
}

/* One write. True when it was all taken and there may be more. */
static bool write_batch(struct http_stream *s)
{
	struct batch b = { .n = 0 };
	bool fresh = !s->queue_n; /* waiting begins now, if it does */
	batch_fill(s, &b);
	if (!b.n)
		return false;
	ssize_t n = batch_send(s->conn->fd, &b, s->queue_at);
	bool rest = batch_keep_rest(s, &b, n > 0 ? (size_t)n : 0);
	if (n < 0) {
		conn_close(s->conn, "client");
		return false;
	}
	if (n > 0 || fresh)
		moved(s);
	if (n > 0 && !fresh)
		s->received_ms = s->moved_ms; /* it drains a full socket, so it lives */
	set_blocked(s, rest);
	return !rest;
}

bool stream_turn(struct http_stream *s)
{
	if (s->blocked || s->conn->state != CONN_STREAM)
		return false;
	int i = 0;
	while (i < BATCHES_A_TURN && write_batch(s))
		i++;
	if (!s->conn || s->blocked || i == BATCHES_A_TURN)
		return s->conn && !s->blocked;
	if (!s->ops)
		conn_linger(s->conn, s->linger_ms);
	return false;
}

/* A reader that may come to life again is told why; what it was not given it asks for anew. */
void stream_slow(struct http_stream *s)
{
	uint32_t keep = s->queue_at ? 1 : 0;
	while (s->queue_n > keep)
		http_frame_unref(s->queue[--s->queue_n]);
	if (!keep)
		free(TAKE(&s->queue));
	stream_end(s, 1013, "too slow; resume where you were", "slow");
	s->end_ms = conn_now(s->conn) + 2 * (int64_t)s->stall_ms;
	stream_plan(s);
}

void stream_writable(struct http_stream *s)
{
	s->blocked = false;
	stream_dirty(s);
}
