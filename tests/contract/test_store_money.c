/* SPDX-License-Identifier: MIT
 *
 * Paid calls: nothing is paid that was not allowed, nothing is bought twice, and what may have been
 * paid is never bought again unasked.
 */
#include "tests/contract/store_fixture.h"

#include <pthread.h>

#define REMOTE(cost)                                                                               \
	"'variants':[{'name':'a','width':10}],'background':{'remove':true,'engine':'remote',"      \
	"'max_cost':" cost "}"

/* Cuts of this job, claimed; their makes are done. */
static size_t cuts(struct fixture *f, struct task *ret, size_t max)
{
	size_t n = 0, got;
	struct task *t;

	for (plan(f); (got = claim(f, 100, &t)) > 0; plan(f))
		for (size_t i = 0; i < got; i++) {
			if (t[i].kind == TASK_CUT) {
				assert_in_range(n, 0, max - 1);
				ret[n++] = t[i];
				continue;
			}
			struct task make = t[i];
			if (make.kind == TASK_FETCH)
				make = finish_fetch(f, &t[i]);
			if (make.id)
				finish_make(f, &make);
		}
	return n;
}

static struct task one_cut(struct fixture *f)
{
	struct task t[2];

	assert_int_equal(cuts(f, t, 2), 1);
	return t[0];
}

static struct task cut_of_job(struct fixture *f, struct made_job *ret, const char *url,
	const char *more)
{
	*ret = submit(f, "{'urls':['https://a.test/%s?bytes=%s'],%s}", url, url, more);
	return one_cut(f);
}

static void finish_paid(struct fixture *f, const struct task *t, int64_t charge)
{
	struct cut_made m = cut_made_of(f, t, CUT_REMOTE, -1);
	struct err e;

	m.charge = charge;
	assert_ok(store_finish_cut(f->s, t->id, t->lease, &m, &e));
}

static int64_t reserved(struct fixture *f)
{
	struct usage_row *rows;
	int64_t r = -1;
	size_t n;
	struct err e;

	assert_ok(store_usage(f->s, f->tenant, 0, INT64_MAX, f->a, &rows, &n, &r, &e));
	return r;
}

static void recover(struct fixture *f)
{
	struct err e;
	int64_t n;

	assert_ok(store_recover(f->s, &n, &e));
}

/* ---- one call ---- */

static void a_call_is_asked_for_bought_and_counted(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct charge_answer a;
	struct task t = cut_of_job(f, &m, "cat", REMOTE("1"));

	assert_int_equal(ask(f, &t, &a), OK);
	assert_true(a.charge > 0 && !a.bought);
	assert_int_equal(reserved(f), CALL_COST);
	assert_int_equal(usage(f).spent, 0);
	bought(f, a.charge, "raw/1");
	assert_int_equal(reserved(f), 0);
	finish_paid(f, &t, a.charge);
	assert_int_equal(usage(f).spent, CALL_COST);
	assert_int_equal(usage(f).paid_calls, 1);
	assert_int_equal(usage(f).unknown, 0);
	struct item_row *it = item(f, &m, 1);
	assert_int_equal(it->cut, CUT_SUCCEEDED);
	assert_int_equal(it->cutout->cost, CALL_COST);
	assert_int_equal(job(f, &m)->savings.paid_calls, 0);
}

static void nothing_is_paid_that_was_not_allowed(void **state)
{
	struct fixture *f = *state;
	static const char *const jobs[] = { REMOTE("0"), REMOTE("0.5") };
	static const char *const urls[] = { "one", "two" };

	for (int i = 0; i < 2; i++) {
		struct made_job m;
		struct charge_answer a;
		struct task t = cut_of_job(f, &m, urls[i], jobs[i]);
		assert_int_equal(ask(f, &t, &a), ERR_MATTE_BUDGET);
		assert_int_equal(fail_cut(f, &t, ERR_MATTE_BUDGET), OK);
		assert_int_equal(item(f, &m, 1)->cut, CUT_FAILED);
	}
	assert_int_equal(usage(f).spent + reserved(f), 0);
}

