/* SPDX-License-Identifier: MIT
 *
 * Tasks while they are lent: heartbeats, progress, what is put back, and owners that vanish.
 */
#include "tests/contract/store_fixture.h"

static struct task_keep keep(struct fixture *f, const struct task *t, enum task_step step,
	int64_t bytes)
{
	struct task_keep k = {
		.id = t->id,
		.lease = t->lease,
		.step = step,
		.bytes = bytes,
		.bytes_total = 1000,
	};
	struct err e;

	assert_ok(store_keep(f->s, &k, 1, 60000, &e));
	return k;
}

static void a_heartbeat_extends_the_lease(void **state)
{
	struct fixture *f = *state;
	struct made_job a;

	struct task t = begin(f, &a);
	for (int i = 0; i < 3; i++) {
		clock_add(50000);
		struct task_keep k = keep(f, &t, STEP_DOWNLOADING, -1);
		assert_false(k.stale);
		assert_false(k.unwanted);
		tick(f);
	}
	claim_none(f);
	clock_add(60001);
	tick(f);
	struct task_keep k = keep(f, &t, STEP_DOWNLOADING, -1);
	assert_true(k.stale);
	assert_int_equal(claim_one(f).id, t.id);
	assert_int_equal(job(f, &a)->counts.running, 1);
}

static void a_heartbeat_learns_that_nobody_waits(void **state)
{
	struct fixture *f = *state;
	struct made_job a;

	struct task t = begin(f, &a);
	cancel(f, &a);
	struct task_keep k = keep(f, &t, STEP_DOWNLOADING, -1);
	assert_true(k.unwanted);
	struct made_job b = submit(f, "{'urls':['https://a.test/1']}");
	work(f);
	assert_int_equal(job(f, &b)->state, JOB_SUCCEEDED);
}

static void progress_is_rare_and_says_something_new(void **state)
{
	struct fixture *f = *state;
	struct made_job a;
	size_t n;

	struct task t = begin(f, &a);
	clock_add(1000);
	keep(f, &t, STEP_DOWNLOADING, 100);
	keep(f, &t, STEP_DOWNLOADING, 200); /* too early */
	clock_add(499);
	keep(f, &t, STEP_DOWNLOADING, 300); /* too early */
	clock_add(1);
	keep(f, &t, STEP_DOWNLOADING, 400);
	clock_add(1000);
	keep(f, &t, STEP_DOWNLOADING, 400); /* nothing new */
	clock_add(1000);
	keep(f, &t, STEP_STORING, 400);
	assert_string_equal(log_after(f, &a, 3), "job.progress job.progress job.progress");
	struct event_row *ev = events(f, &a, &n);
	assert_int_equal(ev[3].active_n, 1);
	assert_int_equal(ev[3].active[0].n, 1);
	assert_int_equal(ev[3].active[0].bytes, 100);
	assert_int_equal(ev[3].active[0].bytes_total, 1000);
	assert_int_equal(ev[4].active[0].bytes, 400);
	assert_int_equal(ev[5].active[0].step, STEP_STORING);
	assert_int_equal(ev[5].counts.running, 1);
}

static void what_was_put_back_comes_again_when_its_time_has_come(void **state)
{
	struct fixture *f = *state;
	struct made_job a;
	struct outcome why = { .code = ERR_FETCH_TIMEOUT, .stage = "download" };
	struct err e;

	struct task t = begin(f, &a);
	assert_int_equal(t.tries, 0);
	assert_ok(store_later(f->s, t.id, t.lease, clock_now() + 5000, &why, false, &e));
	assert_err(store_later(f->s, t.id, t.lease, 0, &why, false, &e), ERR_STORE_STALE);
	tick(f);
	claim_none(f);
	clock_add(5000);
	tick(f);
	t = claim_one(f);
	assert_int_equal(t.tries, 1);
	assert_ok(store_later(f->s, t.id, t.lease, clock_now(), NULL, false, &e));
	tick(f);
	t = claim_one(f);
	assert_int_equal(t.tries, 1); /* given back untouched */
	struct task make = finish_fetch(f, &t);
	finish_make(f, &make);
	assert_int_equal(item(f, &a, 1)->tries, 2);
	assert_string_equal(log_of(f, &a),
		"job.created job.started item.started/1 item.succeeded/1 job.succeeded");
}

static void a_clock_that_was_set_back_keeps_nothing_waiting(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit_n(f, "a.test", 2, "");
	struct outcome o = { .code = ERR_FETCH_STATUS, .stage = "download" };
	struct err e;

	plan(f);
	struct task t = claim_one(f), other = claim_one(f);
	keep(f, &other, STEP_DOWNLOADING, 1);
	assert_ok(store_later(f->s, t.id, t.lease, clock_now() + 1000, &o, false, &e));
	clock_add(-365LL * 24 * 3600 * 1000);
	tick(f);
	assert_int_equal(claim_one(f).id, t.id);
	size_t before, after;
	events(f, &a, &before);
	keep(f, &other, STEP_DOWNLOADING, 2);
	events(f, &a, &after);
	assert_int_equal(after, before + 1);
	finish_fetch(f, &other);
	assert_in_range(item(f, &a, 2)->queued_ms, 0, 1000);
	clock_add(365LL * 24 * 3600 * 1000);
}

static void the_third_crash_is_the_last(void **state)
{
	struct fixture *f = *state;
	struct made_job a;
	struct outcome why = { .code = ERR_DECODE_CRASHED, .stage = "process" };
	struct err e;

	struct task t = begin(f, &a);
	t = finish_fetch(f, &t);
	for (int i = 0; i < 2; i++) {
		assert_ok(store_later(f->s, t.id, t.lease, clock_now(), &why, true, &e));
		tick(f);
		t = claim_one(f);
		assert_int_equal(t.crashes, i + 1);
	}
	assert_ok(store_later(f->s, t.id, t.lease, clock_now(), &why, true, &e));
	claim_none(f);
	assert_int_equal(item(f, &a, 1)->outcome->code, ERR_DECODE_CRASHED);
	assert_non_null(item(f, &a, 1)->source);
	assert_int_equal(job(f, &a)->state, JOB_FAILED);
}

static void nineteen_lost_owners_do_not_fail_an_item_and_twenty_do(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1']}");
	int64_t tasks;
	struct err e;

	plan(f);
	for (int i = 0; i < 19; i++) {
		assert_int_equal(claim_one(f).lost, i);
		if (i % 2) {
			clock_add(60001);
			tick(f);
		} else {
			assert_ok(store_recover(f->s, &tasks, &e));
			assert_int_equal(tasks, 1);
		}
	}
	assert_int_equal(job(f, &a)->state, JOB_RUNNING);
	assert_int_equal(claim_one(f).tries, 0);
	clock_add(60001);
	tick(f);
	assert_int_equal(item(f, &a, 1)->outcome->code, ERR_WORK_LOST);
	assert_int_equal(job(f, &a)->state, JOB_FAILED);
}

STORE_TEST_MAIN(TEST(a_heartbeat_extends_the_lease), TEST(a_heartbeat_learns_that_nobody_waits),
	TEST(progress_is_rare_and_says_something_new),
	TEST(what_was_put_back_comes_again_when_its_time_has_come),
	TEST(a_clock_that_was_set_back_keeps_nothing_waiting), TEST(the_third_crash_is_the_last),
	TEST(nineteen_lost_owners_do_not_fail_an_item_and_twenty_do))
