/* SPDX-License-Identifier: MIT
 *
 * Items that want a cut-out: beside their variants, or before them.
 */
#include "tests/contract/store_fixture.h"

#define PLAIN   "'variants':[{'name':'a','width':10},{'name':'b','width':20}]"
#define CUTOUT  PLAIN ",'background':{'remove':true}"
#define BEFORE  PLAIN ",'background':{'remove':true,'apply':'variants'}"
#define BOTH    PLAIN ",'background':{'remove':true,'apply':'both'}"
#define ONE(q)  "{'urls':['https://a.test/1?bytes=cat']," q "}"
#define NONE(q) "{'urls':['https://a.test/1?bytes=none']," q "}"
#define BAD(q)  "{'urls':['https://a.test/1?bytes=bad']," q "}"

/* The fetch is done; its make is not lent. */
static void fetch(struct fixture *f)
{
	struct err e;
	struct original stands;
	struct task make, t;

	plan(f);
	t = claim_one(f);
	struct fetched r = fetched_of(f, &t);
	assert_ok(store_finish_fetch(f->s, t.id, t.lease, &r, NULL, 0, f->a, &make, &stands, &e));
}

/* The make and the cut that are ready. */
static void both_tasks(struct fixture *f, struct task *make, struct task *cut)
{
	struct task *t;

	assert_int_equal(claim(f, 5, &t), 2);
	bool first = t[0].kind == TASK_MAKE;
	*make = t[first ? 0 : 1];
	*cut = t[first ? 1 : 0];
	assert_int_equal(make->kind, TASK_MAKE);
	assert_int_equal(cut->kind, TASK_CUT);
}

static void assert_cutouts(struct fixture *f, const struct made_job *m, int ok, int failed,
	int none)
{
	struct counts c = job(f, m)->counts;

	assert_int_equal(c.cutouts.succeeded, ok);
	assert_int_equal(c.cutouts.failed, failed);
	assert_int_equal(c.cutouts.none, none);
}

/* ---- beside the variants ---- */

static void variants_do_not_wait_for_the_cut(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, ONE(CUTOUT));
	struct task make, cut;

	assert_int_equal(item(f, &m, 1)->cut, CUT_WANTED);
	fetch(f);
	both_tasks(f, &make, &cut);
	finish_make(f, &make);
	struct item_row *it = item(f, &m, 1);
	assert_int_equal(it->state, ITEM_OPEN);
	assert_int_equal(it->step, STEP_PROCESSING);
	assert_int_equal(it->variants_n, 2);
	assert_int_equal(it->cut, CUT_WANTED);
	assert_null(it->cutout);
	assert_int_equal(job(f, &m)->counts.running, 1);
	finish_cut(f, &cut, CUT_LOCAL);
	it = item(f, &m, 1);
	assert_int_equal(it->state, ITEM_SUCCEEDED);
	assert_int_equal(it->cut, CUT_SUCCEEDED);
	assert_int_equal(it->cut_reason, CUT_REASON_ASKED);
	assert_false(it->cut_hidden);
	assert_string_equal(it->cutout->ident, "u2netp");
	assert_int_equal(it->cutout->width, 64);
	assert_int_equal(it->source->width, 640);
	assert_string_equal(log_of(f, &m),
		"job.created job.started item.started/1 item.progress/1 item.succeeded/1"
		" job.succeeded");
	assert_cutouts(f, &m, 1, 0, 0);
}

static void a_cut_that_is_first_sends_no_progress(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, ONE(CUTOUT));
	struct task make, cut;

	fetch(f);
	both_tasks(f, &make, &cut);
	finish_cut(f, &cut, CUT_LOCAL);
	struct item_row *it = item(f, &m, 1);
	assert_int_equal(it->state, ITEM_OPEN);
	assert_int_equal(it->cut, CUT_SUCCEEDED);
	assert_non_null(it->cutout);
	assert_string_equal(it->source->color, "#102030");
	finish_make(f, &make);
	assert_int_equal(item(f, &m, 1)->variants_n, 2);
	assert_string_equal(log_of(f, &m),
		"job.created job.started item.started/1 item.succeeded/1 job.succeeded");
}