static void a_refusal_gives_the_money_back(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct charge_answer a;
	struct task t = cut_of_job(f, &m, "cat", REMOTE("1"));
	struct err e;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(ask(f, &t, &a), OK);
		assert_ok(store_charge_refused(f->s, a.charge, &e));
		assert_ok(store_charge_refused(f->s, a.charge, &e)); /* once is enough */
		assert_int_equal(reserved(f), 0);
	}
	assert_int_equal(usage(f).unknown_calls, 0);
}

static void a_stale_lease_asks_for_nothing(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct charge_answer a;
	struct task t = cut_of_job(f, &m, "cat", REMOTE("1"));

	recover(f);
	assert_int_equal(ask(f, &t, &a), ERR_STORE_STALE);
	assert_int_equal(reserved(f), 0);
}

/* ---- unknown ---- */

static void a_crash_between_asking_and_storing_is_unknown(void **state)
{
	struct fixture *f = *state;
	struct made_job m, again;
	struct charge_answer a;
	struct task t = cut_of_job(f, &m, "cat", REMOTE("5"));
	int64_t n = -1;
	struct err e;

	assert_int_equal(ask(f, &t, &a), OK);
	recover(f);
	assert_int_equal(usage(f).unknown, CALL_COST);
	assert_int_equal(usage(f).unknown_calls, 1);
	assert_int_equal(reserved(f), 0);
	t = one_cut(f);
	assert_int_equal(ask(f, &t, &a), ERR_MATTE_CHARGE_UNKNOWN);
	assert_int_equal(fail_cut(f, &t, ERR_MATTE_CHARGE_UNKNOWN), OK);
	assert_int_equal(item(f, &m, 1)->cut_reason, CUT_REASON_CHARGE_UNKNOWN);
	assert_int_equal(job(f, &m)->state, JOB_PARTIAL);
	/* nor does a new job with the same bytes, whatever its URL */
	t = cut_of_job(f, &again, "other?bytes=cat&x", REMOTE("5"));
	assert_int_equal(ask(f, &t, &a), ERR_MATTE_CHARGE_UNKNOWN);
	assert_int_equal(fail_cut(f, &t, ERR_MATTE_CHARGE_UNKNOWN), OK);
	/* a retry leaves it alone until it is confirmed */
	assert_ok(store_retry(f->s, 1, m.id, false, &n, &e));
	assert_int_equal(n, 0);
	assert_ok(store_retry(f->s, 1, m.id, true, &n, &e));
	assert_int_equal(n, 1);
	t = one_cut(f);
	assert_int_equal(ask(f, &t, &a), OK);
	bought(f, a.charge, "raw/2");
	finish_paid(f, &t, a.charge);
	assert_int_equal(job(f, &m)->state, JOB_SUCCEEDED);
	assert_int_equal(usage(f).unknown, CALL_COST); /* it may have been paid, for ever */
	assert_int_equal(usage(f).spent, CALL_COST);
}

static void a_new_job_may_confirm(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct charge_answer a;
	struct task t = cut_of_job(f, &m, "cat", REMOTE("5"));
	struct err e;

	assert_int_equal(ask(f, &t, &a), OK);
	assert_ok(store_charge_unknown(f->s, a.charge, &e));
	assert_int_equal(fail_cut(f, &t, ERR_MATTE_CHARGE_UNKNOWN), OK);
	t = cut_of_job(f, &m, "cat", REMOTE("5,'confirm_charge':true"));
	assert_int_equal(ask(f, &t, &a), OK);
	assert_false(a.bought);
	/* a confirmation is worth one call: this one crashes too */
	recover(f);
	t = one_cut(f);
	assert_int_equal(ask(f, &t, &a), ERR_MATTE_CHARGE_UNKNOWN);
	assert_int_equal(usage(f).unknown_calls, 2);
	assert_int_equal(fail_cut(f, &t, ERR_MATTE_CHARGE_UNKNOWN), OK);
}

