/* SPDX-License-Identifier: MIT
 *
 * The receiving side of RFC 6455 fed in pieces: what comes out does not depend on the cut, and
 * nothing is kept when nothing is pending. tests/e2e/websocket.test.mjs has the standard's cases.
 */
#include "lib/test.h"

#include "http/ws_recv.h"

#include "base/buf.h"

static struct buf out = BUF_INIT(1 << 20);

static void on_text(void *ctx, const char *text, size_t n)
{
	(void)ctx;
	buf_printf(&out, "text(%.*s)", (int)n, text);
}

static void on_ping(void *ctx, const void *payload, size_t n)
{
	(void)ctx;
	buf_printf(&out, "ping(%.*s)", (int)n, (const char *)payload);
}

static void on_close(void *ctx, int code)
{
	(void)ctx;
	buf_printf(&out, "close(%d)", code);
}

static const struct ws_sink sink = { on_text, on_ping, on_close };

/* A masked frame of under 126 bytes. */
static size_t put(char *to, int first, const char *payload)
{
	static const char mask[4] = { 0x11, 0x22, 0x33, 0x44 };
	size_t n = strlen(payload);
	to[0] = (char)first;
	to[1] = (char)(0x80 | n);
	memcpy(to + 2, mask, 4);
	for (size_t i = 0; i < n; i++)
		to[6 + i] = (char)(payload[i] ^ mask[i % 4]);
	return 6 + n;
}

static int feed_cut(const char *data, size_t n, size_t cut, struct ws_recv **rx)
{
	buf_reset(&out);
	*rx = NULL;
	int code = ws_recv_feed(rx, 64, &sink, NULL, data, cut);
	if (!code)
		code = ws_recv_feed(rx, 64, &sink, NULL, data + cut, n - cut);
	return code;
}

static void a_conversation_reads_the_same_however_it_is_cut(void **state)
{
	(void)state;
	char data[512];
	size_t n = put(data, 0x81, "hello");
	n += put(data + n, 0x01, "frag\xe2\x82");
	n += put(data + n, 0x89, "between");
	n += put(data + n, 0x80, "\xac");
	n += put(data + n, 0x8a, "");
	n += put(data + n, 0x81, "");
	for (size_t cut = 0; cut <= n; cut++) {
		struct ws_recv *rx;
		assert_int_equal(feed_cut(data, n, cut, &rx), 0);
		assert_null(rx);
		assert_string_equal(buf_str(&out),
			"text(hello)ping(between)text(frag\xe2\x82\xac)text()");
	}
	n += put(data + n, 0x88,
		"\x03\xe9"
		"\xe2\x82\xac why");
	for (size_t cut = 0; cut <= n; cut++) {
		struct ws_recv *rx;
		assert_int_equal(feed_cut(data, n, cut, &rx), 0);
		assert_null(rx);
		assert_non_null(strstr(buf_str(&out), "text()close(1001)"));
	}
}

static void a_fault_is_found_however_it_is_cut(void **state)
{
	(void)state;
	static const struct {
		int first, code;
		const char *payload;
	} cases[] = {
		{ 0x82, 1003, "x" }, { 0x83, 1002, "x" }, { 0xc1, 1002, "x" }, { 0x80, 1002, "x" },
		{ 0x81, 1007, "a\xff" }, { 0x81, 1007, "\xe2\x82" }, { 0x88, 1002, "x" },
		{ 0x88, 1002, "\x03\xed" }, { 0x88, 1007, "\x03\xe8\xff" }, { 0x09, 1002, "x" },
		{ 0x81, 1009, "12345678901234567890123456789012345678901234567890123456789012345" }
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char data[256];
		size_t n = put(data, cases[i].first, cases[i].payload);
		for (size_t cut = 0; cut <= n; cut++) {
			struct ws_recv *rx;
			if (feed_cut(data, n, cut, &rx) != cases[i].code)
				fail_msg("case %zu, cut at %zu", i, cut);
			assert_null(rx);
			assert_string_equal(buf_str(&out), "");
		}
	}
}

static void something_pending_is_kept_and_freed(void **state)
{
	(void)state;
	char data[64];
	struct ws_recv *rx = NULL;
	size_t n = put(data, 0x01, "half");
	assert_int_equal(ws_recv_feed(&rx, 64, &sink, NULL, data, n), 0);
	assert_non_null(rx); /* an unfinished message */
	ws_recv_free(rx);
	rx = NULL;
	assert_int_equal(ws_recv_feed(&rx, 64, &sink, NULL, data, 1), 0);
	assert_non_null(rx); /* an unfinished header */
	ws_recv_free(rx);
	ws_recv_free(NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_conversation_reads_the_same_however_it_is_cut),
	cmocka_unit_test(a_fault_is_found_however_it_is_cut),
	cmocka_unit_test(something_pending_is_kept_and_freed),
};

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_done(&out);
	return failed;
}
