/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "lib/test.h"
#include "net/net.h"

static void seconds_are_taken_and_bounded(void **state)
{
	(void)state;
	assert_int_equal(net_retry_after("0"), 0);
	assert_int_equal(net_retry_after("1"), 1000);
	assert_int_equal(net_retry_after("120"), 120000);
	assert_int_equal(net_retry_after("00120"), 120000);
	assert_int_equal(net_retry_after("86401"), NET_RETRY_AFTER_MAX_MS);
	assert_int_equal(net_retry_after("99999999999999999999999999"), NET_RETRY_AFTER_MAX_MS);
}

static void a_date_is_taken_as_the_time_until_it(void **state)
{
	(void)state;
	char date[CLOCK_RFC3339_MAX];
	clock_format_http(clock_wall_ms() + 60000, date);
	assert_in_range(net_retry_after(date), 58000, 60000);
	assert_int_equal(net_retry_after("Mon, 01 Jan 2024 00:00:00 GMT"), 0);
	assert_int_equal(net_retry_after("Fri, 31 Dec 2100 00:00:00 GMT"), NET_RETRY_AFTER_MAX_MS);
}

static void what_is_ill_formed_is_nothing(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "-1", "+1", "1.5", "1s", "soon", " ", "0x10",
		"Mon, 01 Jan 2100" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(net_retry_after(bad[i]), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(seconds_are_taken_and_bounded),
	cmocka_unit_test(a_date_is_taken_as_the_time_until_it),
	cmocka_unit_test(what_is_ill_formed_is_nothing),
};
TEST_MAIN(tests)
