/* SPDX-License-Identifier: MIT
 *
 * What a submit is held to: quotas from what was used, the count of a token, and its turn among those
 * of other tenants.
 */
#include "tests/contract/store_fixture.h"

#include "store/access.h"

#include <pthread.h>

#define DAY_MS (24LL * 3600 * 1000)
#define V      "'variants':[{'name':'a','width':10}]"

static void hold(struct fixture *f, struct limits *l, enum limit which, int64_t most)
{
	limits_none(l);
	l->most[which] = most;
	f->limits = l;
}

/* One job of n URLs at this place; its code. */
static enum err_code try_urls(struct fixture *f, const char *place, int n)
{
	struct buf b = BUF_INIT(1 << 20);
	struct made_job m;

	buf_puts(&b, "{\"urls\":[");
	for (int i = 0; i < n; i++)
		buf_printf(&b, "%s\"https://%s.test/%d\"", i ? "," : "", place, i);
	buf_puts(&b, "],\"variants\":[{\"name\":\"a\",\"width\":10}]}");
	enum err_code code = submit_as(f, NULL, NULL, buf_str(&b), &m);
	buf_done(&b);
	return code;
}

static void jobs_and_urls_are_counted_to_the_last(void **state)
{
	struct fixture *f = *state;
	struct limits l;

	hold(f, &l, LIMIT_URLS_DAY, 5);
	l.most[LIMIT_JOBS_MONTH] = 3;
	assert_int_equal(try_urls(f, "a", 3), OK);
	assert_int_equal(f->quota.used[LIMIT_URLS_DAY], 3);
	assert_int_equal(f->quota.used[LIMIT_JOBS_MONTH], 1);
	assert_int_equal(try_urls(f, "b", 3), ERR_QUOTA_EXCEEDED);
	assert_int_equal(f->quota.hit, LIMIT_URLS_DAY);
	assert_int_equal(try_urls(f, "c", 2), OK);
	assert_int_equal(f->quota.used[LIMIT_URLS_DAY], 5);
	clock_add(DAY_MS);
	assert_int_equal(try_urls(f, "d", 5), OK);
	clock_add(DAY_MS);
	assert_int_equal(try_urls(f, "e", 1), ERR_QUOTA_EXCEEDED);
	assert_int_equal(f->quota.hit, LIMIT_JOBS_MONTH);
	clock_add(31 * DAY_MS);
	assert_int_equal(try_urls(f, "f", 1), OK);
	f->tenant = 2; /* whose month is its own */
	assert_int_equal(try_urls(f, "g", 1), OK);
	assert_int_equal(f->quota.used[LIMIT_JOBS_MONTH], 1);
}

static void what_is_used_is_told_without_a_submit(void **state)
{
	struct fixture *f = *state;
	struct limits l;
	int64_t used[LIMIT_COUNT];
	struct err e;

	hold(f, &l, LIMIT_URLS_DAY, 5);
	assert_int_equal(try_urls(f, "a", 3), OK);
	assert_ok(store_quota_used(f->s, f->tenant, &l, used, &e));
	assert_int_equal(used[LIMIT_URLS_DAY], 3);
	assert_int_equal(used[LIMIT_JOBS_DAY], 1);
	assert_int_equal(used[LIMIT_JOBS_MONTH], 0);        /* no limit of a month is set */
	assert_ok(store_quota_used(f->s, 2, &l, used, &e)); /* another tenant */
	assert_int_equal(used[LIMIT_URLS_DAY], 0);
	clock_add(DAY_MS);
	assert_ok(store_quota_used(f->s, f->tenant, &l, used, &e));
	assert_int_equal(used[LIMIT_URLS_DAY], 0);
}

static void many_urls_are_counted_once_although_built_in_slices(void **state)
{
	struct fixture *f = *state;
	struct limits l;

	hold(f, &l, LIMIT_URLS_DAY, 1500);
	assert_int_equal(try_urls(f, "a", 1200), OK);
	assert_int_equal(f->quota.used[LIMIT_URLS_DAY], 1200);
	assert_int_equal(try_urls(f, "b", 301), ERR_QUOTA_EXCEEDED);
	assert_int_equal(try_urls(f, "c", 300), OK);
}

