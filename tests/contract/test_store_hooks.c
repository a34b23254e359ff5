/* SPDX-License-Identifier: MIT
 *
 * What hooks make of logs, to whom deliveries are lent, and what becomes of them.
 */
#include "tests/contract/store_fixture.h"

#include "store/hooks.h"

#define LEASE_MS 60000

static void follow(struct fixture *f)
{
	struct err e;
	bool more = true;

	while (more)
		assert_ok(store_hooks_follow(f->s, &more, &e));
}

static bool is_behind(struct fixture *f, int64_t *ret_next)
{
	struct err e;
	bool behind;

	assert_ok(store_hooks_look(f->s, &behind, ret_next, &e));
	return behind;
}

static struct delivery *lend(struct fixture *f, size_t max, size_t per_host, size_t *ret_n)
{
	struct delivery_claim c = { .max = max,
		.per_host = per_host,
		.after = "",
		.lease_ms = LEASE_MS };
	struct delivery *v;
	struct err e;

	assert_ok(store_deliveries_claim(f->s, &c, f->a, &v, ret_n, &e));
	return v;
}

static struct delivery lend_one(struct fixture *f)
{
	size_t n;
	struct delivery *v = lend(f, 1, 1, &n);

	assert_int_equal(n, 1);
	return v[0];
}

static void none_to_lend(struct fixture *f)
{
	size_t n;

	lend(f, 10, 10, &n);
	assert_int_equal(n, 0);
}

static void end_as(struct fixture *f, const struct delivery *d, enum delivery_state state,
	int64_t wait_ms)
{
	struct delivery_end end = { .no = d->no,
		.job_no = d->job_no,
		.lease = d->lease,
		.state = state,
		.wait_ms = wait_ms,
		.status = state == DELIVERY_SUCCEEDED ? 204 : 500,
		.detail = state == DELIVERY_SUCCEEDED ? NULL : "answered 500" };
	struct err e;

	assert_ok(store_delivery_end(f->s, &end, &e));
}

static struct delivery *list(struct fixture *f, const char *job, int state, size_t *ret_n)
{
	struct delivery_query q = { .tenant = f->tenant, .state = state, .job = job, .max = 100 };
	struct delivery *v;
	struct err e;

	assert_ok(store_deliveries(f->s, &q, f->a, &v, ret_n, &e));
	return v;
}

static struct delivery only(struct fixture *f, const struct made_job *m)
{
	size_t n;
	struct delivery *v = list(f, m->id, -1, &n);

	assert_int_equal(n, 1);
	return v[0];
}

static struct made_job hooked(struct fixture *f, const char *events)
{
	return submit(f,
		"{'urls':['https://a.test/1','https://a.test/fail'],'variants':[{'name':'a','width':10}],"
		"'webhook':{'url':'https://hook.test/x'%s}}",
		events);
}

/* ---- making them ---- */

static void a_jobs_end_is_delivered_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	int64_t next;
	struct made_job m = hooked(f, "");

	submit_n(f, "b.test", 2, "");
	assert_true(is_behind(f, &next));
	follow(f);
	none_to_lend(f);
	assert_false(is_behind(f, &next));
	assert_true(next == INT64_MAX);
	work(f);
	follow(f);
	assert_false(is_behind(f, &next));
	assert_int_equal(next, clock_now());
	struct delivery d = lend_one(f);
	assert_string_equal(d.job, m.id);
	assert_int_equal(d.type, EVENT_JOB_PARTIAL);
	assert_int_equal(d.seq, job(f, &m)->seq);
	assert_string_equal(d.url, "https://hook.test/x");
	assert_string_equal(d.host, "hook.test:443");
	assert_int_equal(d.of->no, m.no);
	none_to_lend(f);
}

static void only_what_was_asked_for_and_each_event_once(void **state)
{
	struct fixture *f = *state;
	size_t n;
	struct made_job m = hooked(f,
		",'events':['job.created','item.succeeded','item.failed','job.retried']");

	follow(f);
	work(f);
	follow(f);
	follow(f);
	struct delivery *v = list(f, m.id, -1, &n);
	assert_int_equal(n, 3);
	assert_int_equal(v[2].type, EVENT_JOB_CREATED); /* the newest first */
	assert_true(v[0].seq > v[1].seq && v[1].seq > v[2].seq);
}

static void a_retry_opens_the_hook_again(void **state)
{
	struct fixture *f = *state;
	size_t n;
	int64_t next;
	struct made_job m = hooked(f, "");

	work(f);
	follow(f);
	assert_false(is_behind(f, &next));
	retry(f, &m);
	assert_true(is_behind(f, &next));
	work(f);
	follow(f);
	assert_false(is_behind(f, &next));
	list(f, m.id, -1, &n);
	assert_int_equal(n, 2);
}

