/* SPDX-License-Identifier: MIT
 *
 * Frames: bytes ready for the wire with a reference count. A server's WebSocket frames carry no
 * mask, so that one frame serves every reader of the same event.
 */
#include "http/http_impl.h"

#include <assert.h>
#include <string.h>

static struct http_frame *frame_new(size_t bytes)
{
	assert(bytes <= UINT32_MAX / 2);
	struct http_frame *f = mem_zalloc(sizeof(*f) + bytes);
	f->refs = 1;
	f->bytes = (uint32_t)bytes;
	return f;
}

/* RFC 6455 §5.2, final and unmasked. */
static struct http_frame *frame_ws(unsigned opcode, const void *payload, size_t n)
{
	size_t head = n < 126 ? 2 : n < 65536 ? 4 : 10;
	struct http_frame *f = frame_new(head + n);
	f->data[0] = (char)(0x80 | opcode);
	f->data[1] = (char)(head == 2 ? n : head == 4 ? 126 : 127);
	for (size_t i = head - 1, rest = n; head > 2 && i > 1; i--, rest >>= 8)
		f->data[i] = (char)(rest & 0xff);
	if (n)
		memcpy(f->data + head, payload, n);
	return f;
}

struct http_frame *http_frame_ws(const void *text, size_t n)
{
	return frame_ws(0x1, text, n);
}

struct http_frame *http_frame_raw(const void *data, size_t n)
{
	struct http_frame *f = frame_new(n);
	memcpy(f->data, data, n);
	return f;
}

struct http_frame *frame_control(unsigned opcode, const void *payload, size_t n)
{
	assert(n <= 125);
	return frame_ws(opcode, payload, n);
}

struct http_frame *frame_close(int code, const char *reason)
{
	if (!code)
		return frame_control(0x8, NULL, 0);
	char body[125] = { (char)(code >> 8), (char)(code & 0xff) };
	size_t n = reason ? strnlen(reason, sizeof(body) - 2) : 0;
	while (n && ((unsigned char)reason[n] & 0xc0) == 0x80)
		n--; /* cut at a character */
	if (n)
		memcpy(body + 2, reason, n);
	return frame_control(0x8, body, n + 2);
}

struct http_frame *http_frame_ref(struct http_frame *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

void http_frame_unref(struct http_frame *f)
{
	if (f && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1)
		free(f);
}

size_t http_frame_bytes(const struct http_frame *f)
{
	return f->bytes;
}
