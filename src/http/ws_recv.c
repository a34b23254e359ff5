/* SPDX-License-Identifier: MIT
 *
 * wslay takes the frames apart (headers, lengths, masks); messages are put together here. Its own
 * message layer costs twice the memory, answers a Close of one byte with an empty one, and loses
 * count of a Close reason that arrives in two pieces.
 *
 * An idle WebSocket must cost next to nothing, so the state (4 KiB of wslay's buffer) is freed
 * whenever every byte that came has been used: `fed` and `used` count to find that moment.
 */
#include "http/ws_recv.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <wslay/wslay.h>

enum { OP_CONTINUE = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };
enum {
	CLOSE_PROTOCOL = 1002,
	CLOSE_TYPE = 1003,
	CLOSE_DATA = 1007,
	CLOSE_BIG = 1009,
	CLOSE_SERVER = 1011
};

struct utf8 {
	uint8_t need, low, high; /* continuation bytes to come, and the range of the next one */
};

struct ws_recv {
	wslay_frame_context_ptr frames;
	const struct ws_sink *sink;
	void *ctx;
	const uint8_t *in;
	size_t in_n;
	uint64_t fed, used, left; /* left: payload of the frame in hand still to come */
	bool in_frame, in_message, closed;
	uint8_t opcode, fin;
	uint8_t control_n, control[125];
	struct utf8 utf8;
	struct buf message;
};

/* ---- UTF-8, byte by byte (RFC 3629: no overlong form, no surrogate, nothing over 10FFFF) --- */

static bool utf8_lead(struct utf8 *u, uint8_t b)
{
	*u = (struct utf8){ .low = 0x80, .high = 0xbf };
	if (b >= 0xc2 && b <= 0xdf)
		u->need = 1;
	else if (b >= 0xe0 && b <= 0xef)
		u->need = 2;
	else if (b >= 0xf0 && b <= 0xf4)
		u->need = 3;
	else
		return b < 0x80;
	if (b == 0xe0)
		u->low = 0xa0;
	else if (b == 0xed)
		u->high = 0x9f;
	else if (b == 0xf0)
		u->low = 0x90;
	else if (b == 0xf4)
		u->high = 0x8f;
	return true;
}

static bool utf8_add(struct utf8 *u, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!u->need) {
			if (!utf8_lead(u, data[i]))
				return false;
		} else {
			if (data[i] < u->low || data[i] > u->high)
				return false;
			u->need--;
			u->low = 0x80;
			u->high = 0xbf;
		}
	}
	return true;
}

/* ---- frames -------------------------------------------------------------------------------- */

static ssize_t give_bytes(uint8_t *to, size_t n, int flags, void *ctx)
{
	struct ws_recv *rx = ctx;
	(void)flags;
	if (n > rx->in_n)
		n = rx->in_n;
	if (!n)
		return -1; /* which wslay reads as "later" */
	memcpy(to, rx->in, n);
	rx->in += n;
	rx->in_n -= n;
	return (ssize_t)n;
}

static int data_frame_begins(struct ws_recv *rx, const struct wslay_frame_iocb *f)
{
	if ((f->opcode == OP_CONTINUE) != rx->in_message)
		return CLOSE_PROTOCOL;
	if (f->opcode == OP_BINARY)
		return CLOSE_TYPE;
	if (f->payload_length > rx->message.max - rx->message.len)
		return CLOSE_BIG;
	rx->in_message = true;
	return 0;
}

static int frame_begins(struct ws_recv *rx, const struct wslay_frame_iocb *f)
{
	uint64_t n = f->payload_length;
	rx->used += 2 + 4 + (n < 126 ? 0 : n < 65536 ? 2 : 8);
	rx->left = n;
	rx->in_frame = true;
	rx->opcode = f->opcode;
	rx->fin = f->fin;
	rx->control_n = 0;
	if (f->rsv || !f->mask)
		return CLOSE_PROTOCOL;
	switch (f->opcode) {
	case OP_CONTINUE:
	case OP_TEXT:
	case OP_BINARY:
		return data_frame_begins(rx, f);
	case OP_CLOSE:
		return n == 1 ? CLOSE_PROTOCOL : 0;
	case OP_PING:
	case OP_PONG:
		return 0;
	default:
		return CLOSE_PROTOCOL;
	}
}

