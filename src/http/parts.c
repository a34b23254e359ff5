/* SPDX-License-Identifier: MIT
 *
 * Answers in parts (RFC 9112 §7.1: chunked). The request goes to and fro: a request thread makes a
 * part, the loop writes it and gives the request back for the next, so a reader that takes nothing
 * holds one part and no thread.
 */
#include "http/http_impl.h"

#include <string.h>

#define HEAD_BYTES_MAX (256 << 10)
#define PART_BYTES_MAX ((size_t)64 << 20)

static bool is_chunked(const struct http_request *r)
{
	return r->m.minor > 0;
}

static void put_part(struct http_request *r, struct buf *out)
{
	CLEANUP(buf_done) struct buf part = BUF_INIT(PART_BYTES_MAX);
	enum http_part what = r->part(r->part_ctx, &part);
	if (part.full)
		what = HTTP_PART_BROKEN;
	if (part.len && is_chunked(r))
		buf_printf(out, "%zx\r\n", part.len);
	buf_add(out, part.data, part.len);
	if (part.len && is_chunked(r))
		buf_puts(out, "\r\n");
	if (what == HTTP_PART_LAST && is_chunked(r))
		buf_puts(out, "0\r\n\r\n");
	if (what == HTTP_PART_BROKEN)
		buf_reset(out);
	r->out.keep_alive = what == HTTP_PART_LAST && is_chunked(r) && r->m.keep_alive;
	if (what != HTTP_PART_MORE)
		r->part = NULL;
}

static void hand_over(struct http_request *r, struct buf *out)
{
	if (out->full) { /* no memory: the answer ends before its end */
		buf_reset(out);
		r->out.keep_alive = false;
		r->part = NULL;
	}
	r->out.bytes = out->len;
	r->out.data = buf_take(out);
	request_answered(r);
}

void parts_next(struct http_request *r)
{
	struct buf out = BUF_INIT(PART_BYTES_MAX + HEAD_BYTES_MAX);
	put_part(r, &out);
	hand_over(r, &out);
}

void http_respond_parts(struct http_request *r, int status, http_part_fn *fn,
	void (*done)(void *ctx), void *ctx)
{
	struct buf out = BUF_INIT(PART_BYTES_MAX + HEAD_BYTES_MAX);
	bool keep_alive = r->m.keep_alive && is_chunked(r) && !atomic_load(&r->server->draining);
	r->m.keep_alive = keep_alive;
	if (is_chunked(r))
		http_set(r, "Transfer-Encoding", "chunked");
	request_status(r, status);
	r->part_done = done;
	r->part_ctx = ctx;
	respond_head(r, status, -1, keep_alive, &out);
	if (strcmp(r->m.method, "HEAD") == 0) {
		r->out.keep_alive = keep_alive;
	} else {
		r->part = fn;
		put_part(r, &out);
	}
	hand_over(r, &out);
}