static void a_repeated_request_is_not_counted(void **state)
{
	struct fixture *f = *state;
	struct made_job m, again;
	struct limits l;

	hold(f, &l, LIMIT_JOBS_DAY, 1);
	f->token = "t";
	f->token_jobs = 1;
	static const char *const body = "{\"urls\":[\"https://a.test/\"]}";
	assert_int_equal(submit_as(f, NULL, "key", body, &m), OK);
	assert_int_equal(submit_as(f, NULL, "key", body, &again), OK);
	assert_int_equal(again.result, SUBMIT_SAME);
	assert_int_equal(again.no, m.no);
}

struct racer {
	struct fixture f; /* a copy: of its own answers */
	int made;
	pthread_t thread;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	for (int i = 0; i < 10; i++) {
		autofree char *body = mem_printf("{\"urls\":[\"https://a.test/%p/%d\"]}", arg, i);
		struct made_job m;
		r->made += submit_as(&r->f, NULL, NULL, body, &m) == OK;
	}
	return NULL;
}

static int made_by_eight(struct fixture *f)
{
	struct racer r[8];
	int made = 0;

	for (int i = 0; i < 8; i++) {
		r[i] = (struct racer){ .f = *f };
		assert_int_equal(pthread_create(&r[i].thread, NULL, race, &r[i]), 0);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(r[i].thread, NULL);
		made += r[i].made;
	}
	return made;
}

static void eight_at_once_do_not_go_over(void **state)
{
	struct fixture *f = *state;
	struct limits l;

	hold(f, &l, LIMIT_JOBS_DAY, 23);
	assert_int_equal(made_by_eight(f), 23);
	f->limits = NULL;
	f->token = "t";
	f->token_jobs = 17;
	assert_int_equal(made_by_eight(f), 17);
}

static void a_token_that_has_expired_is_forgotten(void **state)
{
	struct fixture *f = *state;

	f->token = "t";
	f->token_jobs = 1;
	assert_int_equal(try_urls(f, "a", 1), OK);
	assert_int_equal(try_urls(f, "b", 1), ERR_AUTH_FORBIDDEN);
	tick(f);
	assert_int_equal(try_urls(f, "b", 1), ERR_AUTH_FORBIDDEN);
	clock_add(1001);
	tick(f);
	assert_int_equal(try_urls(f, "b", 1), OK); /* nobody gets so far with it: it has expired */
}

static void what_is_stored_is_what_was_put_less_what_went(void **state)
{
	struct fixture *f = *state;
	struct limits l;

	struct made_job m = submit(f,
		"{'urls':['https://a.test/1?bytes=four','https://a.test/2?bytes=four'],"
		"'background':{'remove':true}," V "}");
	work(f);
	assert_int_equal(usage(f).stored, 4 + 100 + 77);
	assert_int_equal(usage(f).urls, 2);
	struct made_job more = submit(f, "{'urls':['https://a.test/1?bytes=four']," V "}");
	work(f);
	assert_int_equal(usage(f).stored, 4 + 100 + 77);
	hold(f, &l, LIMIT_STORED, 100);
	assert_int_equal(try_urls(f, "b", 1), ERR_QUOTA_EXCEEDED);
	assert_int_equal(f->quota.hit, LIMIT_STORED);
	f->limits = NULL;
	del(f, &m, false);
	del(f, &more, true);
	clock_add(DAY_MS);
	gc(f, 0);
	assert_int_equal(usage(f).stored, 0);
	f->limits = &l;
	assert_int_equal(try_urls(f, "b", 1), OK);
}

static void a_source_that_is_not_kept_is_not_stored(void **state)
{
	struct fixture *f = *state;

	submit(f, "{'urls':['https://a.test/1?bytes=four'],'keep_source':false," V "}");
	work(f);
	assert_int_equal(usage(f).stored, 100);
}

