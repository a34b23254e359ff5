/* SPDX-License-Identifier: MIT
 *
 * Tasks that are lent outside: what is told, what comes back, twice or too late.
 */
#include "tests/contract/store_fixture.h"

#define LEASE_MS 900000
#define V        "'variants':[{'name':'a','width':10},{'name':'b','width':20}]"
#define WHOLE    "job.created job.started item.started/1 item.succeeded/1 job.succeeded"

/* The one task that is ready, lent outside. */
static struct task lend(struct fixture *f)
{
	struct claim c = { .owner = OUTSIDE_OWNER "one", .lease_ms = LEASE_MS, .max = 10 };
	struct task *t;
	size_t n;
	struct err e;

	plan(f);
	assert_ok(store_claim(f->s, &c, f->a, &t, &n, &e));
	assert_int_equal(n, 1);
	return t[0];
}

static struct lent lent_of(struct fixture *f, const struct task *t)
{
	struct lent l;
	struct err e;

	assert_ok(store_lent(f->s, t->id, t->lease, f->a, &l, &e));
	return l;
}

static struct outside_answer report(struct fixture *f, const struct task *t,
	struct outside_report r)
{
	struct outside_answer answer;
	struct err e;

	r.id = t->id;
	r.lease = t->lease;
	assert_ok(store_report(f->s, &r, f->a, &answer, &e));
	return answer;
}

/* The variants that the first n of these who wait want. */
static struct made all_of(struct fixture *f, const struct lent *l, size_t n)
{
	struct product *p = arena_alloc(f->a, (n + 1) * sizeof *p);

	for (size_t i = 0; i < n; i++) {
		p[i] = (struct product){ .format = FORMAT_JPEG,
			.width = 10,
			.height = 10,
			.bytes = 100,
			.sha256 = { (uint8_t)i } };
		memcpy(p[i].recipe, l->digests[i], sizeof p[i].recipe);
		snprintf(p[i].key, sizeof p[i].key, "out/%lld/%zu", (long long)l->task.lease, i);
	}
	return (struct made){ .products = p, .n = n };
}

static void a_fetch_may_bring_its_variants_along(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1']," V "}");
	struct task t = lend(f);
	struct lent l = lent_of(f, &t);

	assert_true(l.held);
	assert_int_equal(l.recipe.n, 2);
	assert_string_equal(l.recipe.variants[1].name, "b");
	assert_string_equal(l.owner, OUTSIDE_OWNER "one");
	struct fetched got = fetched_of(f, &t);
	struct made made = all_of(f, &l, 2);
	struct outside_answer r = report(f, &t,
		(struct outside_report){ .fetched = &got, .made = &made });
	assert_int_equal(r.verdict, OUTSIDE_RECORDED);
	assert_int_equal(r.next.id, 0);
	assert_string_equal(log_of(f, &a), WHOLE);
	assert_int_equal(item(f, &a, 1)->variants_n, 2);
	struct usage_row u = usage(f);
	assert_int_equal(u.downloads, 1);
	assert_int_equal(u.encodes, 2);
	assert_int_equal(u.saved.encodes, 0);
}

static void what_it_did_not_bring_is_made(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1']," V "}");
	struct task t = lend(f);
	struct lent l = lent_of(f, &t);
	struct fetched got = fetched_of(f, &t);
	struct made made = all_of(f, &l, 1);

	report(f, &t, (struct outside_report){ .fetched = &got, .made = &made });
	assert_int_equal(job(f, &a)->state, JOB_RUNNING);
	t = lend(f);
	assert_int_equal(t.kind, TASK_MAKE);
	l = lent_of(f, &t);
	assert_int_equal(l.recipe.n, 1);
	assert_string_equal(l.recipe.variants[0].name, "b");
	finish_make(f, &t);
	assert_string_equal(log_of(f, &a), WHOLE);
	assert_int_equal(usage(f).saved.encodes, 0);
}