static void a_confirmed_call_that_is_refused_leaves_the_first_unknown(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct charge_answer a;
	struct task t = cut_of_job(f, &m, "cat", REMOTE("5"));
	struct err e;

	assert_int_equal(ask(f, &t, &a), OK);
	assert_ok(store_charge_unknown(f->s, a.charge, &e));
	assert_int_equal(fail_cut(f, &t, ERR_MATTE_CHARGE_UNKNOWN), OK);
	t = cut_of_job(f, &m, "cat", REMOTE("5,'confirm_charge':true"));
	assert_int_equal(ask(f, &t, &a), OK);
	assert_ok(store_charge_refused(f->s, a.charge, &e));
	assert_int_equal(fail_cut(f, &t, ERR_MATTE_PROVIDER), OK);
	t = cut_of_job(f, &m, "cat", REMOTE("5"));
	assert_int_equal(ask(f, &t, &a), ERR_MATTE_CHARGE_UNKNOWN);
	assert_int_equal(usage(f).unknown_calls, 1);
	assert_int_equal(usage(f).unknown, CALL_COST);
}

static void a_confirmation_is_for_one_retry(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f,
		"{'urls':['https://a.test/1?bytes=cat','https://a.test/2?bytes=dog']," REMOTE(
			"9") "}");
	struct task t[2];
	struct charge_answer a;
	int64_t n = -1;
	struct err e;

	for (int round = 0; round < 2; round++) {
		assert_int_equal(cuts(f, t, 2), 2);
		assert_int_equal(ask(f, &t[0], &a), OK);
		assert_ok(store_charge_unknown(f->s, a.charge, &e));
		assert_int_equal(fail_cut(f, &t[0], ERR_MATTE_CHARGE_UNKNOWN), OK);
		assert_int_equal(fail_cut(f, &t[1], ERR_MATTE_FAILED), OK);
		assert_ok(store_retry(f->s, 1, m.id, round == 0, &n, &e));
		assert_int_equal(n, round == 0 ? 2 : 1);
	}
	assert_int_equal(cuts(f, t, 2), 1);
	assert_int_equal(job(f, &m)->counts.cutouts.failed, 1);
}

static void an_answer_that_comes_late_is_kept(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct charge_answer a, b;
	struct task t = cut_of_job(f, &m, "cat", REMOTE("5")), again;

	assert_int_equal(ask(f, &t, &a), OK);
	recover(f);
	assert_int_equal(usage(f).unknown, CALL_COST);
	bought(f, a.charge, "raw/1"); /* whoever asked was only slow */
	assert_int_equal(usage(f).unknown, 0);
	assert_int_equal(usage(f).unknown_calls, 0);
	assert_int_equal(usage(f).spent, CALL_COST);
	again = one_cut(f);
	assert_int_equal(ask(f, &again, &b), OK);
	assert_true(b.bought);
	assert_int_equal(b.charge, a.charge);
	assert_string_equal(b.blob, "raw/1");
	assert_string_equal(b.media_type, "image/png");
	assert_int_equal(b.cost, CALL_COST);
	finish_paid(f, &again, b.charge);
	assert_int_equal(job(f, &m)->savings.paid_calls, 0); /* its own job paid */
	assert_int_equal(item(f, &m, 1)->cutout->cost, CALL_COST);
}

static void an_overdue_lease_makes_its_intent_unknown(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct charge_answer a;
	struct task t = cut_of_job(f, &m, "cat", REMOTE("5"));

	assert_int_equal(ask(f, &t, &a), OK);
	tick(f);
	assert_int_equal(reserved(f), CALL_COST);
	clock_add(60001);
	tick(f);
	assert_int_equal(reserved(f), 0);
	assert_int_equal(usage(f).unknown, CALL_COST);
}

static void a_paid_call_goes_on_when_its_item_is_canceled(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct charge_answer a;
	struct task t = cut_of_job(f, &m, "cat", REMOTE("5"));
	struct task_keep k = { .id = t.id, .lease = t.lease, .bytes = -1, .bytes_total = -1 };
	struct err e;

	assert_int_equal(ask(f, &t, &a), OK);
	cancel(f, &m);
	assert_ok(store_keep(f->s, &k, 1, 60000, &e));
	assert_false(k.unwanted);
	tick(f);
	assert_int_equal(usage(f).unknown, 0);
	bought(f, a.charge, "raw/1");
	assert_ok(store_keep(f->s, &k, 1, 60000, &e));
	assert_true(k.unwanted);
	t = cut_of_job(f, &m, "cat", REMOTE("0"));
	assert_int_equal(ask(f, &t, &a), OK); /* whoever comes next need not pay */
	assert_true(a.bought);
}

