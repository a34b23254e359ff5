/* SPDX-License-Identifier: MIT
 *
 * Work: planning in fair turns, lending, heartbeats, coming back late, lost and crashed.
 */
#include "tests/contract/store_fixture.h"

#define MANY 1200

static void an_interactive_job_is_next_in_line_behind_a_bulk_one(void **state)
{
	struct fixture *f = *state;
	struct task t;

	submit_n(f, "bulk.test", MANY, ",'priority':'bulk'");
	for (int i = 0; i < 100; i++) {
		plan(f);
		t = claim_one(f);
		t = finish_fetch(f, &t);
		finish_make(f, &t);
	}
	struct made_job quick = submit(f, "{'urls':['https://q.test/1'],'priority':'interactive'}");
	for (int i = 0; job(f, &quick)->state == JOB_QUEUED; i++) {
		assert_in_range(i, 0, 5 * 4);
		plan(f);
		t = claim_one(f);
	}
}

static void jobs_of_one_priority_take_turns(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit_n(f, "a.test", 100, ""), b = submit_n(f, "b.test", 100, "");
	struct task *t;

	for (int i = 0; i < 20; i++) {
		plan(f);
		size_t n = claim(f, 2, &t);
		for (size_t k = 0; k < n; k++) {
			struct task make = finish_fetch(f, &t[k]);
			finish_make(f, &make);
		}
	}
	assert_in_range(job(f, &a)->counts.succeeded, 15, 25);
	assert_in_range(job(f, &b)->counts.succeeded, 15, 25);
}

static void a_job_never_has_more_waiting_than_its_limit(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit_n(f, "a.test", 300, "");
	struct task *t;

	plan(f);
	assert_int_equal(claim(f, 1000, &t), 32);
	assert_int_equal(job(f, &a)->counts.running, 32);
	plan(f);
	assert_int_equal(claim(f, 1000, &t), 32);
}

static void a_cached_job_of_any_size_needs_no_worker(void **state)
{
	struct fixture *f = *state;
	submit_n(f, "a.test", MANY, "");

	work(f);
	struct made_job b = submit_n(f, "a.test", MANY, "");
	plan(f);
	assert_int_equal(job(f, &b)->state, JOB_SUCCEEDED);
	assert_int_equal(job(f, &b)->counts.cached, MANY);
	assert_int_equal(f->downloads, MANY);
}

/* One job of 4 URLs of each host, in this order. */
static void submit_hosts(struct fixture *f, const char *hosts)
{
	CLEANUP(buf_done) struct buf b = BUF_INIT(1 << 16);

	for (const char *h = hosts; *h; h++)
		for (int i = 0; i < 4; i++)
			buf_printf(&b, "%s'https://%c.test/%d'", b.len ? "," : "", *h, i);
	submit(f, "{'urls':[%s]}", buf_str(&b));
	plan(f);
}

/* The first letters of the hosts of a claim. */
static const char *claim_hosts(struct fixture *f, const struct claim *c)
{
	CLEANUP(buf_done) struct buf b = BUF_INIT(1 << 10);
	struct task *t;
	struct err e;
	size_t n;

	assert_ok(store_claim(f->s, c, f->a, &t, &n, &e));
	for (size_t i = 0; i < n; i++)
		buf_putc(&b, t[i].host[0]);
	return arena_strdup(f->a, buf_str(&b));
}

static void full_hosts_are_passed_over(void **state)
{
	struct fixture *f = *state;
	const char *full[] = { "s.test", "p.test:8443" };
	struct claim c = {
		.owner = "x",
		.lease_ms = 1000,
		.max = 10,
		.full_hosts = full,
		.full_hosts_n = ARRAY_LEN(full),
	};

	submit_n(f, "s.test", 20, "");
	submit_n(f, "p.test:8443", 1, "");
	submit_hosts(f, "fp"); /* with the port of its scheme it is another host */
	assert_string_equal(claim_hosts(f, &c), "ffffpppp");
	c.full_hosts = NULL;
	c.full_hosts_n = 0;
	c.per_host = 2;
	assert_string_equal(claim_hosts(f, &c), "sps");
}