static void events_tell_the_cut_as_it_was_then(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, ONE(CUTOUT));
	size_t n;

	work(f);
	struct event_row *ev = events(f, &m, &n);
	assert_int_equal(ev[0].counts.cutouts.succeeded, 0);
	assert_int_equal(ev[n - 1].counts.cutouts.succeeded, 1);
	const struct item_row *progress = NULL, *end = ev[n - 2].item;
	for (size_t i = 0; i < n; i++)
		if (ev[i].type == EVENT_ITEM_PROGRESS)
			progress = ev[i].item;
	assert_non_null(progress);
	assert_int_equal(progress->cut, CUT_WANTED);
	assert_int_equal(progress->variants_n, 2);
	assert_int_equal(progress->state, ITEM_OPEN);
	assert_non_null(progress->source);
	assert_int_equal(end->cut, CUT_SUCCEEDED);
	assert_non_null(end->cutout);
	assert_int_equal(end->variants_n, 2);
}

static void the_same_cut_is_made_once(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, ONE(CUTOUT)), b = submit(f, ONE(CUTOUT));

	work(f);
	assert_int_equal(f->tasks, 3 - 1); /* the fetch, whose make is lent with it, and one cut */
	assert_int_equal(item(f, &a, 1)->cut, CUT_SUCCEEDED);
	assert_string_equal(item(f, &a, 1)->cutout->key, item(f, &b, 1)->cutout->key);
	/* and from the cache, under another URL too */
	struct made_job c = submit(f, "{'urls':['https://b.test/2?bytes=cat']," CUTOUT "}");
	work(f);
	assert_int_equal(f->tasks, 3);
	assert_string_equal(item(f, &a, 1)->cutout->key, item(f, &c, 1)->cutout->key);
	struct made_job d = submit(f, ONE(CUTOUT));
	work(f);
	assert_int_equal(f->tasks, 3);
	assert_string_equal(log_of(f, &d),
		"job.created job.started item.succeeded/1 job.succeeded");
}

static void variants_that_are_there_are_told_at_once(void **state)
{
	struct fixture *f = *state;

	submit(f, ONE(PLAIN));
	work(f);
	struct made_job m = submit(f, ONE(CUTOUT));
	plan(f);
	assert_string_equal(log_of(f, &m),
		"job.created job.started item.started/1 item.progress/1");
	struct task t = claim_one(f);
	assert_int_equal(t.kind, TASK_CUT);
	finish_cut(f, &t, CUT_LOCAL);
	assert_string_equal(log_after(f, &m, 4), "item.succeeded/1 job.succeeded");
}

static void a_subject_that_is_not_there_is_no_failure(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, NONE(CUTOUT));

	work(f);
	struct item_row *it = item(f, &m, 1);
	assert_int_equal(it->state, ITEM_SUCCEEDED);
	assert_int_equal(it->cut, CUT_NONE);
	assert_int_equal(it->cut_outcome->code, ERR_MATTE_NO_FOREGROUND);
	assert_int_equal(it->outcome->code, OK);
	assert_int_equal(it->variants_n, 2);
	assert_int_equal(job(f, &m)->state, JOB_SUCCEEDED);
	assert_cutouts(f, &m, 0, 0, 1);
}

static void a_failed_cut_leaves_the_variants_and_a_partial_job(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, BAD(CUTOUT));

	work(f);
	struct item_row *it = item(f, &m, 1);
	assert_int_equal(it->state, ITEM_SUCCEEDED);
	assert_int_equal(it->cut, CUT_FAILED);
	assert_int_equal(it->cut_outcome->code, ERR_MATTE_FAILED);
	assert_string_equal(it->cut_outcome->detail, "test says so");
	assert_int_equal(it->variants_n, 2);
	assert_int_equal(job(f, &m)->state, JOB_PARTIAL);
	assert_cutouts(f, &m, 0, 1, 0);
}