/* ---- never twice ---- */

static void an_answer_serves_other_options_of_the_same_bytes(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct charge_answer a;
	struct task t = cut_of_job(f, &m, "cat", REMOTE("1"));

	assert_int_equal(ask(f, &t, &a), OK);
	bought(f, a.charge, "raw/1");
	finish_paid(f, &t, a.charge);
	t = cut_of_job(f, &m, "cat", REMOTE("0,'fill':'red'"));
	assert_int_equal(ask(f, &t, &a), OK);
	assert_true(a.bought);
	finish_paid(f, &t, a.charge);
	assert_int_equal(usage(f).paid_calls, 1);
	assert_int_equal(job(f, &m)->savings.paid_calls, 1);
	assert_int_equal(item(f, &m, 1)->cutout->cost, 0);
	/* and the same options are there already */
	m = submit(f, "{'urls':['https://b.test/9?bytes=cat']," REMOTE("1") "}");
	plan(f);
	struct task fetch = claim_one(f);
	finish_fetch(f, &fetch);
	assert_int_equal(job(f, &m)->state, JOB_SUCCEEDED);
	assert_int_equal(job(f, &m)->savings.paid_calls, 1);
	assert_int_equal(usage(f).saved.paid_calls, 2);
	assert_int_equal(usage(f).saved_cost, 2 * CALL_COST);
}

static void two_tasks_do_not_buy_the_same(void **state)
{
	struct fixture *f = *state;
	struct made_job a, b;
	struct charge_answer x, y;
	struct task t = cut_of_job(f, &a, "cat", REMOTE("5"));
	struct task u = cut_of_job(f, &b, "cat", REMOTE("5,'fill':'red'"));

	assert_int_equal(ask(f, &t, &x), OK);
	assert_int_equal(ask(f, &u, &y), ERR_BUSY);
	bought(f, x.charge, "raw/1");
	assert_int_equal(ask(f, &u, &y), OK);
	assert_true(y.bought);
	assert_int_equal(usage(f).paid_calls, 1);
}

static void who_asks_twice_may_have_paid_already(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct charge_answer a;
	struct task t = cut_of_job(f, &m, "cat", REMOTE("5"));

	assert_int_equal(ask(f, &t, &a), OK);
	assert_int_equal(ask(f, &t, &a), ERR_MATTE_CHARGE_UNKNOWN);
	assert_int_equal(usage(f).unknown, CALL_COST);
}

static void one_of_those_who_wait_pays(void **state)
{
	struct fixture *f = *state;
	struct made_job a, b, c;
	struct charge_answer x;

	/* of three items that wait for one task the first cannot pay */
	a = submit(f,
		"{'urls':['https://a.test/1?bytes=cat','https://a.test/2?bytes=dog']," REMOTE(
			"1") "}");
	b = submit(f, "{'urls':['https://a.test/1?bytes=cat']," REMOTE("1") "}");
	c = submit(f, "{'urls':['https://a.test/1?bytes=cat']," REMOTE("1") "}");
	struct task t[4];
	assert_int_equal(cuts(f, t, 4), 2);
	struct cut_input in = cut_input_of(f, &t[0]);
	uint8_t cat[SHA256_LEN];
	sha256_of("cat", 3, cat);
	size_t i = memcmp(in.original.sha256, cat, SHA256_LEN) == 0 ? 0 : 1;
	assert_int_equal(ask(f, &t[1 - i], &x), OK); /* the dog takes all that a has */
	assert_int_equal(ask(f, &t[i], &x), OK);
	bought(f, x.charge, "raw/1");
	finish_paid(f, &t[i], x.charge);
	assert_int_equal(item(f, &a, 1)->cutout->cost, 0);
	assert_int_equal(item(f, &b, 1)->cutout->cost, CALL_COST);
	assert_int_equal(item(f, &c, 1)->cutout->cost, 0);
	assert_int_equal(job(f, &b)->savings.paid_calls, 0);
	assert_int_equal(job(f, &c)->savings.paid_calls, 1);
}

