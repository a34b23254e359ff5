/* SPDX-License-Identifier: MIT
 *
 * Writing a plain answer: straight into the socket, and only when that is full does the loop wait
 * for it. Files go out by sendfile on libuv's thread pool, because a read from the disk may block.
 */
#include "http/http_impl.h"

#include <errno.h>
#include <sys/socket.h>

#define FILE_SLICE (256 << 10)

/* True when all memory bytes are out. */
static bool send_memory(struct conn *c, struct http_out *o)
{
	while (o->at < o->bytes) {
		int more = o->file_left ? MSG_MORE : 0;
		ssize_t n = send(c->fd, o->data + o->at, o->bytes - o->at, MSG_NOSIGNAL | more);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			conn_want(c, UV_WRITABLE);
			return false;
		}
		if (n < 0) {
			conn_close(c, "error");
			return false;
		}
		o->at += (size_t)n;
		c->plain->since_ms = conn_now(c);
	}
	return true;
}

static void file_sent(uv_fs_t *op)
{
	struct conn *c = op->data;
	struct http_out *o = &c->plain->out;
	ssize_t n = op->result;
	uv_fs_req_cleanup(op);
	c->plain->file_busy = false;
	if (c->state == CONN_WRITE && n > 0) {
		o->file_at += n;
		o->file_left -= n;
		c->plain->since_ms = conn_now(c);
		conn_write(c);
	} else if (c->state == CONN_WRITE && n == UV_EAGAIN) {
		conn_want(c, UV_WRITABLE);
	} else if (c->state == CONN_WRITE) {
		conn_close(c, "error"); /* shorter than promised, or the client is gone */
	}
	conn_unref(c);
}

static void send_file(struct conn *c, struct http_out *o)
{
	size_t n = o->file_left < FILE_SLICE ? (size_t)o->file_left : FILE_SLICE;
	conn_want(c, 0);
	c->plain->file_op.data = c;
	c->plain->file_busy = true;
	c->refs++;
	if (uv_fs_sendfile(&c->reactor->loop, &c->plain->file_op, c->fd, o->fd, o->file_at, n,
		    file_sent)) {
		c->plain->file_busy = false;
		c->refs--;
		conn_close(c, "error");
	}
}

void conn_write(struct conn *c)
{
	struct http_out *o = &c->plain->out;
	if (c->plain->file_busy || !send_memory(c, o))
		return;
	if (o->file_left)
		send_file(c, o);
	else
		conn_written(c);
}
