/* SPDX-License-Identifier: MIT
 *
 * What tenants used and saved, by day, and what a request would do before it does it.
 */
#include "tests/contract/store_fixture.h"

#define V      "'variants':[{'name':'a','width':10},{'name':'b','width':20}]"
#define DAY_MS (24LL * 3600 * 1000)

static void work_is_counted_once_and_the_rest_is_saved(void **state)
{
	struct fixture *f = *state;
	struct usage_row u;

	submit(f,
		"{'urls':['https://a.test/1?bytes=four','https://a.test/2?bytes=four'],"
		"'background':{'remove':true}," V "}");
	work(f);
	u = usage(f);
	assert_int_equal(u.jobs, 1);
	assert_int_equal(u.items, 2);
	assert_int_equal(u.downloads, 2);
	assert_int_equal(u.bytes_in, 8);
	assert_int_equal(u.encodes, 2);
	assert_int_equal(u.cutouts, 1);
	assert_int_equal(u.bytes_out, 2 * 100 + 77);
	assert_int_equal(u.saved.downloads, 0);
	assert_int_equal(u.saved.encodes, 2);
	submit(f, "{'urls':['https://a.test/1?bytes=four']," V "}");
	work(f);
	u = usage(f);
	assert_int_equal(u.jobs, 2);
	assert_int_equal(u.items, 3);
	assert_int_equal(u.downloads, 2);
	assert_int_equal(u.saved.downloads, 1);
	assert_int_equal(u.saved.encodes, 4);
}

static void what_fails_is_an_item_and_what_is_canceled_is_none(void **state)
{
	struct fixture *f = *state;

	submit(f, "{'urls':['https://a.test/fail']," V "}");
	work(f);
	assert_int_equal(usage(f).items, 1);
	assert_int_equal(usage(f).downloads, 0);
	struct made_job m = submit(f, "{'urls':['https://a.test/2']," V "}");
	cancel(f, &m);
	assert_int_equal(usage(f).items, 1);
	assert_int_equal(usage(f).jobs, 2);
}

static void each_day_and_each_tenant_has_its_own(void **state)
{
	struct fixture *f = *state;
	int64_t today = clock_now() / DAY_MS, reserved = 0;
	struct usage_row *rows;
	size_t n;
	struct err e;

	submit(f, "{'urls':['https://a.test/1']," V "}");
	clock_add(DAY_MS);
	submit(f, "{'urls':['https://a.test/2']," V "}");
	submit(f, "{'urls':['https://a.test/3']," V "}");
	f->tenant = 2;
	submit(f, "{'urls':['https://a.test/4']," V "}");
	assert_ok(store_usage(f->s, 1, today, today + 5, f->a, &rows, &n, &reserved, &e));
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].day, today);
	assert_int_equal(rows[0].jobs, 1);
	assert_int_equal(rows[1].day, today + 1);
	assert_int_equal(rows[1].jobs, 2);
	assert_ok(store_usage(f->s, 1, today + 1, today + 1, f->a, &rows, &n, &reserved, &e));
	assert_int_equal(n, 1);
	assert_ok(store_usage(f->s, 2, 0, INT64_MAX, f->a, &rows, &n, &reserved, &e));
	assert_int_equal(n, 1);
	assert_ok(store_usage(f->s, 3, 0, INT64_MAX, f->a, &rows, &n, &reserved, &e));
	assert_int_equal(n, 0);
	assert_int_equal(reserved, 0);
}

/* ---- dry runs ---- */

static struct estimate estimate(struct fixture *f, const char *text)
{
	static const uint8_t seal_key[32] = { 7 };
	CLEANUP(request_freep) struct request *q = request_of(text);
	struct estimate ret;
	struct err e;

	assert_ok(store_estimate(f->s, f->tenant, q, seal_key, &ret, &e));
	return ret;
}