static void who_waits_together_is_served_together(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1']," V "}");
	struct made_job b = submit(f,
		"{'urls':['https://a.test/1'],'variants':[{'name':'a','width':10},"
		"{'name':'b','width':30}]}");
	struct task t = lend(f);
	struct lent l = lent_of(f, &t);

	assert_int_equal(l.recipe.n, 3); /* 10, 20, 30 */
	struct fetched got = fetched_of(f, &t);
	struct made made = all_of(f, &l, 3);
	report(f, &t, (struct outside_report){ .fetched = &got, .made = &made });
	assert_int_equal(job(f, &a)->state, JOB_SUCCEEDED);
	assert_int_equal(job(f, &b)->state, JOB_SUCCEEDED);
	assert_int_equal(usage(f).encodes, 3);
	assert_int_equal(usage(f).saved.encodes, 1);
}

static void a_second_report_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1']," V "}");
	struct task t = lend(f);
	struct lent l = lent_of(f, &t);
	struct fetched got = fetched_of(f, &t);
	struct made made = all_of(f, &l, 2);
	struct outcome bad = { .code = ERR_FETCH_STATUS, .stage = "download" };

	report(f, &t, (struct outside_report){ .fetched = &got, .made = &made });
	struct outside_answer r = report(f, &t,
		(struct outside_report){ .fetched = &got, .made = &made });
	assert_int_equal(r.verdict, OUTSIDE_REPEATED);
	r = report(f, &t, (struct outside_report){ .outcome = &bad });
	assert_int_equal(r.verdict, OUTSIDE_REPEATED);
	assert_string_equal(log_of(f, &a), WHOLE);
	assert_int_equal(usage(f).downloads, 1);
}

static void who_goes_on_gets_the_make_and_gets_it_again(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1']," V "}");
	struct task t = lend(f);
	struct fetched got = fetched_of(f, &t);
	struct outside_report said = { .fetched = &got, .goes_on = true };
	struct outside_answer r = report(f, &t, said);

	assert_int_equal(r.next.kind, TASK_MAKE);
	struct lent l = lent_of(f, &r.next);
	assert_string_equal(l.owner, OUTSIDE_OWNER "one");
	assert_int_equal(l.until_ms, clock_now() + LEASE_MS);
	/* the answer was lost on its way */
	struct outside_answer again = report(f, &t, said);
	assert_int_equal(again.verdict, OUTSIDE_REPEATED);
	assert_int_equal(again.next.id, r.next.id);
	assert_int_equal(again.next.lease, r.next.lease);
	struct made made = made_of(f, &r.next);
	assert_int_equal(report(f, &r.next, (struct outside_report){ .made = &made }).verdict,
		OUTSIDE_RECORDED);
	assert_int_equal(report(f, &t, said).next.id, 0);
	assert_string_equal(log_of(f, &a), WHOLE);
}

static void a_make_is_lent_for_what_is_left_of_the_lease(void **state)
{
	struct fixture *f = *state;
	submit(f,
		"{'urls':['https://a.test/1',"
		"'https://a.test/2']," V "}");
	struct claim c = { .owner = OUTSIDE_OWNER "x", .lease_ms = LEASE_MS, .max = 2 };
	struct task *t;
	size_t n;
	struct err e;

	plan(f);
	assert_ok(store_claim(f->s, &c, f->a, &t, &n, &e));
	assert_int_equal(n, 2);
	clock_add(LEASE_MS - 5000);
	struct fetched got = fetched_of(f, &t[0]);
	struct outside_answer r = report(f, &t[0],
		(struct outside_report){ .fetched = &got, .goes_on = true });
	assert_int_equal(lent_of(f, &r.next).until_ms, clock_now() + 5000);
	clock_add(4900);
	got = fetched_of(f, &t[1]);
	r = report(f, &t[1], (struct outside_report){ .fetched = &got, .goes_on = true });
	assert_int_equal(r.verdict, OUTSIDE_RECORDED);
	assert_int_equal(r.next.id, 0);
}