static void a_retry_reaches_a_failed_cut(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, BAD(CUTOUT));
	struct task t;

	work(f);
	assert_int_equal(retry(f, &m), 1);
	assert_cutouts(f, &m, 0, 0, 0);
	assert_int_equal(job(f, &m)->counts.succeeded, 0);
	assert_int_equal(item(f, &m, 1)->cut, CUT_WANTED);
	plan(f);
	t = claim_one(f); /* the variants are there */
	finish_cut(f, &t, CUT_LOCAL);
	assert_int_equal(f->encodes, 2);
	struct item_row *it = item(f, &m, 1);
	assert_int_equal(it->run, 2);
	assert_int_equal(it->cut, CUT_SUCCEEDED);
	assert_int_equal(it->variants_n, 2);
	assert_int_equal(job(f, &m)->state, JOB_SUCCEEDED);
	assert_cutouts(f, &m, 1, 0, 0);
	assert_int_equal(retry(f, &m), 0);
}

static void a_make_that_fails_takes_the_item_with_it(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, ONE(CUTOUT));
	struct task make, cut;

	fetch(f);
	both_tasks(f, &make, &cut);
	assert_int_equal(fail_with(f, &make, ERR_DECODE_CORRUPT), OK);
	struct item_row *it = item(f, &m, 1);
	assert_int_equal(it->state, ITEM_FAILED);
	assert_int_equal(it->cut, CUT_OFF); /* nothing is awaited any more */
	finish_cut(f, &cut, CUT_LOCAL);     /* nobody waits, and it is kept */
	assert_int_equal(job(f, &m)->state, JOB_FAILED);
	assert_int_equal(retry(f, &m), 1);
	plan(f);
	make = claim_one(f);
	finish_make(f, &make);
	assert_int_equal(item(f, &m, 1)->cut, CUT_SUCCEEDED);
}

static void a_canceled_item_drops_its_cut(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, ONE(CUTOUT));
	struct task make, cut;
	struct task_keep k;
	struct err e;

	fetch(f);
	both_tasks(f, &make, &cut);
	cancel(f, &m);
	k = (struct task_keep){ .id = cut.id, .lease = cut.lease, .bytes = -1, .bytes_total = -1 };
	assert_ok(store_keep(f->s, &k, 1, 60000, &e));
	assert_true(k.unwanted);
	assert_int_equal(item(f, &m, 1)->state, ITEM_CANCELED);
	assert_int_equal(item(f, &m, 1)->cut, CUT_OFF);
	assert_int_equal(job(f, &m)->state, JOB_CANCELED);
}

static void a_cut_that_crashes_three_times_fails_alone(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, ONE(CUTOUT));
	struct task make, cut;
	struct err e;

	fetch(f);
	both_tasks(f, &make, &cut);
	finish_make(f, &make);
	for (int i = 0; i < 3; i++) {
		if (i > 0)
			cut = claim_one(f);
		assert_ok(store_later(f->s, cut.id, cut.lease, clock_now(), NULL, true, &e));
		tick(f);
	}
	assert_int_equal(item(f, &m, 1)->state, ITEM_SUCCEEDED);
	assert_int_equal(item(f, &m, 1)->cut_outcome->code, ERR_DECODE_CRASHED);
	assert_int_equal(job(f, &m)->state, JOB_PARTIAL);
}

static void a_cut_whose_owner_vanished_is_lent_again(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, ONE(CUTOUT));
	struct task make, cut, again;
	struct err e;
	int64_t n;

	fetch(f);
	both_tasks(f, &make, &cut);
	finish_make(f, &make);
	assert_ok(store_recover(f->s, &n, &e));
	assert_int_equal(n, 1);
	again = claim_one(f);
	struct cut_made late = cut_made_of(f, &cut, CUT_LOCAL, 0.9);
	assert_err(store_finish_cut(f->s, cut.id, cut.lease, &late, &e), ERR_STORE_STALE);
	finish_cut(f, &again, CUT_LOCAL);
	assert_int_equal(job(f, &m)->state, JOB_SUCCEEDED);
}

