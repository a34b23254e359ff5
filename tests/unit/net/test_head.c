/* SPDX-License-Identifier: MIT */
#include "lib/test.h"
#include "net/head.h"

static struct head h;

static enum head_event line(const char *s)
{
	return head_line(&h, s, strlen(s));
}

static void a_response_head_is_a_status_and_fields(void **state)
{
	(void)state;
	head_start(&h);
	assert_int_equal(line("HTTP/1.1 200 OK\r\n"), HEAD_STATUS);
	assert_int_equal(h.status, 200);
	assert_int_equal(line("ETag: \"a:b\"  \r\n"), HEAD_FIELD);
	assert_string_equal(h.name, "ETag");
	assert_string_equal(h.value, "\"a:b\"");
	assert_int_equal(line("X-Empty:\r\n"), HEAD_FIELD);
	assert_string_equal(h.value, "");
	assert_int_equal(line("\r\n"), HEAD_NOTHING);
	assert_true(h.ended);
	assert_int_equal(line("Trailer: late\r\n"), HEAD_NOTHING);
}

static void interim_responses_are_passed_over(void **state)
{
	(void)state;
	head_start(&h);
	assert_int_equal(line("HTTP/1.1 103 Early Hints\r\n"), HEAD_NOTHING);
	assert_int_equal(line("ETag: early\r\n"), HEAD_NOTHING);
	assert_int_equal(line("\r\n"), HEAD_NOTHING);
	assert_false(h.ended);
	assert_int_equal(line("HTTP/1.1 404\r\n"), HEAD_STATUS);
	assert_int_equal(h.status, 404);
	assert_int_equal(line("ETag: final\r\n"), HEAD_FIELD);
}

static void lines_that_are_no_field_are_nothing(void **state)
{
	(void)state;
	static const char *const bad[] = { ": x", "no colon", "name : x", " folded: x",
		"\tfolded: x", "HTTP/1.1 200 OK", "HTTP/1.1", "a b: c" };
	head_start(&h);
	line("HTTP/1.1 200 OK\r\n");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (line(bad[i]) != HEAD_NOTHING)
			fail_msg("'%s' is a field", bad[i]);
	assert_int_equal(head_line(&h, "a: b\0c", 6), HEAD_NOTHING);
}

static void a_status_is_three_digits(void **state)
{
	(void)state;
	static const char *const bad[] = { "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1  200",
		"HTTP/1.1 -20", "HTTPS 200", "HTTP/1.1", "" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		head_start(&h);
		assert_int_equal(line(bad[i]), HEAD_NOTHING);
		assert_int_equal(h.status, 0);
	}
}

static void too_many_lines_or_bytes_are_refused(void **state)
{
	(void)state;
	head_start(&h);
	line("HTTP/1.1 200 OK\r\n");
	enum head_event last = HEAD_FIELD;
	int n = 1;
	for (; last == HEAD_FIELD; n++)
		last = line("a: b\r\n");
	assert_int_equal(last, HEAD_TOO_LARGE);
	assert_int_equal(n, HEAD_LINES_MAX + 1);

	static char big[HEAD_LINE_MAX + 2];
	memset(big, 'a', HEAD_LINE_MAX + 1);
	head_start(&h);
	assert_int_equal(line(big), HEAD_TOO_LARGE);
	big[HEAD_LINE_MAX - 1] = '\0';
	big[1] = ':';
	head_start(&h);
	line("HTTP/1.1 200 OK\r\n");
	for (n = 0; (last = line(big)) == HEAD_FIELD; n++)
		;
	assert_int_equal(last, HEAD_TOO_LARGE);
	assert_int_equal(n, 3);

	head_start(&h); /* interim responses count too */
	for (n = 0; line("HTTP/1.1 100 Continue\r\n") != HEAD_TOO_LARGE; n++)
		;
	assert_int_equal(n, HEAD_LINES_MAX);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_response_head_is_a_status_and_fields),
	cmocka_unit_test(interim_responses_are_passed_over),
	cmocka_unit_test(lines_that_are_no_field_are_nothing),
	cmocka_unit_test(a_status_is_three_digits),
	cmocka_unit_test(too_many_lines_or_bytes_are_refused),
};
TEST_MAIN(tests)