static int frame_bytes(struct ws_recv *rx, const uint8_t *data, size_t n)
{
	rx->used += n;
	rx->left -= n;
	if (rx->opcode >= OP_CLOSE) { /* wslay has seen to it that they fit */
		memcpy(rx->control + rx->control_n, data, n);
		rx->control_n = (uint8_t)(rx->control_n + n);
		return 0;
	}
	if (!utf8_add(&rx->utf8, data, n))
		return CLOSE_DATA;
	return buf_add(&rx->message, data, n) ? 0 : CLOSE_SERVER;
}

/* RFC 6455 §7.4 and the IANA registry. */
static bool code_is_valid(int code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
		(code >= 3000 && code <= 4999);
}

static int close_ends(struct ws_recv *rx)
{
	struct utf8 reason = { 0 };
	int code = rx->control_n ? rx->control[0] << 8 | rx->control[1] : 0;
	if (rx->control_n && !code_is_valid(code))
		return CLOSE_PROTOCOL;
	if (rx->control_n > 2 &&
		(!utf8_add(&reason, rx->control + 2, rx->control_n - 2u) || reason.need))
		return CLOSE_DATA;
	rx->closed = true;
	rx->sink->close(rx->ctx, code);
	return 0;
}

static int frame_ends(struct ws_recv *rx)
{
	rx->in_frame = false;
	if (rx->opcode == OP_CLOSE)
		return close_ends(rx);
	if (rx->opcode == OP_PING)
		rx->sink->ping(rx->ctx, rx->control, rx->control_n);
	if (rx->opcode >= OP_CLOSE || !rx->fin)
		return 0;
	if (rx->utf8.need)
		return CLOSE_DATA;
	rx->sink->text(rx->ctx, buf_str(&rx->message), rx->message.len);
	rx->in_message = false;
	buf_done(&rx->message);
	return 0;
}

/* ---- the connection ------------------------------------------------------------------------ */

void ws_recv_free(struct ws_recv *rx)
{
	if (!rx)
		return;
	wslay_frame_context_free(rx->frames);
	buf_done(&rx->message);
	free(rx);
}

static struct ws_recv *ws_recv_new(size_t max_message)
{
	static const struct wslay_frame_callbacks callbacks = { .recv_callback = give_bytes };
	struct ws_recv *rx = mem_new(struct ws_recv);
	rx->message.max = max_message;
	if (wslay_frame_context_init(&rx->frames, &callbacks, rx)) {
		free(rx);
		return NULL;
	}
	return rx;
}

/* One frame, or the part of it that is there. false: nothing more to read, or *ret_code is set. */
static bool read_some(struct ws_recv *rx, int *ret_code)
{
	struct wslay_frame_iocb f = { 0 };
	ssize_t n = wslay_frame_recv(rx->frames, &f);
	if (n < 0) {
		*ret_code = n == WSLAY_ERR_WANT_READ ? 0 : CLOSE_PROTOCOL;
		return false;
	}
	if (!rx->in_frame)
		*ret_code = frame_begins(rx, &f);
	if (!*ret_code && f.data_length)
		*ret_code = frame_bytes(rx, f.data, f.data_length);
	if (!*ret_code && rx->left == 0)
		*ret_code = frame_ends(rx);
	return !*ret_code && !rx->closed;
}

int ws_recv_feed(struct ws_recv **prx, size_t max_message, const struct ws_sink *sink, void *ctx,
	const void *data, size_t n)
{
	struct ws_recv *rx = *prx ? *prx : ws_recv_new(max_message);
	int code = rx ? 0 : CLOSE_SERVER;
	*prx = rx;
	if (!rx)
		return code;
	rx->sink = sink;
	rx->ctx = ctx;
	rx->in = data;
	rx->in_n = n;
	rx->fed += n;
	while (read_some(rx, &code))
		;
	if (code || rx->closed || (rx->fed == rx->used && !rx->in_frame && !rx->in_message)) {
		ws_recv_free(rx);
		*prx = NULL;
	}
	return code;
}