static void a_log_that_is_longer_than_a_page_is_read_to_its_end(void **state)
{
	struct fixture *f = *state;
	size_t n;
	struct made_job m = submit_n(f, "many.test", 600,
		",'webhook':{'url':'https://hook.test/','events':['item.succeeded','job.succeeded']}");

	work(f);
	follow(f);
	struct delivery_query q = { .tenant = 1, .state = -1, .job = m.id, .max = 1000 };
	struct delivery *v;
	struct err e;
	assert_ok(store_deliveries(f->s, &q, f->a, &v, &n, &e));
	assert_int_equal(n, 601);
	assert_int_equal(v[0].type, EVENT_JOB_SUCCEEDED);
}

/* ---- lending them ---- */

static void one_whose_sender_vanished_is_lent_again_and_the_newest_lease_writes(void **state)
{
	struct fixture *f = *state;
	struct made_job m = hooked(f, "");

	work(f);
	follow(f);
	struct delivery first = lend_one(f);
	clock_add(LEASE_MS - 1);
	none_to_lend(f);
	clock_add(1);
	struct delivery second = lend_one(f);
	assert_int_equal(second.no, first.no);
	end_as(f, &first, DELIVERY_FAILED, 0);
	assert_int_equal(only(f, &m).state, DELIVERY_PENDING);
	end_as(f, &second, DELIVERY_SUCCEEDED, 0);
	struct delivery d = only(f, &m);
	assert_int_equal(d.state, DELIVERY_SUCCEEDED);
	assert_int_equal(d.tries, 1);
	assert_int_equal(d.status, 204);
	assert_null(d.detail);
	clock_add(10 * LEASE_MS);
	none_to_lend(f);
}

static void a_try_that_failed_waits_its_time(void **state)
{
	struct fixture *f = *state;
	int64_t next;
	struct made_job m = hooked(f, "");

	work(f);
	follow(f);
	struct delivery d = lend_one(f);
	end_as(f, &d, DELIVERY_PENDING, 5000);
	assert_false(is_behind(f, &next));
	assert_int_equal(next, clock_now() + 5000);
	clock_add(4999);
	none_to_lend(f);
	clock_add(1);
	d = lend_one(f);
	assert_int_equal(d.step, 1);
	assert_int_equal(d.tries, 1);
	assert_true(only(f, &m).lent);
	end_as(f, &d, DELIVERY_FAILED, 0);
	d = only(f, &m);
	assert_int_equal(d.state, DELIVERY_FAILED);
	assert_string_equal(d.detail, "answered 500");
	assert_int_equal(d.last_ms, clock_now());
}

static void what_is_given_back_counts_as_no_try(void **state)
{
	struct fixture *f = *state;
	struct err e;
	struct made_job m = hooked(f, "");

	work(f);
	follow(f);
	struct delivery d = lend_one(f);
	struct delivery_end back = { .no = d.no,
		.job_no = d.job_no,
		.lease = d.lease,
		.untried = true };
	assert_ok(store_delivery_end(f->s, &back, &e));
	assert_int_equal(only(f, &m).tries, 0);
	lend_one(f);
}

static void hosts_take_turns_and_none_has_more_than_its_share(void **state)
{
	struct fixture *f = *state;
	struct err e;
	struct delivery *v;
	size_t n;

	for (int i = 0; i < 5; i++)
		submit(f, "{'urls':['https://a.test/1'],'webhook':{'url':'https://busy.test/%d'}}",
			i);
	submit(f, "{'urls':['https://a.test/1'],'webhook':{'url':'https://calm.test/'}}");
	work(f);
	follow(f);
	v = lend(f, 10, 2, &n);
	assert_int_equal(n, 3);
	assert_string_equal(v[0].host, "busy.test:443");
	assert_string_equal(v[2].host, "calm.test:443");
	struct delivery_host busy = { .host = "busy.test:443", .n = 2 };
	struct delivery_claim c = { .max = 10,
		.per_host = 2,
		.busy = &busy,
		.busy_n = 1,
		.after = "",
		.lease_ms = LEASE_MS };
	assert_ok(store_deliveries_claim(f->s, &c, f->a, &v, &n, &e));
	assert_int_equal(n, 0);
	busy.n = 1;
	c.after = "calm.test:443"; /* from the beginning again */
	assert_ok(store_deliveries_claim(f->s, &c, f->a, &v, &n, &e));
	assert_int_equal(n, 1);
}

/* ---- ends ---- */

static void gone_means_no_more_of_this_job_until_somebody_asks(void **state)
{
	struct fixture *f = *state;
	struct err e;
	struct delivery *again;
	size_t n;
	struct made_job m = hooked(f, ",'events':['job.created','job.partial']");
	struct made_job other = hooked(f, "");

	follow(f);
	struct delivery d = lend_one(f);
	end_as(f, &d, DELIVERY_DISABLED, 0);
	work(f);
	follow(f);
	list(f, m.id, DELIVERY_DISABLED, &n);
	assert_int_equal(n, 1);
	assert_int_equal(only(f, &other).state, DELIVERY_PENDING);
	assert_ok(store_redeliver(f->s, f->tenant, m.id, d.seq, f->a, &again, &e));
	assert_int_equal(again->state, DELIVERY_PENDING);
	assert_int_equal(again->tries, 1);
	assert_int_equal(again->step, 0);
	follow(f); /* it goes on from where it stopped */
	list(f, m.id, DELIVERY_PENDING, &n);
	assert_int_equal(n, 2);
}

