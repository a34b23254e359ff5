/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include "base/clock.h"
#include "worker/worker_impl.h"

static void draining_takes_nothing_new_and_lets_run_what_runs(void **state)
{
	(void)state;
	size_t i = fake_add_fetch("http://h.example/slow", NULL, NULL);
	atomic_store(&fake_pictures.gate, true);
	struct worker *w = fake_worker(blob, 2);
	fake_await(fake_feed.tasks[i].state == TASK_RUNNING);
	worker_drain(w);
	size_t j = fake_add_fetch("http://h.example/new", NULL, NULL);
	worker_wake(w);
	atomic_store(&fake_sources.gate, true);
	assert_int_equal(ended(i)->state, TASK_DONE);
	worker_stop(w, 20000);
	assert_int_equal(worker_busy(w), 0);
	assert_int_equal(fake_feed.tasks[j].state, TASK_READY);
	assert_int_equal(fake_feed.tasks[j].t.lease, 0);
	/* the make that was lent with the fetch is done as well */
	assert_int_equal(fake_feed.tasks[j + 1].state, TASK_DONE);
	worker_free(w);
}

static void what_does_not_end_in_time_is_given_back_untouched(void **state)
{
	(void)state;
	struct original o = stored_original("a slow picture");
	size_t i = fake_add_fetch("http://h.example/slow", NULL, NULL), j = fake_add_make(&o);
	struct worker *w = fake_worker(blob, 2);
	fake_await(fake_feed.keeps_at_once == 2);
	worker_stop(w, 0);
	assert_int_equal(worker_busy(w), 0);
	assert_int_equal(fake_feed.tasks[i].untouched, 1);
	assert_int_equal(fake_feed.tasks[j].untouched, 1);
	assert_int_equal(fake_feed.tasks[i].state, TASK_LATER);
	assert_int_equal(fake_feed.tasks[j].t.tries, 0);
	assert_true(fake_feed.tasks[j].waited_ms <= 0); /* at once */
	worker_free(w);
}

static void a_worker_ends_also_when_the_store_is_away(void **state)
{
	(void)state;
	size_t i = fake_add_fetch("http://h.example/slow", NULL, NULL);
	struct worker *w = fake_worker(blob, 1);
	fake_await(fake_feed.keeps > 0);
	pthread_mutex_lock(&fake_feed.lock);
	fake_feed.down = true;
	pthread_mutex_unlock(&fake_feed.lock);
	worker_stop(w, 0);
	/* Nobody was told, so the task is as it was: the next start finds it. */
	assert_int_equal(fake_feed.tasks[i].state, TASK_RUNNING);
	assert_int_equal(fake_feed.tasks[i].laters, 0);
	worker_free(w);
}

static void a_result_in_hand_is_told_once_more_at_the_end(void **state)
{
	(void)state;
	fake_feed.lends = false;
	fake_feed.unavailable = 1000000;
	size_t i = fake_add_fetch("http://h.example/a", NULL, NULL);
	struct worker *w = fake_worker(blob, 1);
	fake_await(fake_feed.said > 0);
	worker_stop(w, 0);
	assert_int_equal(fake_feed.tasks[i].state, TASK_RUNNING);
	assert_int_equal(fake_feed.trashed_n, 0);
	worker_free(w);
}

static void stopping_twice_is_stopping(void **state)
{
	(void)state;
	struct worker *w = fake_worker(blob, 3);
	worker_stop(w, 0);
	worker_stop(w, 1000);
	worker_wake(w);
	worker_drain(w);
	worker_free(w);
}

static void stopping_at_any_moment_loses_no_task(void **state)
{
	(void)state;
	for (int round = 0; round < 30; round++) {
		fake_feed_reset();
		for (int i = 0; i < 6; i++)
			fake_add_fetch("http://h.example/a", NULL, NULL);
		struct worker *w = fake_worker(blob, 3);
		if (round % 3)
			fake_await(fake_feed.said >= round % 8);
		worker_stop(w, 0);
		for (size_t i = 0; i < fake_feed.n; i++)
			assert_int_not_equal(fake_feed.tasks[i].state, TASK_RUNNING);
		worker_free(w);
	}
}

static void back_off_grows_to_a_minute_and_varies_by_half(void **state)
{
	(void)state;
	for (int n = 0; n < 40; n++) {
		int64_t whole = n < 3 ? 1000LL << (2 * n) : 60000;
		int64_t ms = backoff_ms(1000, n);
		assert_in_range(ms, whole / 2, whole + whole / 2);
	}
	assert_in_range(backoff_ms(0, 0), 0, 2);
}

static const struct CMUnitTest tests[] = {
	worker_test(draining_takes_nothing_new_and_lets_run_what_runs),
	worker_test(what_does_not_end_in_time_is_given_back_untouched),
	worker_test(a_worker_ends_also_when_the_store_is_away),
	worker_test(a_result_in_hand_is_told_once_more_at_the_end),
	worker_test(stopping_twice_is_stopping),
	worker_test(stopping_at_any_moment_loses_no_task),
	cmocka_unit_test(back_off_grows_to_a_minute_and_varies_by_half),
};
TEST_MAIN(tests)