/* ---- budgets ---- */

struct asker {
	pthread_t thread;
	struct fixture *f;
	struct task task;
	enum err_code code;
};

static void *ask_main(void *arg)
{
	struct asker *k = arg;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct charge_answer answer;
	struct err e;

	k->code = store_charge_ask(k->f->s, k->task.id, k->task.lease, CALL_COST, a, &answer, &e);
	return NULL;
}

static void fifty_at_once_under_a_budget_of_five_make_five_charges(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_done) struct buf b = BUF_INIT(1 << 16);
	struct task t[50];
	struct asker k[50];
	int asked = 0, refused = 0;

	f->opts.plan_waiting_min = 100;
	buf_puts(&b, "{'urls':[");
	for (int i = 0; i < 50; i++)
		buf_printf(&b, "%s'https://a.test/%d'", i ? "," : "", i);
	submit(f, "%s]," REMOTE("5") "}", buf_str(&b));
	assert_int_equal(cuts(f, t, 50), 50);
	for (int i = 0; i < 50; i++) {
		k[i] = (struct asker){ .f = f, .task = t[i] };
		assert_int_equal(pthread_create(&k[i].thread, NULL, ask_main, &k[i]), 0);
	}
	for (int i = 0; i < 50; i++) {
		pthread_join(k[i].thread, NULL);
		asked += k[i].code == OK;
		refused += k[i].code == ERR_MATTE_BUDGET;
	}
	assert_int_equal(asked, 5);
	assert_int_equal(refused, 45);
	assert_int_equal(reserved(f), 5 * CALL_COST);
}

static void unknown_charges_use_up_the_budget(void **state)
{
	struct fixture *f = *state;
	struct charge_answer a;
	struct task t[3];
	struct err e;

	submit(f,
		"{'urls':['https://a.test/1','https://a.test/2','https://a.test/3']," REMOTE(
			"2") "}");
	assert_int_equal(cuts(f, t, 3), 3);
	assert_int_equal(ask(f, &t[0], &a), OK);
	assert_ok(store_charge_unknown(f->s, a.charge, &e));
	assert_int_equal(ask(f, &t[1], &a), OK);
	assert_int_equal(ask(f, &t[2], &a), ERR_MATTE_BUDGET);
}

static void an_item_may_set_a_limit_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct charge_answer a;
	struct task t[3];
	int asked = 0;

	/* no background of the job's own: the sum of its items' */
	submit(f,
		"{'variants':[{'name':'a','width':10}],'urls':["
		"{'url':'https://a.test/1','background':{'remove':true,'engine':'remote','max_cost':1}},"
		"{'url':'https://a.test/2','background':{'remove':true,'engine':'remote','max_cost':0.5}},"
		"{'url':'https://a.test/3','background':{'remove':true,'engine':'remote','max_cost':1}}"
		"]}");
	assert_int_equal(cuts(f, t, 3), 3);
	for (int i = 0; i < 3; i++)
		asked += ask(f, &t[i], &a) == OK;
	assert_int_equal(asked, 2);
}

