/* SPDX-License-Identifier: MIT */
#include "lib/test.h"

#include "http/wheel.h"

static struct wheel w;
static struct timer timers[2000];

/* Pops everything due at now_ms and returns how many. */
static size_t pop_due(int64_t now_ms)
{
	size_t n = 0;
	for (struct timer *t; (t = wheel_pop(&w, now_ms)) != NULL; n++)
		assert_true(t->due_ms <= now_ms);
	return n;
}

static void a_timer_fires_at_its_time_rounded_up_to_a_tick(void **state)
{
	(void)state;
	wheel_init(&w, 1000);
	wheel_add(&w, &timers[0], 1120);
	assert_int_equal(pop_due(1119), 0);
	assert_int_equal(pop_due(1149), 0);
	assert_int_equal(pop_due(1150), 1);
	assert_int_equal(pop_due(1 << 20), 0);
}

static void a_deadline_in_the_past_fires_with_the_next_tick(void **state)
{
	(void)state;
	wheel_init(&w, 1000);
	wheel_add(&w, &timers[0], 10);
	assert_int_equal(pop_due(1050), 1);
}

static void deadlines_beyond_the_wheel_come_round_and_wait(void **state)
{
	(void)state;
	wheel_init(&w, 0);
	int64_t far = (int64_t)WHEEL_SLOTS * WHEEL_TICK_MS * 7 / 2;
	wheel_add(&w, &timers[0], far);
	wheel_add(&w, &timers[1], INT64_MAX / 2);
	for (int64_t now = 0; now < far; now += WHEEL_TICK_MS)
		assert_int_equal(pop_due(now), 0);
	assert_int_equal(pop_due(far), 1);
	assert_non_null(timers[1].link);
}

static void a_timer_may_be_moved_and_removed(void **state)
{
	(void)state;
	wheel_init(&w, 0);
	wheel_add(&w, &timers[0], 100);
	wheel_add(&w, &timers[0], 500);
	wheel_add(&w, &timers[1], 100);
	wheel_remove(&timers[1]);
	wheel_remove(&timers[1]);
	assert_int_equal(pop_due(400), 0);
	assert_int_equal(pop_due(500), 1);
}

static void a_clock_that_jumps_fires_everything_between(void **state)
{
	(void)state;
	wheel_init(&w, 0);
	for (size_t i = 0; i < ARRAY_LEN(timers); i++)
		wheel_add(&w, &timers[i], (int64_t)i * 37);
	assert_int_equal(pop_due(10000000), ARRAY_LEN(timers));
}

static void a_timer_that_fires_may_remove_its_neighbours(void **state)
{
	(void)state;
	wheel_init(&w, 0);
	for (size_t i = 0; i < 10; i++)
		wheel_add(&w, &timers[i], 100);
	struct timer *first = wheel_pop(&w, 100);
	assert_non_null(first);
	for (size_t i = 0; i < 9; i++)
		wheel_remove(&timers[i]); /* the one that fired is in no wheel */
	assert_int_equal(pop_due(100), first == &timers[9] ? 0 : 1);
}

static void hurry(struct timer *t, void *ctx)
{
	(*(size_t *)ctx)++;
	wheel_add(&w, t, 100);
}

static void each_timer_is_visited_once_and_may_be_moved(void **state)
{
	(void)state;
	size_t n = 0;
	wheel_init(&w, 0);
	for (size_t i = 0; i < 1000; i++)
		wheel_add(&w, &timers[i], (int64_t)i * 1000);
	wheel_each(&w, hurry, &n);
	assert_int_equal(n, 1000);
	assert_int_equal(pop_due(100), 1000);
	assert_null(wheel_pop_any(&w));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_timer_fires_at_its_time_rounded_up_to_a_tick),
	cmocka_unit_test(a_deadline_in_the_past_fires_with_the_next_tick),
	cmocka_unit_test(deadlines_beyond_the_wheel_come_round_and_wait),
	cmocka_unit_test(a_timer_may_be_moved_and_removed),
	cmocka_unit_test(a_clock_that_jumps_fires_everything_between),
	cmocka_unit_test(a_timer_that_fires_may_remove_its_neighbours),
	cmocka_unit_test(each_timer_is_visited_once_and_may_be_moved),
};
TEST_MAIN(tests)