static void gone_stops_what_was_pending_too(void **state)
{
	struct fixture *f = *state;
	size_t n;
	struct made_job m = hooked(f, ",'events':['job.created','item.failed','job.partial']");

	work(f);
	follow(f);
	struct delivery *v = lend(f, 2, 2, &n);
	assert_int_equal(n, 2);
	end_as(f, &v[0], DELIVERY_DISABLED, 0);
	end_as(f, &v[1], DELIVERY_PENDING, 0); /* was under way */
	list(f, m.id, DELIVERY_DISABLED, &n);
	assert_int_equal(n, 3);
	none_to_lend(f);
}

static void one_that_was_taken_or_given_up_is_sent_again_when_asked_for(void **state)
{
	struct fixture *f = *state;
	struct err e;
	struct delivery *again;
	struct made_job m = hooked(f, "");

	work(f);
	follow(f);
	struct delivery d = lend_one(f);
	end_as(f, &d, DELIVERY_SUCCEEDED, 0);
	assert_ok(store_redeliver(f->s, f->tenant, m.id, d.seq, f->a, &again, &e));
	struct delivery second = lend_one(f);
	assert_int_equal(second.no, d.no);
	assert_err(store_redeliver(f->s, f->tenant + 1, m.id, d.seq, f->a, &again, &e),
		ERR_NOT_FOUND);
	assert_err(store_redeliver(f->s, f->tenant, m.id, d.seq - 1, f->a, &again, &e),
		ERR_NOT_FOUND);
	assert_err(store_redeliver(f->s, f->tenant, "never", 1, f->a, &again, &e), ERR_NOT_FOUND);
}

static void they_go_with_their_job(void **state)
{
	struct fixture *f = *state;
	size_t n;
	int64_t next;
	struct made_job m = hooked(f, ",'events':['job.created','job.partial']");

	work(f);
	follow(f);
	del(f, &m, false);
	tick(f);
	list(f, NULL, -1, &n);
	assert_int_equal(n, 0);
	none_to_lend(f);
	assert_false(is_behind(f, &next));
	assert_true(next == INT64_MAX);
}

static void another_tenant_sees_none_of_them(void **state)
{
	struct fixture *f = *state;
	size_t n;
	struct made_job m = hooked(f, "");

	work(f);
	follow(f);
	f->tenant = 2;
	list(f, NULL, -1, &n);
	assert_int_equal(n, 0);
	list(f, m.id, -1, &n);
	assert_int_equal(n, 0);
}

static void pages_go_from_the_newest_to_the_oldest(void **state)
{
	struct fixture *f = *state;
	struct err e;
	struct delivery *v;
	size_t n, seen = 0;

	for (int i = 0; i < 5; i++)
		hooked(f, ",'events':['job.created']");
	follow(f);
	struct delivery_query q = { .tenant = f->tenant, .state = -1, .max = 2 };
	do {
		assert_ok(store_deliveries(f->s, &q, f->a, &v, &n, &e));
		for (size_t i = 0; i < n; i++) {
			assert_true(q.before_no == 0 || v[i].no < q.before_no);
			q.before_no = v[i].no;
		}
		seen += n;
	} while (n);
	assert_int_equal(seen, 5);
}

static void what_a_killed_server_was_sending_is_due_when_it_is_back(void **state)
{
	struct fixture *f = *state;
	int64_t tasks;
	struct err e;

	hooked(f, ",'events':['job.created']");
	follow(f);
	struct delivery d = lend_one(f);
	none_to_lend(f);
	assert_ok(store_recover(f->s, &tasks, &e));
	assert_int_equal(lend_one(f).no, d.no);
}

STORE_TEST_MAIN(TEST(a_jobs_end_is_delivered_and_nothing_else),
	TEST(only_what_was_asked_for_and_each_event_once), TEST(a_retry_opens_the_hook_again),
	TEST(a_log_that_is_longer_than_a_page_is_read_to_its_end),
	TEST(one_whose_sender_vanished_is_lent_again_and_the_newest_lease_writes),
	TEST(a_try_that_failed_waits_its_time), TEST(what_is_given_back_counts_as_no_try),
	TEST(hosts_take_turns_and_none_has_more_than_its_share),
	TEST(gone_means_no_more_of_this_job_until_somebody_asks),
	TEST(gone_stops_what_was_pending_too),
	TEST(one_that_was_taken_or_given_up_is_sent_again_when_asked_for),
	TEST(they_go_with_their_job), TEST(another_tenant_sees_none_of_them),
	TEST(pages_go_from_the_newest_to_the_oldest),
	TEST(what_a_killed_server_was_sending_is_due_when_it_is_back))