static void claims_leave_cuts_where_there_is_no_place_for_them(void **state)
{
	struct fixture *f = *state;
	struct claim c = { .owner = "test", .lease_ms = 60000, .max = 10, .no_cuts = true };
	struct task *t;
	size_t n;
	struct err e;

	submit(f, "{'urls':['https://a.test/1','https://a.test/2','https://a.test/3']," CUTOUT "}");
	plan(f);
	assert_ok(store_claim(f->s, &c, f->a, &t, &n, &e));
	assert_int_equal(n, 3);
	for (size_t i = 0; i < 3; i++) {
		struct task make = finish_fetch(f, &t[i]);
		finish_make(f, &make);
	}
	assert_ok(store_claim(f->s, &c, f->a, &t, &n, &e));
	assert_int_equal(n, 0);
	c.no_cuts = false;
	c.max_cuts = 2;
	assert_ok(store_claim(f->s, &c, f->a, &t, &n, &e));
	assert_int_equal(n, 2);
	c.max_cuts = 0;
	assert_ok(store_claim(f->s, &c, f->a, &t, &n, &e));
	assert_int_equal(n, 1);
}

static void a_heartbeat_of_a_cut_is_heard_by_its_job(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, ONE(CUTOUT));
	struct task make, cut;
	struct err e;
	size_t n;

	fetch(f);
	both_tasks(f, &make, &cut);
	finish_make(f, &make);
	clock_add(1000);
	struct task_keep k = { .id = cut.id,
		.lease = cut.lease,
		.step = STEP_STORING,
		.bytes = -1,
		.bytes_total = -1 };
	assert_ok(store_keep(f->s, &k, 1, 60000, &e));
	assert_false(k.unwanted || k.stale);
	assert_int_equal(item(f, &m, 1)->step, STEP_STORING);
	struct event_row *ev = events(f, &m, &n);
	assert_int_equal(ev[n - 1].type, EVENT_JOB_PROGRESS);
	assert_int_equal(ev[n - 1].active_n, 1);
	assert_int_equal(ev[n - 1].active[0].step, STEP_STORING);
}

/* ---- before the variants ---- */

static void variants_are_made_from_the_cut_out(void **state)
{
	struct fixture *f = *state;
	static const char *const jobs[] = { ONE(BEFORE), ONE(BOTH) };

	for (int i = 0; i < 2; i++) {
		struct made_job m = submit(f, "%s", jobs[i]);
		struct task t;
		struct make_input in;
		struct err e;
		if (i == 0) {
			fetch(f);
			t = claim_one(f);
			finish_cut(f, &t, CUT_LOCAL);
			assert_int_equal(item(f, &m, 1)->cut, CUT_SUCCEEDED);
			t = claim_one(f);
			assert_ok(make_input_parse(t.input, &in, &e));
			assert_string_equal(in.original.key, item(f, &m, 1)->cutout->key);
			recipe_done(&in.recipe);
			finish_make(f, &t);
		}
		work(f); /* the second job finds it all */
		struct item_row *it = item(f, &m, 1);
		assert_int_equal(it->state, ITEM_SUCCEEDED);
		assert_int_equal(it->variants_n, 2);
		assert_int_equal(it->cut_hidden, i == 0);
		assert_int_equal(it->source->width, 640);
		assert_true(it->source->key[0] != 0);
		const char *log = log_of(f, &m);
		assert_null(strstr(log, "item.progress"));
	}
	assert_int_equal(f->encodes, 2);
	/* those of the original are others */
	struct made_job m = submit(f, ONE(PLAIN));
	work(f);
	assert_int_equal(f->encodes, 4);
	assert_int_equal(item(f, &m, 1)->variants_n, 2);
}