static void an_old_lease_is_stale(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1']," V "}");
	struct task t = lend(f);
	struct lent l = lent_of(f, &t);
	struct fetched got = fetched_of(f, &t);
	struct made made = all_of(f, &l, 2);
	struct outside_report said = { .fetched = &got, .made = &made };

	clock_add(LEASE_MS + 1);
	tick(f);
	assert_false(lent_of(f, &t).held);
	assert_int_equal(report(f, &t, said).verdict, OUTSIDE_STALE);
	struct task again = lend(f);
	assert_int_equal(again.lease, t.lease + 1);
	assert_int_equal(report(f, &t, said).verdict, OUTSIDE_STALE);
	assert_int_equal(report(f, &again, said).verdict, OUTSIDE_RECORDED);
	assert_int_equal(report(f, &t, said).verdict, OUTSIDE_STALE);
	assert_string_equal(log_of(f, &a), WHOLE);
}

static void a_report_is_remembered_for_a_day(void **state)
{
	struct fixture *f = *state;
	submit(f, "{'urls':['https://a.test/1']}");
	struct task t = lend(f);
	struct outcome bad = { .code = ERR_FETCH_STATUS, .stage = "download" };
	struct outside_report said = { .outcome = &bad };

	report(f, &t, said);
	clock_add(24 * 3600 * 1000 - 1);
	tick(f);
	assert_int_equal(report(f, &t, said).verdict, OUTSIDE_REPEATED);
	clock_add(2);
	tick(f);
	assert_int_equal(report(f, &t, said).verdict, OUTSIDE_STALE);
}

static void what_is_put_back_comes_again_but_not_for_ever(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1']}");
	struct outcome why = { .code = ERR_FETCH_TIMEOUT, .stage = "download" };
	struct outside_report untouched = { .later = true, .max_tries = 2 };
	struct outside_report tried = { .later = true,
		.outcome = &why,
		.after_ms = 5000,
		.max_tries = 2 };
	struct task t = lend(f);

	assert_int_equal(report(f, &t, untouched).verdict, OUTSIDE_RECORDED);
	tick(f);
	t = lend(f);
	assert_int_equal(t.tries, 0);
	report(f, &t, tried);
	tick(f);
	claim_none(f);
	clock_add(5000);
	tick(f);
	t = lend(f);
	assert_int_equal(t.tries, 1);
	report(f, &t, untouched);
	tick(f);
	t = lend(f);
	report(f, &t, tried);
	assert_int_equal(job(f, &a)->state, JOB_FAILED);
	assert_int_equal(item(f, &a, 1)->outcome->code, ERR_FETCH_TIMEOUT);
}

static void what_is_lent_outside_survives_a_restart(void **state)
{
	struct fixture *f = *state;
	struct outside_row *rows;
	int64_t back;
	size_t n;
	struct err e;

	submit(f, "{'urls':['https://a.test/1']}");
	struct task t = lend(f);
	submit(f, "{'urls':['https://a.test/2']}");
	plan(f);
	struct task here = claim_one(f);
	assert_ok(store_recover(f->s, &back, &e));
	assert_int_equal(back, 1);
	assert_true(lent_of(f, &t).held);
	assert_false(lent_of(f, &here).held);
	assert_ok(store_outside(f->s, f->a, &rows, &n, &e));
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].id, t.id);
	assert_int_equal(rows[0].lease, t.lease);
	assert_int_equal(rows[0].until_ms, clock_now() + LEASE_MS);
	assert_string_equal(rows[0].host, "a.test");
	assert_string_equal(rows[0].owner, OUTSIDE_OWNER "one");
}

