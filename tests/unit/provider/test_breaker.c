/* SPDX-License-Identifier: MIT */
#include "lib/test.h"
#include "provider/breaker.h"

static void fail_once(struct breaker *b, int64_t now)
{
	int64_t wait = 0;
	enum breaker_pass pass = breaker_enter(b, now, &wait);
	assert_int_not_equal(pass, BREAKER_OPEN);
	breaker_leave(b, pass, BREAKER_BAD, now);
}

static void it_opens_after_so_many_failures_in_a_row(void **state)
{
	(void)state;
	struct breaker b;
	int64_t wait = 0;
	breaker_init(&b, 3, 1000);
	fail_once(&b, 10);
	fail_once(&b, 20);
	assert_int_equal(breaker_enter(&b, 30, &wait), BREAKER_CLOSED);
	breaker_leave(&b, BREAKER_CLOSED, BREAKER_GOOD, 30);
	fail_once(&b, 40);
	fail_once(&b, 50);
	assert_false(breaker_is_open(&b, 60, &wait));
	fail_once(&b, 60);
	assert_true(breaker_is_open(&b, 100, &wait));
	assert_int_equal(breaker_enter(&b, 100, &wait), BREAKER_OPEN);
	assert_int_equal(wait, 960);
	breaker_done(&b);
}

static void one_call_probes_and_an_answer_closes_it(void **state)
{
	(void)state;
	struct breaker b;
	int64_t wait = 0;
	breaker_init(&b, 1, 1000);
	fail_once(&b, 0);
	assert_int_equal(breaker_enter(&b, 1000, &wait), BREAKER_PROBE);
	assert_int_equal(breaker_enter(&b, 1001, &wait), BREAKER_OPEN);
	assert_int_equal(wait, BREAKER_PROBE_MS);
	assert_true(breaker_is_open(&b, 1001, &wait));
	breaker_leave(&b, BREAKER_PROBE, BREAKER_GOOD, 1002);
	assert_int_equal(breaker_enter(&b, 1002, &wait), BREAKER_CLOSED);
	breaker_done(&b);
}

static void a_probe_that_was_not_sent_leaves_room_for_another(void **state)
{
	(void)state;
	struct breaker b;
	int64_t wait = 0;
	breaker_init(&b, 1, 1000);
	fail_once(&b, 0);
	assert_int_equal(breaker_enter(&b, 2000, &wait), BREAKER_PROBE);
	breaker_leave(&b, BREAKER_PROBE, BREAKER_NONE, 2001);
	assert_int_equal(breaker_enter(&b, 2001, &wait), BREAKER_PROBE);
	breaker_leave(&b, BREAKER_PROBE, BREAKER_NONE, 2001);
	breaker_done(&b);
}

static void each_failed_probe_doubles_the_time_up_to_sixteen_times(void **state)
{
	(void)state;
	struct breaker b;
	int64_t now = 0, wait = 0;
	static const int64_t times[] = { 1, 2, 4, 8, 16, 16, 16 };
	breaker_init(&b, 1, 1000);
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		fail_once(&b, now);
		assert_int_equal(breaker_enter(&b, now, &wait), BREAKER_OPEN);
		assert_int_equal(wait, times[i] * 1000);
		now += wait;
	}
	int64_t ignored;
	assert_int_equal(breaker_enter(&b, now, &ignored), BREAKER_PROBE);
	breaker_leave(&b, BREAKER_PROBE, BREAKER_GOOD, now);
	fail_once(&b, now);
	breaker_enter(&b, now, &wait);
	assert_int_equal(wait, 1000);
	breaker_done(&b);
}

static void calls_that_were_under_way_do_not_lengthen_it(void **state)
{
	(void)state;
	struct breaker b;
	int64_t wait = 0;
	breaker_init(&b, 1, 1000);
	for (int i = 0; i < 8; i++)
		assert_int_equal(breaker_enter(&b, 0, &wait), BREAKER_CLOSED);
	for (int i = 0; i < 8; i++)
		breaker_leave(&b, BREAKER_CLOSED, BREAKER_BAD, i);
	assert_int_equal(breaker_enter(&b, 0, &wait), BREAKER_OPEN);
	assert_int_equal(wait, 1000);
	breaker_done(&b);
}

static void without_a_number_of_failures_it_never_opens(void **state)
{
	(void)state;
	struct breaker b;
	breaker_init(&b, 0, 1000);
	for (int i = 0; i < 100; i++)
		fail_once(&b, i);
	breaker_done(&b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(it_opens_after_so_many_failures_in_a_row),
	cmocka_unit_test(one_call_probes_and_an_answer_closes_it),
	cmocka_unit_test(a_probe_that_was_not_sent_leaves_room_for_another),
	cmocka_unit_test(each_failed_probe_doubles_the_time_up_to_sixteen_times),
	cmocka_unit_test(calls_that_were_under_way_do_not_lengthen_it),
	cmocka_unit_test(without_a_number_of_failures_it_never_opens),
};
TEST_MAIN(tests)