static void events_name_variants_of_a_cut_out(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, ONE(BEFORE));
	size_t n;

	work(f);
	struct event_row *ev = events(f, &m, &n);
	assert_int_equal(ev[n - 2].type, EVENT_ITEM_SUCCEEDED);
	assert_int_equal(ev[n - 2].item->variants_n, 2);
	assert_true(ev[n - 2].item->cut_hidden);
}

static void without_a_subject_variants_are_made_from_the_original(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, NONE(BEFORE));

	work(f);
	struct item_row *it = item(f, &m, 1);
	assert_int_equal(it->state, ITEM_SUCCEEDED);
	assert_int_equal(it->variants_n, 2);
	assert_int_equal(it->cut, CUT_NONE);
	submit(f, NONE(PLAIN));
	work(f);
	assert_int_equal(f->encodes, 2);
}

static void a_background_that_was_to_go_is_never_delivered(void **state)
{
	struct fixture *f = *state;
	static const char *const jobs[] = { BAD(BEFORE), BAD(BOTH) };

	for (int i = 0; i < 2; i++) {
		struct made_job m = submit(f, "%s", jobs[i]);
		work(f);
		struct item_row *it = item(f, &m, 1);
		assert_int_equal(it->state, ITEM_FAILED);
		assert_int_equal(it->outcome->code, ERR_MATTE_FAILED);
		assert_int_equal(it->cut, CUT_FAILED);
		assert_int_equal(it->variants_n, 0);
		assert_int_equal(job(f, &m)->state, JOB_FAILED);
		assert_cutouts(f, &m, 0, 1, 0);
		assert_int_equal(retry(f, &m), 1);
		assert_cutouts(f, &m, 0, 0, 0);
		work(f);
		assert_cutouts(f, &m, 0, 1, 0);
	}
}

static void a_cut_out_that_was_lost_is_made_again(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, ONE(BEFORE));
	struct task t;

	fetch(f);
	t = claim_one(f);
	finish_cut(f, &t, CUT_LOCAL);
	t = claim_one(f);
	assert_int_equal(fail_with(f, &t, ERR_BLOB_NOT_FOUND), OK);
	assert_int_equal(item(f, &m, 1)->state, ITEM_FAILED);
	assert_int_equal(retry(f, &m), 1);
	plan(f);
	t = claim_one(f);
	assert_int_equal(t.kind, TASK_CUT);
	finish_cut(f, &t, CUT_LOCAL);
	work(f);
	assert_int_equal(item(f, &m, 1)->state, ITEM_SUCCEEDED);
}

/* The bytes were lost while its variants were made: another download may bring others. */
static void what_is_fetched_again_is_cut_again_or_found(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, ONE(CUTOUT));
	struct task make, cut, other;
	struct err e;

	fetch(f);
	both_tasks(f, &make, &cut);
	finish_cut(f, &cut, CUT_LOCAL);
	assert_cutouts(f, &m, 1, 0, 0);
	submit(f, "{'urls':['https://a.test/1?bytes=cat'],'variants':[{'name':'c','width':30}]}");
	plan(f);
	other = claim_one(f);
	assert_int_equal(fail_with(f, &other, ERR_BLOB_NOT_FOUND), OK);
	struct made none = { .original = cut_made_of(f, &cut, CUT_LOCAL, 1).original };
	assert_ok(store_finish_make(f->s, make.id, make.lease, &none, &e));
	assert_int_equal(item(f, &m, 1)->cut, CUT_WANTED);
	assert_cutouts(f, &m, 0, 0, 0);
	work(f);
	assert_int_equal(item(f, &m, 1)->state, ITEM_SUCCEEDED);
	assert_cutouts(f, &m, 1, 0, 0);
	assert_int_equal(usage(f).cutouts, 1);
	assert_int_equal(f->downloads, 2);
}

/* ---- which result serves ---- */