static void where_the_owner_is_at_work_counts_as_taken(void **state)
{
	struct fixture *f = *state;
	const char *at[] = { "a.test", "b.test", "a.test" };
	struct claim c = {
		.owner = "x",
		.lease_ms = 1000,
		.max = 10,
		.at_hosts = at,
		.at_hosts_n = ARRAY_LEN(at),
		.per_host = 3,
	};

	submit_hosts(f, "ab");
	assert_string_equal(claim_hosts(f, &c), "abb");
}

static void hosts_that_nobody_knows_do_not_get_the_last_lanes(void **state)
{
	struct fixture *f = *state;
	const char *at[] = { "a.test" }, *good[] = { "h.test" };
	struct claim c = {
		.owner = "x",
		.lease_ms = 1000,
		.max = 12,
		.at_hosts = at,
		.at_hosts_n = 1,
		.per_host = 3,
		.spare = 8,
	};

	submit_hosts(f, "abcdefgh");
	assert_string_equal(claim_hosts(f, &c), "aabbcdefgh");
	c.max = 2;
	assert_string_equal(claim_hosts(f, &c), "");
	c.good_hosts = good;
	c.good_hosts_n = 1;
	assert_string_equal(claim_hosts(f, &c), "hh");
}

static void a_task_nobody_wants_is_not_lent(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1']}");

	plan(f);
	cancel(f, &a);
	claim_none(f);
}

static void what_nobody_wants_takes_no_place_in_a_claim(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit_n(f, "a.test", 20, "");

	plan(f);
	struct made_job b = submit_n(f, "b.test", 2, "");
	plan(f);
	cancel(f, &a);
	claim_one(f);
	claim_one(f);
	assert_int_equal(job(f, &b)->counts.running, 2);
	claim_none(f);
}

static void work_that_was_left_behind_is_shared_with_nobody(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit_n(f, "a.test", 1, "");

	plan(f);
	cancel(f, &a);
	struct made_job b = submit_n(f, "a.test", 1, "");
	work(f);
	assert_int_equal(f->downloads, 1);
	assert_int_equal(item(f, &b, 1)->cache, CACHE_MISS);
	assert_int_equal(job(f, &b)->counts.cached, 0);
	assert_int_equal(job(f, &b)->savings.downloads, 0);
	assert_int_equal(job(f, &b)->savings.encodes, 0);
}

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

static void an_item_whose_variants_are_not_there_gets_another_make(void **state)
{
	struct fixture *f = *state;
	struct made_job a;
	struct err e;

	struct task t = begin(f, &a);
	t = finish_fetch(f, &t);
	struct made m = made_of(f, &t);
	m.n = 3; /* two are missing */
	assert_ok(store_finish_make(f->s, t.id, t.lease, &m, &e));
	assert_int_equal(job(f, &a)->state, JOB_RUNNING);
	f->encodes = 0;
	t = claim_one(f);
	finish_make(f, &t);
	assert_int_equal(f->encodes, 2);
	assert_int_equal(job(f, &a)->state, JOB_SUCCEEDED);
	assert_int_equal(item(f, &a, 1)->variants_n, 5);
}

static void makes_that_never_give_what_was_asked_for_end(void **state)
{
	struct fixture *f = *state;
	struct made_job a;
	struct err e;

	struct task t = begin(f, &a);
	t = finish_fetch(f, &t);
	for (int i = 0; job(f, &a)->state == JOB_RUNNING; i++) {
		struct made m = made_of(f, &t);
		assert_in_range(i, 0, 20);
		m.n = 0;
		assert_ok(store_finish_make(f->s, t.id, t.lease, &m, &e));
		if (job(f, &a)->state == JOB_RUNNING)
			t = claim_one(f);
	}
	assert_int_equal(item(f, &a, 1)->outcome->code, ERR_INTERNAL);
}

static void a_source_that_cannot_be_decoded_is_kept_and_named(void **state)
{
	struct fixture *f = *state;
	struct made_job a;
	struct outcome o = { .code = ERR_FETCH_NOT_IMAGE, .stage = "download" };
	struct err e;

	struct task t = begin(f, &a);
	struct fetched r = fetched_of(f, &t);
	assert_ok(store_fail(f->s, t.id, t.lease, &o, &r.original, &e));
	struct item_row *it = item(f, &a, 1);
	assert_int_equal(it->state, ITEM_FAILED);
	assert_non_null(it->source);
	assert_string_equal(it->source->key, r.original.key);
	assert_int_equal(it->cache, CACHE_MISS);
}

