/* SPDX-License-Identifier: MIT
 *
 * The first byte says how the rest is cut into reads; the rest is what a WebSocket client sends.
 * However it is cut, the same messages must come out and the connection fail with the same code.
 */
#include "base/buf.h"
#include "http/ws_recv.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_MESSAGE 1000

struct seen {
	struct buf text;
	bool closed;
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* A plain check to hold the incremental one to. */
static bool is_utf8(const unsigned char *s, size_t n)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	for (size_t i = 0; i < n;) {
		size_t len = s[i] < 0x80  ? 1
			: s[i] >> 5 == 6  ? 2
			: s[i] >> 4 == 14 ? 3
			: s[i] >> 3 == 30 ? 4
					  : 0;
		uint32_t c = len == 1 ? s[i] : s[i] & (0x7fu >> len);
		if (!len || len > n - i)
			return false;
		for (size_t k = 1; k < len; k++) {
			if (s[i + k] >> 6 != 2)
				return false;
			c = c << 6 | (s[i + k] & 0x3f);
		}
		if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			return false;
		i += len;
	}
	return true;
}

static void on_text(void *ctx, const char *text, size_t n)
{
	must(n <= MAX_MESSAGE && is_utf8((const unsigned char *)text, n));
	struct seen *seen = ctx;
	buf_printf(&seen->text, "text %zu ", n);
	buf_add(&seen->text, text, n);
}

static void on_ping(void *ctx, const void *payload, size_t n)
{
	must(n <= 125);
	struct seen *seen = ctx;
	buf_printf(&seen->text, "ping %zu ", n);
	buf_add(&seen->text, payload, n);
}

static void on_close(void *ctx, int code)
{
	must(code == 0 || (code >= 1000 && code < 5000));
	struct seen *seen = ctx;
	buf_printf(&seen->text, "close %d ", code);
	seen->closed = true;
}

static void converse(const uint8_t *data, size_t n, size_t piece, struct seen *out)
{
	static const struct ws_sink sink = { on_text, on_ping, on_close };
	struct ws_recv *rx = NULL;
	int code = 0;
	while (n && !code && !out->closed) {
		size_t give = n < piece ? n : piece;
		code = ws_recv_feed(&rx, MAX_MESSAGE, &sink, out, data, give);
		must(!code || (!rx && code >= 1002 && code <= 1009));
		data += give;
		n -= give;
	}
	buf_printf(&out->text, "end %d", code);
	ws_recv_free(rx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = { .text = BUF_INIT(1 << 22) }, cut = { .text = BUF_INIT(1 << 22) };
	if (!size)
		return 0;
	converse(data + 1, size - 1, size, &whole);
	converse(data + 1, size - 1, (size_t)data[0] % 64 + 1, &cut);
	must(whole.text.len == cut.text.len && whole.closed == cut.closed);
	must(memcmp(buf_str(&whole.text), buf_str(&cut.text), cut.text.len) == 0);
	buf_done(&whole.text);
	buf_done(&cut.text);
	return 0;
}