static void nothing_known_is_all_to_do(void **state)
{
	struct fixture *f = *state;
	struct estimate x = estimate(f, "{'urls':['https://a.test/1','https://a.test/2']," V "}");

	assert_int_equal(x.downloads, 2);
	assert_int_equal(x.encodes, 4);
	assert_int_equal(x.cutouts + x.paid_calls + x.cost + x.hits + x.revalidations, 0);
	assert_int_equal(usage(f).jobs, 0);
}

static void what_is_there_is_a_hit(void **state)
{
	struct fixture *f = *state;
	static const char *const job = "{'urls':['https://a.test/1','https://a.test/2'],"
				       "'background':{'remove':true}," V "}";

	submit(f, "%s", job);
	work(f);
	struct estimate x = estimate(f, job);
	assert_int_equal(x.hits, 2);
	assert_int_equal(x.downloads + x.encodes + x.cutouts, 0);
	/* one variant more, another cut-out */
	x = estimate(f,
		"{'urls':['https://a.test/1'],'variants':[{'name':'a','width':10},"
		"{'name':'b','width':30}],'background':{'remove':true,'fill':'red'}}");
	assert_int_equal(x.hits, 0);
	assert_int_equal(x.downloads, 0);
	assert_int_equal(x.encodes, 1);
	assert_int_equal(x.cutouts, 1);
	/* variants of a cut-out that is there are others */
	x = estimate(f,
		"{'urls':['https://a.test/1'],'background':{'remove':true,"
		"'apply':'variants'}," V "}");
	assert_int_equal(x.encodes, 2);
	assert_int_equal(x.cutouts, 0);
	/* too old to be believed */
	clock_add(f->opts.fresh_ms + 1);
	x = estimate(f, job);
	assert_int_equal(x.revalidations, 2);
	assert_int_equal(x.downloads, 0);
	assert_int_equal(x.encodes, 4);
	assert_int_equal(x.cutouts, 2);
	x = estimate(f,
		"{'urls':['https://a.test/1','https://a.test/9'],'cache':'only_if_cached'," V "}");
	assert_int_equal(x.hits, 1);
	assert_int_equal(x.downloads, 0);
}

static void what_it_would_cost_stays_within_what_it_may(void **state)
{
	struct fixture *f = *state;
	struct estimate x = estimate(f,
		"{'urls':['https://a.test/1','https://a.test/2','https://a.test/3'],"
		"'background':{'remove':true,'engine':'auto','max_cost':2.5}," V "}");

	assert_int_equal(x.cutouts, 3);
	assert_int_equal(x.paid_calls, 2);
	assert_int_equal(x.cost, 2 * CALL_COST);
	x = estimate(f,
		"{'urls':['https://a.test/1'],'background':{'remove':true,'max_cost':9}," V "}");
	assert_int_equal(x.paid_calls, 0); /* the local engine never pays */
	x = estimate(f,
		"{'urls':['https://a.test/1'],'background':{'remove':true,"
		"'engine':'remote'}," V "}");
	assert_int_equal(x.paid_calls, 0);
}

static void an_answer_that_was_bought_costs_nothing(void **state)
{
	struct fixture *f = *state;

	submit(f,
		"{'urls':['https://a.test/1'],'background':{'remove':true,'engine':'remote',"
		"'max_cost':1}," V "}");
	work(f);
	assert_int_equal(usage(f).paid_calls, 1);
	struct estimate x = estimate(f,
		"{'urls':['https://a.test/1'],'background':{'remove':true,'engine':'remote',"
		"'max_cost':1,'crop':true}," V "}");
	assert_int_equal(x.cutouts, 1);
	assert_int_equal(x.paid_calls, 0);
	assert_int_equal(x.cost, 0);
}

STORE_TEST_MAIN(TEST(work_is_counted_once_and_the_rest_is_saved),
	TEST(what_fails_is_an_item_and_what_is_canceled_is_none),
	TEST(each_day_and_each_tenant_has_its_own), TEST(nothing_known_is_all_to_do),
	TEST(what_is_there_is_a_hit), TEST(what_it_would_cost_stays_within_what_it_may),
	TEST(an_answer_that_was_bought_costs_nothing))