static void a_tenants_month_has_a_limit(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct charge_answer a, b;
	struct task t, two;

	if (strcmp(fixture_backend, "sqlite") != 0)
		return; /* options are given when it is opened */
	clock_set(1792800000000 - 1792800000000 % 86400000); /* 2026-10-23 or so */
	f->opts.max_cost_month = 2 * CALL_COST;
	fixture_reopen(f);
	t = cut_of_job(f, &m, "one", REMOTE("9"));
	assert_int_equal(ask(f, &t, &a), OK);
	bought(f, a.charge, "raw/1");
	finish_paid(f, &t, a.charge);
	two = cut_of_job(f, &m, "two", REMOTE("9"));
	assert_int_equal(ask(f, &two, &b), OK); /* reserved only */
	t = cut_of_job(f, &m, "three", REMOTE("9"));
	assert_int_equal(ask(f, &t, &a), ERR_MATTE_BUDGET);
	assert_non_null(strstr(f->e.text, "month"));
	assert_int_equal(fail_cut(f, &t, ERR_MATTE_BUDGET), OK);
	bought(f, b.charge, "raw/2");
	finish_paid(f, &two, b.charge);
	/* another tenant has a month of its own */
	f->tenant = 2;
	t = cut_of_job(f, &m, "four", REMOTE("9"));
	assert_int_equal(ask(f, &t, &a), OK);
	bought(f, a.charge, "raw/4");
	finish_paid(f, &t, a.charge);
	/* and every month is new */
	f->tenant = 1;
	clock_add(40LL * 86400 * 1000);
	tick(f);
	t = cut_of_job(f, &m, "five", REMOTE("9"));
	assert_int_equal(ask(f, &t, &a), OK);
	clock_set(1000000000000);
}

/* ---- blobs ---- */

static void a_bought_answer_lives_as_long_as_its_original(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct charge_answer a;
	struct task t = cut_of_job(f, &m, "cat", REMOTE("1"));
	const char *raw = "raw/1";
	const char **keys;
	bool named = false;
	struct err e;

	assert_int_equal(ask(f, &t, &a), OK);
	bought(f, a.charge, raw);
	finish_paid(f, &t, a.charge);
	assert_ok(store_blobs_named(f->s, &raw, 1, &named, &e));
	assert_true(named);
	assert_ok(store_trash_add(f->s, &raw, 1, &e));
	assert_int_equal(trash(f, &keys), 0);
	del(f, &m, false);
	tick(f);
	clock_add(3600 * 1000);
	gc(f, 0);
	assert_int_equal(trash(f, &keys), 1);
	assert_string_equal(keys[0], raw);
	/* it may be bought again, for it is gone */
	t = cut_of_job(f, &m, "cat", REMOTE("1"));
	assert_int_equal(ask(f, &t, &a), OK);
	assert_false(a.bought);
}

static void an_answer_for_bytes_that_are_gone_is_counted_and_dropped(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct charge_answer a;
	struct task t = cut_of_job(f, &m, "cat", REMOTE("1"));
	const char **keys;

	assert_int_equal(ask(f, &t, &a), OK);
	del(f, &m, true);
	tick(f);
	gc(f, 0);
	bought(f, a.charge, "raw/1");
	assert_int_equal(usage(f).spent, CALL_COST);
	assert_int_equal(trash(f, &keys), 1);
	assert_string_equal(keys[0], "raw/1");
}

STORE_TEST_MAIN(TEST(a_call_is_asked_for_bought_and_counted),
	TEST(nothing_is_paid_that_was_not_allowed), TEST(a_refusal_gives_the_money_back),
	TEST(a_stale_lease_asks_for_nothing), TEST(a_crash_between_asking_and_storing_is_unknown),
	TEST(a_new_job_may_confirm),
	TEST(a_confirmed_call_that_is_refused_leaves_the_first_unknown),
	TEST(a_confirmation_is_for_one_retry), TEST(an_answer_that_comes_late_is_kept),
	TEST(an_overdue_lease_makes_its_intent_unknown),
	TEST(a_paid_call_goes_on_when_its_item_is_canceled),
	TEST(an_answer_serves_other_options_of_the_same_bytes), TEST(two_tasks_do_not_buy_the_same),
	TEST(who_asks_twice_may_have_paid_already), TEST(one_of_those_who_wait_pays),
	TEST(fifty_at_once_under_a_budget_of_five_make_five_charges),
	TEST(unknown_charges_use_up_the_budget), TEST(an_item_may_set_a_limit_of_its_own),
	TEST(a_tenants_month_has_a_limit), TEST(a_bought_answer_lives_as_long_as_its_original),
	TEST(an_answer_for_bytes_that_are_gone_is_counted_and_dropped))