static void a_canceled_owner_leaves_the_work_to_the_other_job(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1']}"),
			b = submit(f, "{'urls':['https://a.test/1']}");

	plan(f);
	struct task t = claim_one(f);
	cancel(f, &a);
	struct task make = finish_fetch(f, &t);
	finish_make(f, &make);
	assert_int_equal(job(f, &a)->state, JOB_CANCELED);
	assert_int_equal(job(f, &b)->state, JOB_SUCCEEDED);
	assert_int_equal(item(f, &b, 1)->cache, CACHE_COALESCED);
	assert_int_equal(f->downloads, 1);
}

static void a_failed_download_fails_all_that_waited_and_none_after(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1']}"),
			b = submit(f, "{'urls':['https://a.test/1']}");
	struct err e = { 0 };

	plan(f);
	struct task t = claim_one(f);
	assert_ok(fail_with(f, &t, ERR_FETCH_DNS));
	assert_int_equal(job(f, &a)->state, JOB_FAILED);
	assert_int_equal(job(f, &b)->state, JOB_FAILED);
	struct made_job c = submit(f, "{'urls':['https://a.test/1']}");
	work(f);
	assert_int_equal(job(f, &c)->state, JOB_SUCCEEDED);
}

static void a_joiner_of_a_running_task_starts_at_once(void **state)
{
	struct fixture *f = *state;
	submit(f, "{'urls':['https://a.test/1']}");

	plan(f);
	(void)claim_one(f);
	struct made_job b = submit(f, "{'urls':['https://a.test/1']}");
	plan(f);
	assert_string_equal(log_of(f, &b), "job.created job.started item.started/1");
	assert_int_equal(job(f, &b)->counts.running, 1);
}

/* One task, more waiting items than one transaction settles. */
static void settling_goes_on_in_passes(void **state)
{
	struct fixture *f = *state;
	enum { N = 700 };
	struct made_job m[N];
	struct task *t;

	for (int i = 0; i < N; i++)
		m[i] = submit(f,
			"{'urls':['https://a.test/1'],'variants':[{'name':'a','width':9}]}");
	plan(f);
	assert_int_equal(claim(f, 10, &t), 1);
	struct task make = finish_fetch(f, &t[0]);
	finish_make(f, &make);
	tick(f);
	work(f);
	for (int i = 0; i < N; i++) {
		assert_int_equal(job(f, &m[i])->state, JOB_SUCCEEDED);
		assert_string_equal(log_of(f, &m[i]),
			"job.created job.started item.started/1 item.succeeded/1 job.succeeded");
	}
	assert_int_equal(f->downloads, 1);
	assert_int_equal(f->encodes, 1);
}

STORE_TEST_MAIN(TEST(an_interactive_job_is_next_in_line_behind_a_bulk_one),
	TEST(jobs_of_one_priority_take_turns), TEST(a_job_never_has_more_waiting_than_its_limit),
	TEST(a_cached_job_of_any_size_needs_no_worker), TEST(full_hosts_are_passed_over),
	TEST(where_the_owner_is_at_work_counts_as_taken),
	TEST(hosts_that_nobody_knows_do_not_get_the_last_lanes),
	TEST(a_task_nobody_wants_is_not_lent), TEST(what_nobody_wants_takes_no_place_in_a_claim),
	TEST(work_that_was_left_behind_is_shared_with_nobody), TEST(a_heartbeat_extends_the_lease),
	TEST(a_heartbeat_learns_that_nobody_waits), TEST(progress_is_rare_and_says_something_new),
	TEST(what_was_put_back_comes_again_when_its_time_has_come),
	TEST(a_clock_that_was_set_back_keeps_nothing_waiting), TEST(the_third_crash_is_the_last),
	TEST(nineteen_lost_owners_do_not_fail_an_item_and_twenty_do),
	TEST(an_item_whose_variants_are_not_there_gets_another_make),
	TEST(makes_that_never_give_what_was_asked_for_end),
	TEST(a_source_that_cannot_be_decoded_is_kept_and_named),
	TEST(a_canceled_owner_leaves_the_work_to_the_other_job),
	TEST(a_failed_download_fails_all_that_waited_and_none_after),
	TEST(a_joiner_of_a_running_task_starts_at_once), TEST(settling_goes_on_in_passes))
