/* SPDX-License-Identifier: MIT
 *
 * Work: planning in fair turns, lending, and what items get of what comes back.
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
	TEST(work_that_was_left_behind_is_shared_with_nobody),
	TEST(an_item_whose_variants_are_not_there_gets_another_make),
	TEST(makes_that_never_give_what_was_asked_for_end),
	TEST(a_source_that_cannot_be_decoded_is_kept_and_named),
	TEST(a_canceled_owner_leaves_the_work_to_the_other_job),
	TEST(a_failed_download_fails_all_that_waited_and_none_after),
	TEST(a_joiner_of_a_running_task_starts_at_once), TEST(settling_goes_on_in_passes))