static void processor_time_is_the_tenants(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct err e;
	struct limits l;

	struct task fetch = begin(f, &m);
	struct task make = finish_fetch(f, &fetch);
	struct made made = made_of(f, &make);
	made.outcome.cpu_ms = 1234;
	assert_ok(store_finish_make(f->s, make.id, make.lease, &made, &e));
	assert_int_equal(usage(f).cpu_ms, 1234);
	hold(f, &l, LIMIT_CPU_DAY, 1234);
	assert_int_equal(try_urls(f, "b", 1), ERR_QUOTA_EXCEEDED);
	l.most[LIMIT_CPU_DAY] = 2000;
	assert_int_equal(try_urls(f, "b", 1), OK);
}

/* ---- turns ---------------------------------------------------------------------------------- */

/* Claims one task after the other until those of `place` are all lent; how many others came before. */
static int others_before(struct fixture *f, const char *place, int n)
{
	int others = 0;

	while (n > 0) {
		struct task *t;
		plan(f);
		if (claim(f, 1, &t) == 0)
			fail_msg("nothing is left, and %d of %s are missing", n, place);
		struct fetch_input in;
		assert_int_equal(fetch_input_parse(t->input, f->a, &in, &f->e), OK);
		bool ours = strstr(in.url, place) != NULL;
		n -= ours;
		others += !ours;
	}
	return others;
}

/* Of the items of one tenant's many jobs, at most 60 come before the 40 of another's only job. */
static void assert_half_is_left(struct fixture *f, int jobs, int items)
{
	for (int i = 0; i < jobs; i++) {
		autofree char *place = mem_printf("many%d", i);
		assert_int_equal(try_urls(f, place, items), OK);
	}
	f->tenant = 2;
	assert_int_equal(try_urls(f, "few", 40), OK);
	int others = others_before(f, "few", 40);
	if (others > 60)
		fail_msg("%d items of %d jobs came before 40", others, jobs);
}

static void a_tenant_with_fifty_jobs_leaves_the_other_its_half(void **state)
{
	assert_half_is_left(*state, 50, 20);
}

static void and_so_does_one_with_three_hundred_small_ones(void **state)
{
	assert_half_is_left(*state, 300, 1);
}

/* Also where they come as fast as they are done: each is behind those of its tenant that wait. */
static void nor_does_a_stream_of_them_go_ahead(void **state)
{
	struct fixture *f = *state;
	int others = 0, n = 30;

	for (int i = 0; i < 40; i++) {
		autofree char *place = mem_printf("old%d", i);
		assert_int_equal(try_urls(f, place, 1), OK);
	}
	f->tenant = 2;
	assert_int_equal(try_urls(f, "few", n), OK);
	f->tenant = 1;
	for (int i = 0; n > 0; i++) {
		autofree char *place = mem_printf("new%d", i);
		assert_int_equal(try_urls(f, place, 1), OK);
		struct task t = (plan(f), claim_one(f));
		bool ours = strstr(t.input, "few") != NULL;
		n -= ours;
		others += !ours;
	}
	if (others > 50)
		fail_msg("%d of a stream of small jobs came before 30", others);
}

STORE_TEST_MAIN(TEST(jobs_and_urls_are_counted_to_the_last),
	TEST(what_is_used_is_told_without_a_submit),
	TEST(many_urls_are_counted_once_although_built_in_slices),
	TEST(a_repeated_request_is_not_counted), TEST(eight_at_once_do_not_go_over),
	TEST(a_token_that_has_expired_is_forgotten),
	TEST(what_is_stored_is_what_was_put_less_what_went),
	TEST(a_source_that_is_not_kept_is_not_stored), TEST(processor_time_is_the_tenants),
	TEST(a_tenant_with_fifty_jobs_leaves_the_other_its_half),
	TEST(and_so_does_one_with_three_hundred_small_ones),
	TEST(nor_does_a_stream_of_them_go_ahead))