static void what_was_claimed_is_handed_on_while_it_is_held(void **state)
{
	struct fixture *f = *state;
	struct err e;

	submit(f, "{'urls':['https://a.test/1']}");
	struct task t = lend(f);
	const struct outside_name names[] = { { t.id, t.lease }, { t.id, t.lease + 1 }, { 99, 1 } };
	clock_add(1000);
	assert_ok(store_hand(f->s, names, 3, OUTSIDE_OWNER "other", 5000, &e));
	struct lent l = lent_of(f, &t);
	assert_string_equal(l.owner, OUTSIDE_OWNER "other");
	assert_int_equal(l.until_ms, clock_now() + 5000);
	clock_add(5001);
	tick(f);
	assert_ok(store_hand(f->s, names, 3, OUTSIDE_OWNER "third", LEASE_MS, &e));
	assert_false(lent_of(f, &t).held);
	assert_int_equal(lend(f).lease, t.lease + 1);
}

static void who_does_only_cuts_gets_only_cuts(void **state)
{
	struct fixture *f = *state;
	struct claim c = { .owner = "w", .lease_ms = 60000, .max = 10, .only_cuts = true };
	struct task *t;
	size_t n;
	struct err e;

	struct made_job a = submit(f, "{'urls':['https://a.test/1'],'background':{'remove':true}}");
	plan(f);
	assert_ok(store_claim(f->s, &c, f->a, &t, &n, &e));
	assert_int_equal(n, 0);
	struct task fetch = lend(f);
	struct lent l = lent_of(f, &fetch);
	struct fetched got = fetched_of(f, &fetch);
	struct made made = all_of(f, &l, l.recipe.n);
	report(f, &fetch, (struct outside_report){ .fetched = &got, .made = &made });
	assert_ok(store_claim(f->s, &c, f->a, &t, &n, &e));
	assert_int_equal(n, 1);
	assert_int_equal(t[0].kind, TASK_CUT);
	finish_cut(f, &t[0], CUT_LOCAL);
	assert_int_equal(job(f, &a)->state, JOB_SUCCEEDED);
}

static void variants_of_a_cut_out_are_not_asked_of_who_fetches(void **state)
{
	struct fixture *f = *state;

	submit(f,
		"{'urls':['https://a.test/1'],'background':{'remove':true,'apply':'variants'}," V
		"}");
	struct task t = lend(f);
	assert_int_equal(lent_of(f, &t).recipe.n, 0);
}

static void what_nobody_waits_for_is_stale(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1']}");
	struct task t = lend(f);
	struct task_keep k = { .id = t.id, .lease = t.lease, .bytes = -1, .bytes_total = -1 };
	struct outcome bad = { .code = ERR_FETCH_STATUS, .stage = "download" };
	struct err e;

	cancel(f, &a);
	assert_ok(store_keep(f->s, &k, 1, LEASE_MS, &e));
	assert_true(k.unwanted);
	assert_int_equal(report(f, &t, (struct outside_report){ .outcome = &bad }).verdict,
		OUTSIDE_STALE);
	assert_int_equal(job(f, &a)->state, JOB_CANCELED);
}

STORE_TEST_MAIN(TEST(a_fetch_may_bring_its_variants_along), TEST(what_it_did_not_bring_is_made),
	TEST(who_waits_together_is_served_together), TEST(a_second_report_changes_nothing),
	TEST(who_goes_on_gets_the_make_and_gets_it_again),
	TEST(a_make_is_lent_for_what_is_left_of_the_lease), TEST(an_old_lease_is_stale),
	TEST(a_report_is_remembered_for_a_day), TEST(what_is_put_back_comes_again_but_not_for_ever),
	TEST(what_is_lent_outside_survives_a_restart),
	TEST(what_was_claimed_is_handed_on_while_it_is_held),
	TEST(who_does_only_cuts_gets_only_cuts),
	TEST(variants_of_a_cut_out_are_not_asked_of_who_fetches),
	TEST(what_nobody_waits_for_is_stale))