static void auto_shares_with_the_engines_it_would_come_to(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum cut_engine made;
		double confidence;
		const char *more;
		bool serves;
		enum cut_reason reason;
	} cases[] = {
		{ CUT_REMOTE, -1, "", true, CUT_REASON_UNSURE },
		{ CUT_FLAT, 1, "", true, CUT_REASON_FLAT },
		{ CUT_LOCAL, 0.7, "", true, CUT_REASON_CONFIDENT },
		{ CUT_LOCAL, 0.5, "", true, CUT_REASON_UNPAID },
		{ CUT_LOCAL, 0.5, ",'max_cost':1", false, 0 },
	};
	static const char *const engines[] = { "local", "auto", "remote", "flat" };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		submit(f,
			"{'urls':['https://a.test/%zu'],'background':{'remove':true,'engine':'%s',"
			"'max_cost':9}," PLAIN "}",
			i, engines[cases[i].made]);
		struct task make, cut;
		struct err e;
		fetch(f);
		both_tasks(f, &make, &cut);
		finish_make(f, &make);
		struct cut_made made = cut_made_of(f, &cut, cases[i].made, cases[i].confidence);
		assert_ok(store_finish_cut(f->s, cut.id, cut.lease, &made, &e));
		struct made_job m = submit(f,
			"{'urls':['https://a.test/%zu'],'background':{'remove':true,'engine':'auto'%s}," PLAIN
			"}",
			i, cases[i].more);
		plan(f);
		struct item_row *it = item(f, &m, 1);
		assert_int_equal(it->cut, cases[i].serves ? CUT_SUCCEEDED : CUT_WANTED);
		if (cases[i].serves)
			assert_int_equal(it->cut_reason, cases[i].reason);
		cancel(f, &m);
		claim_none(f);
	}
}

/* ---- blobs ---- */

static void cut_outs_stay_while_an_item_names_them(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, ONE(BEFORE)), b = submit(f, ONE(CUTOUT));
	const char **keys;

	work(f);
	clock_add(2 * 3600 * 1000);
	struct gc_report r = gc(f, 0);
	assert_int_equal(r.results, 0);
	assert_int_equal(item(f, &a, 1)->variants_n, 2);
	del(f, &b, false);
	tick(f);
	r = gc(f, 0);
	assert_int_equal(r.results, 0); /* an item names the original of the others */
	assert_int_equal(item(f, &a, 1)->variants_n, 2);
	assert_non_null(item(f, &a, 1)->cutout);
	del(f, &a, false);
	tick(f);
	r = gc(f, 0);
	assert_int_equal(r.results, 5);
	assert_int_equal(r.originals, 1);
	clock_add(f->opts.link_ms);
	assert_int_equal(trash(f, &keys), 6);
}

static void a_job_is_deleted_with_its_cut_outs(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, ONE(BOTH));
	const char **keys;

	work(f);
	del(f, &a, true);
	tick(f);
	clock_add(f->opts.link_ms);
	assert_int_equal(trash(f, &keys), 4); /* original, cut-out, two variants */
}

static void a_source_goes_only_when_both_stand(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, ONE(CUTOUT ",'keep_source':false"));
	struct task make, cut;

	fetch(f);
	both_tasks(f, &make, &cut);
	finish_make(f, &make);
	assert_true(item(f, &m, 1)->source->key[0] != 0);
	finish_cut(f, &cut, CUT_LOCAL);
	assert_true(item(f, &m, 1)->source->key[0] == 0);
	/* what is made of it is enough for the next */
	clock_add(f->opts.fresh_ms + 1);
	struct made_job again = submit(f, ONE(CUTOUT ",'keep_source':false"));
	work(f);
	assert_int_equal(f->revalidations, 1);
	assert_int_equal(item(f, &again, 1)->cut, CUT_SUCCEEDED);
	/* other options need the bytes again */
	struct made_job other = submit(f,
		"{'urls':['https://a.test/1?bytes=cat']," PLAIN ",'keep_source':false,"
		"'background':{'remove':true,'fill':'red'}}");
	work(f);
	assert_int_equal(f->downloads, 2);
	assert_int_equal(item(f, &other, 1)->cut, CUT_SUCCEEDED);
}

