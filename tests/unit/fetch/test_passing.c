/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "fetch/fetch.h"
#include "fetch/passing.h"
#include "lib/test.h"

static void seconds_are_taken_and_bounded(void **state)
{
	(void)state;
	assert_int_equal(retry_after_parse("0"), 0);
	assert_int_equal(retry_after_parse("1"), 1000);
	assert_int_equal(retry_after_parse("120"), 120000);
	assert_int_equal(retry_after_parse("00120"), 120000);
	assert_int_equal(retry_after_parse("86401"), RETRY_AFTER_MAX_MS);
	assert_int_equal(retry_after_parse("99999999999999999999999999"), RETRY_AFTER_MAX_MS);
}

static void a_date_is_taken_as_the_time_until_it(void **state)
{
	(void)state;
	char date[CLOCK_RFC3339_MAX];
	clock_format_http(clock_wall_ms() + 60000, date);
	assert_in_range(retry_after_parse(date), 58000, 60000);
	assert_int_equal(retry_after_parse("Mon, 01 Jan 2024 00:00:00 GMT"), 0);
	assert_int_equal(retry_after_parse("Fri, 31 Dec 2100 00:00:00 GMT"), RETRY_AFTER_MAX_MS);
}

static void what_is_ill_formed_is_nothing(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "-1", "+1", "1.5", "1s", "soon", " ", "0x10",
		"Mon, 01 Jan 2100" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(retry_after_parse(bad[i]), 0);
}

static bool passes(enum err_code code, int status)
{
	return fetch_may_pass(&(struct err){ .code = code, .source_status = status });
}

static void what_may_pass_is_told_by_code_and_status(void **state)
{
	(void)state;
	static const int may[] = { 408, 425, 429, 500, 502, 503, 504, 507, 520, 599 };
	static const int never[] = { 100, 201, 206, 304, 400, 401, 403, 404, 406, 410, 451, 501,
		505 };
	for (size_t i = 0; i < ARRAY_LEN(may); i++)
		assert_true(passes(ERR_FETCH_STATUS, may[i]));
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		assert_false(passes(ERR_FETCH_STATUS, never[i]));
	assert_true(passes(ERR_FETCH_DNS, 0));
	assert_true(passes(ERR_FETCH_CONNECT, 200));
	assert_true(passes(ERR_FETCH_TIMEOUT, 0));
	assert_false(passes(ERR_FETCH_TLS, 0));
	assert_false(passes(ERR_FETCH_TOO_LARGE, 200));
	assert_false(passes(ERR_FETCH_BLOCKED_ADDRESS, 0));
	assert_false(passes(ERR_FETCH_REDIRECT, 302));
	assert_false(passes(ERR_CANCELED, 0));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(seconds_are_taken_and_bounded),
	cmocka_unit_test(a_date_is_taken_as_the_time_until_it),
	cmocka_unit_test(what_is_ill_formed_is_nothing),
	cmocka_unit_test(what_may_pass_is_told_by_code_and_status),
};
TEST_MAIN(tests)
