/* SPDX-License-Identifier: MIT
 *
 * Times as text, and ids.
 */
#include "lib/test.h"

#include "base/clock.h"
#include "base/id.h"

static void times_have_their_rfc3339_and_http_forms(void **state)
{
	(void)state;
	char out[CLOCK_RFC3339_MAX];
	clock_format_rfc3339(1795412820123, out);
	assert_string_equal(out, "2026-11-23T05:47:00.123Z");
	clock_format_http(1795412820123, out);
	assert_string_equal(out, "Mon, 23 Nov 2026 05:47:00 GMT");
	clock_format_rfc3339(-1, out);
	assert_string_equal(out, "1969-12-31T23:59:59.999Z");
}

static void a_time_out_of_the_calendar_still_has_a_form(void **state)
{
	(void)state;
	char out[CLOCK_RFC3339_MAX];
	clock_format_rfc3339(INT64_MAX, out);
	assert_int_equal(strlen(out), 24);
	clock_format_http(INT64_MIN, out);
	assert_int_equal(strlen(out), 29);
}

static void http_dates_are_read_back(void **state)
{
	(void)state;
	int64_t ms = 0;
	assert_true(clock_parse_http("Sun, 06 Nov 1994 08:49:37 GMT", &ms));
	assert_int_equal(ms, 784111777000);
	for (int64_t t = 0; t < 4000000000000; t += 86399000 * 37LL) {
		char out[CLOCK_RFC3339_MAX];
		clock_format_http(t, out);
		assert_true(clock_parse_http(out, &ms));
		assert_int_equal(ms, t);
	}
}

static void what_is_no_imf_fixdate_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 29 Feb 2026 00:00:00 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, +6 Nov 1994 08:49:37 GMT",
		"Xyz, 06 Nov 1994 08:49:37 GMT" };
	int64_t ms = 7;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (clock_parse_http(bad[i], &ms))
			fail_msg("taken: '%s'", bad[i]);
	assert_int_equal(ms, 7);
}

static void a_deadline_lies_ahead_by_what_was_asked(void **state)
{
	(void)state;
	int64_t before = clock_mono_us();
	struct timespec t = clock_deadline(1999);
	int64_t us = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
	assert_true(us >= before + 1999000);
	assert_in_range(t.tv_nsec, 0, 999999999);
}

static void ids_are_26_distinct_crockford_digits(void **state)
{
	(void)state;
	char a[ID_LEN + 1], b[ID_LEN + 1];
	id_new(a);
	id_new(b);
	assert_int_equal(strlen(a), 26);
	assert_int_equal(strspn(a, "0123456789abcdefghjkmnpqrstvwxyz"), 26);
	assert_string_not_equal(a, b);
}

static void random_numbers_stay_below_their_bound(void **state)
{
	(void)state;
	unsigned seen = 0;
	for (int i = 0; i < 1000; i++) {
		uint64_t v = random_below(3);
		assert_true(v < 3);
		seen |= 1u << v;
	}
	assert_int_equal(seen, 7);
	assert_int_equal(random_below(1), 0);
	assert_true(random_below(UINT64_MAX) < UINT64_MAX);
}

static void rfc3339_times_are_taken_in_utc_only(void **state)
{
	(void)state;
	int64_t ms = 0;
	assert_true(clock_parse_rfc3339("2013-09-17T18:07:53.000Z", &ms));
	assert_int_equal(ms, 1379441273000ll);
	assert_true(clock_parse_rfc3339("2013-09-17T18:07:53Z", &ms));
	assert_int_equal(ms, 1379441273000ll);
	static const char *const bad[] = { "", "2013-09-17", "2013-09-17T18:07:53",
		"2013-09-17T18:07:53+02:00", "2013-02-30T18:07:53Z", "2013-09-17T24:07:53Z",
		"2013-09-17 18:07:53Z", "2013-0x-17T18:07:53Z", "2013-09-17T18:07:53.12" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (clock_parse_rfc3339(bad[i], &ms))
			fail_msg("'%s' was taken", bad[i]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(rfc3339_times_are_taken_in_utc_only),
	cmocka_unit_test(times_have_their_rfc3339_and_http_forms),
	cmocka_unit_test(a_time_out_of_the_calendar_still_has_a_form),
	cmocka_unit_test(http_dates_are_read_back),
	cmocka_unit_test(what_is_no_imf_fixdate_is_refused),
	cmocka_unit_test(a_deadline_lies_ahead_by_what_was_asked),
	cmocka_unit_test(ids_are_26_distinct_crockford_digits),
	cmocka_unit_test(random_numbers_stay_below_their_bound),
};
TEST_MAIN(tests)