static void items_have_their_own_backgrounds(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f,
		"{'urls':['https://a.test/1?bytes=cat',{'url':'https://a.test/1?bytes=cat',"
		"'background':{'remove':false}},{'url':'https://a.test/1?bytes=cat',"
		"'background':{'remove':true,'apply':'variants','engine':'flat'}}]," CUTOUT "}");

	work(f);
	assert_int_equal(job(f, &m)->state, JOB_SUCCEEDED);
	assert_int_equal(item(f, &m, 1)->cutout->engine, CUT_LOCAL);
	assert_int_equal(item(f, &m, 2)->cut, CUT_OFF);
	assert_int_equal(item(f, &m, 3)->cutout->engine, CUT_FLAT);
	assert_true(item(f, &m, 3)->cut_hidden);
	assert_false(item(f, &m, 1)->cut_hidden);
	assert_int_equal(item(f, &m, 3)->variants_n, 2);
	assert_cutouts(f, &m, 2, 0, 0);
}

static void many_items_of_one_cut_are_settled_in_passes(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_done) struct buf b = BUF_INIT(1 << 20);

	buf_puts(&b, "{'urls':[");
	for (int i = 0; i < 1203; i++)
		buf_printf(&b, "%s'https://a.test/%d?bytes=cat'", i ? "," : "", i);
	buf_puts(&b, "],'variants':[{'name':'a','width':10}],'background':{'remove':true}}");
	f->opts.plan_waiting_min = 2000;
	if (strcmp(fixture_backend, "sqlite") != 0)
		return; /* what memory holds is gone with it */
	fixture_reopen(f);
	struct made_job m = submit(f, "%s", buf_str(&b));
	struct task *t;
	plan(f);
	size_t n = claim(f, 2000, &t);
	assert_int_equal(n, 1203);
	for (size_t i = 0; i < n; i++) {
		struct task make = finish_fetch(f, &t[i]);
		if (make.id)
			finish_make(f, &make);
	}
	tick(f);
	struct task cut = claim_one(f);
	finish_cut(f, &cut, CUT_LOCAL);
	tick(f);
	assert_cutouts(f, &m, 1203, 0, 0);
	assert_int_equal(job(f, &m)->state, JOB_SUCCEEDED);
}

STORE_TEST_MAIN(TEST(variants_do_not_wait_for_the_cut), TEST(a_cut_that_is_first_sends_no_progress),
	TEST(events_tell_the_cut_as_it_was_then), TEST(the_same_cut_is_made_once),
	TEST(variants_that_are_there_are_told_at_once),
	TEST(a_subject_that_is_not_there_is_no_failure),
	TEST(a_failed_cut_leaves_the_variants_and_a_partial_job),
	TEST(a_retry_reaches_a_failed_cut), TEST(a_make_that_fails_takes_the_item_with_it),
	TEST(a_canceled_item_drops_its_cut), TEST(a_cut_that_crashes_three_times_fails_alone),
	TEST(a_cut_whose_owner_vanished_is_lent_again),
	TEST(claims_leave_cuts_where_there_is_no_place_for_them),
	TEST(a_heartbeat_of_a_cut_is_heard_by_its_job), TEST(variants_are_made_from_the_cut_out),
	TEST(events_name_variants_of_a_cut_out),
	TEST(without_a_subject_variants_are_made_from_the_original),
	TEST(a_background_that_was_to_go_is_never_delivered),
	TEST(a_cut_out_that_was_lost_is_made_again),
	TEST(what_is_fetched_again_is_cut_again_or_found),
	TEST(auto_shares_with_the_engines_it_would_come_to),
	TEST(cut_outs_stay_while_an_item_names_them), TEST(a_job_is_deleted_with_its_cut_outs),
	TEST(a_source_goes_only_when_both_stand), TEST(items_have_their_own_backgrounds),
	TEST(many_items_of_one_cut_are_settled_in_passes))
