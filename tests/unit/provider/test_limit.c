/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "lib/test.h"
#include "provider/limit.h"

#include <stdlib.h>

static _Atomic int64_t now;

static int64_t fake_clock(void)
{
	return now;
}

static void send_now(struct limit *l, double megapixels)
{
	struct err e;
	assert_int_equal(limit_ms_to_wait(l, megapixels, now), 0);
	assert_ok(limit_enter(l, megapixels, NULL, &e));
	limit_leave(l, megapixels, true);
}

static void a_full_bucket_goes_at_once_and_then_nine_tenths_a_minute(void **state)
{
	(void)state;
	struct limit l;
	now = 1000;
	limit_init(&l, 600, fake_clock);
	for (int i = 0; i < 6; i++)
		send_now(&l, 10);
	/* 540 a minute: 10 megapixels in 1,111 ms */
	assert_in_range(limit_ms_to_wait(&l, 10, now), 1111, 1113);
	assert_in_range(limit_ms_to_wait(&l, 20, now), 2222, 2224);
	now += 1113;
	send_now(&l, 10);
	now += 3600000;
	send_now(&l, 60);
	assert_true(limit_ms_to_wait(&l, 1, now) > 0);
	limit_done(&l);
}

static void a_picture_larger_than_the_bucket_goes_alone(void **state)
{
	(void)state;
	struct limit l;
	now = 1000;
	limit_init(&l, 100, fake_clock);
	send_now(&l, 1);
	assert_in_range(limit_ms_to_wait(&l, 50, now), 1, 1000);
	now += 1000;
	send_now(&l, 50);
	/* a debt of 40 and one token: 41 of 90 a minute */
	assert_in_range(limit_ms_to_wait(&l, 1, now), 27300, 27400);
	limit_done(&l);
}

static void no_minute_sees_more_than_the_limit(void **state)
{
	(void)state;
	struct limit l;
	static struct {
		int64_t at;
		double megapixels;
	} sent[5000];
	size_t n = 0;
	double all = 0;
	now = 5000;
	srandom(7);
	limit_init(&l, 500, fake_clock);
	for (; now < 605000 && n < ARRAY_LEN(sent); n++) {
		double megapixels = 1 + (double)(random() % 4900) / 100;
		if (random() % 40 == 0)
			now += random() % 9000; /* nobody came for a while */
		now += limit_ms_to_wait(&l, megapixels, now);
		send_now(&l, megapixels);
		sent[n].at = now;
		sent[n].megapixels = megapixels;
		all += megapixels;
	}
	for (size_t from = 0; from < n; from++) {
		double sum = 0;
		for (size_t i = from; i < n && sent[i].at < sent[from].at + 60000; i++)
			sum += sent[i].megapixels;
		assert_true(sum <= 500);
	}
	assert_true(all > 10 * 500 * 0.85);
	limit_done(&l);
}

static void what_did_not_go_took_nothing(void **state)
{
	(void)state;
	struct err e;
	struct limit l;
	now = 1000;
	limit_init(&l, 100, fake_clock);
	for (int i = 0; i < 100; i++) {
		assert_ok(limit_enter(&l, 10, NULL, &e));
		limit_leave(&l, 10, false);
	}
	send_now(&l, 10);
	limit_done(&l);
}

static void without_a_limit_nobody_waits(void **state)
{
	(void)state;
	struct limit l;
	now = 1000;
	limit_init(&l, 0, fake_clock);
	for (int i = 0; i < 1000; i++)
		send_now(&l, 50);
	limit_done(&l);
}

static void the_providers_wish_holds_for_all_that_come_later(void **state)
{
	(void)state;
	struct err e;
	struct limit l;
	now = 1000;
	limit_init(&l, 500, fake_clock);
	limit_hold(&l, 30000);
	limit_hold(&l, 10000); /* the longer one holds */
	assert_int_equal(limit_ms_to_wait(&l, 1, now), 30000);
	now += 30000;
	send_now(&l, 1);
	limit_hold(&l, LIMIT_WAIT_MAX_MS + 5000);
	assert_err(limit_enter(&l, 1, NULL, &e), ERR_MATTE_PROVIDER);
	assert_int_equal(e.retry_after_ms, LIMIT_WAIT_MAX_MS + 5000);
	limit_done(&l);
}

struct waiter {
	struct limit *limit;
	atomic_bool cancel;
	enum err_code code;
	pthread_t thread;
};

static void *wait_at_gate(void *arg)
{
	struct waiter *w = arg;
	struct err e;
	w->code = limit_enter(w->limit, 1, &w->cancel, &e);
	return NULL;
}

static void one_stands_at_the_gate_and_the_next_follows(void **state)
{
	(void)state;
	struct err e;
	struct limit l;
	struct waiter w = { .limit = &l, .code = ERR_COUNT };
	limit_init(&l, 0, clock_mono_ms);
	assert_ok(limit_enter(&l, 1, NULL, &e));
	pthread_create(&w.thread, NULL, wait_at_gate, &w);
	limit_leave(&l, 1, true);
	pthread_join(w.thread, NULL);
	assert_int_equal(w.code, OK);
	limit_leave(&l, 1, true);
	limit_done(&l);
}

static void a_cancel_ends_the_waiting(void **state)
{
	(void)state;
	struct err e;
	struct limit l;
	struct waiter w = { .limit = &l, .code = ERR_COUNT };
	limit_init(&l, 500, clock_mono_ms);
	limit_hold(&l, LIMIT_WAIT_MAX_MS);
	pthread_create(&w.thread, NULL, wait_at_gate, &w);
	atomic_store(&w.cancel, true);
	pthread_join(w.thread, NULL);
	assert_int_equal(w.code, ERR_CANCELED);

	l.not_before_ms = 0;
	assert_ok(limit_enter(&l, 1, NULL, &e)); /* behind one at the gate, too */
	atomic_store(&w.cancel, false);
	pthread_create(&w.thread, NULL, wait_at_gate, &w);
	atomic_store(&w.cancel, true);
	pthread_join(w.thread, NULL);
	assert_int_equal(w.code, ERR_CANCELED);
	limit_leave(&l, 1, false);
	limit_done(&l);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_full_bucket_goes_at_once_and_then_nine_tenths_a_minute),
	cmocka_unit_test(a_picture_larger_than_the_bucket_goes_alone),
	cmocka_unit_test(no_minute_sees_more_than_the_limit),
	cmocka_unit_test(what_did_not_go_took_nothing),
	cmocka_unit_test(without_a_limit_nobody_waits),
	cmocka_unit_test(the_providers_wish_holds_for_all_that_come_later),
	cmocka_unit_test(one_stands_at_the_gate_and_the_next_follows),
	cmocka_unit_test(a_cancel_ends_the_waiting),
};
TEST_MAIN(tests)
