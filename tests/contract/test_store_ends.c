/* SPDX-License-Identifier: MIT
 *
 * Ends: cancel, deadline, retry, delete and expiry.
 */
#include "tests/contract/store_fixture.h"

#define MANY 1200 /* more than two passes */

static void canceling_ends_what_is_open_and_keeps_what_is_done(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit_n(f, "a.test", 3, "");

	plan(f);
	struct task t = claim_one(f), make = finish_fetch(f, &t);
	finish_make(f, &make);
	(void)claim_one(f);
	cancel(f, &m);
	cancel(f, &m);
	struct job_row *j = job(f, &m);
	assert_int_equal(j->state, JOB_CANCELED);
	assert_int_equal(j->counts.succeeded, 1);
	assert_int_equal(j->counts.canceled, 2);
	assert_int_equal(item(f, &m, 3)->outcome->code, ERR_CANCELED);
	assert_string_equal(log_of(f, &m),
		"job.created job.started item.started/1 item.succeeded/1 item.started/2"
		" item.canceled/2 item.canceled/3 job.canceled");
}

static void canceling_an_ended_job_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit_n(f, "a.test", 1, "");

	work(f);
	int64_t seq = job(f, &m)->seq;
	cancel(f, &m);
	assert_int_equal(job(f, &m)->seq, seq);
	assert_int_equal(job(f, &m)->state, JOB_SUCCEEDED);
}

static void a_large_job_is_canceled_in_passes(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit_n(f, "a.test", MANY, "");

	cancel(f, &m);
	assert_int_equal(job(f, &m)->counts.canceled, 500);
	assert_int_equal(job(f, &m)->state, JOB_RUNNING);
	plan(f);
	claim_none(f);
	tick(f);
	assert_int_equal(job(f, &m)->counts.canceled, MANY);
	assert_int_equal(job(f, &m)->state, JOB_CANCELED);
	size_t n;
	struct event_row *ev = events(f, &m, &n);
	assert_int_equal(n, MANY + 3);
	assert_int_equal(ev[1].type, EVENT_JOB_STARTED);
	assert_int_equal(ev[n - 1].type, EVENT_JOB_CANCELED);
}

static void a_deadline_cancels_with_its_own_code(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, "{'urls':['https://a.test/1'],'deadline':60}");

	clock_add(59999);
	tick(f);
	assert_int_equal(job(f, &m)->state, JOB_QUEUED);
	clock_add(1);
	tick(f);
	assert_int_equal(job(f, &m)->state, JOB_CANCELED);
	assert_int_equal(item(f, &m, 1)->outcome->code, ERR_DEADLINE);
}

static void a_retry_runs_what_failed_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, "{'urls':['https://a.test/1','https://a.test/fail']}");
	struct err e;
	int64_t n;

	assert_err(store_retry(f->s, 1, m.id, false, &n, &e), ERR_JOB_NOT_ENDED);
	work(f);
	int64_t seq = job(f, &m)->seq;
	assert_int_equal(retry(f, &m), 1);
	struct job_row *j = job(f, &m);
	assert_int_equal(j->state, JOB_RUNNING);
	assert_int_equal(j->run, 2);
	assert_int_equal(j->ended_ms, 0);
	assert_int_equal(j->counts.failed, 0);
	plan(f);
	struct task t = claim_one(f), make = finish_fetch(f, &t);
	finish_make(f, &make);
	assert_string_equal(log_after(f, &m, seq),
		"job.retried item.started/2 item.succeeded/2 job.succeeded");
	assert_int_equal(item(f, &m, 1)->run, 1);
	assert_int_equal(item(f, &m, 2)->run, 2);
	seq = job(f, &m)->seq;
	assert_int_equal(retry(f, &m), 0);
	assert_int_equal(job(f, &m)->seq, seq);
}

static void a_large_retry_goes_in_passes_and_ends_once(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit_n(f, "a.test/fail", MANY, "");

	work(f);
	assert_int_equal(job(f, &m)->state, JOB_FAILED);
	int64_t seq = job(f, &m)->seq;
	assert_int_equal(retry(f, &m), MANY);
	assert_int_equal(job(f, &m)->counts.queued, 500);
	work(f); /* what is fresh fails again before the rest is */
	assert_int_equal(job(f, &m)->state, JOB_RUNNING);
	for (int i = 0; i < 5; i++) {
		tick(f);
		work(f);
	}
	assert_int_equal(job(f, &m)->state, JOB_FAILED);
	assert_int_equal(job(f, &m)->counts.failed, MANY);
	assert_int_equal(job(f, &m)->seq, seq + 1 + 2 * MANY + 1);
}

static void a_deleted_job_is_gone_at_once_and_its_id_free(void **state)
{
	struct fixture *f = *state;
	const char *body = "{\"urls\":[\"https://a.test/1\"]}";
	struct made_job m, again;
	struct err e = { 0 };
	struct event_row *rows;
	int64_t last, seq;
	bool ended;
	size_t n;

	assert_ok(submit_as(f, "mine", "key", body, &m));
	del(f, &m, false);
	assert_false(job_is_there(f, &m));
	assert_err(store_events(f->s, m.no, 0, 9, 999, f->a, &rows, &n, &last, &ended, &e),
		ERR_NOT_FOUND);
	assert_ok(store_seqs(f->s, &m.no, 1, &seq, &e));
	assert_int_equal(seq, -1);
	assert_err(store_delete(f->s, 1, m.id, false, &e), ERR_NOT_FOUND);
	assert_ok(submit_as(f, "mine", "key", body, &again));
	assert_int_equal(again.result, SUBMIT_CREATED);
	assert_true(again.no > m.no);
	work(f);
	assert_int_equal(job(f, &again)->state, JOB_SUCCEEDED);
}

static void deleting_a_running_job_frees_its_work(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit_n(f, "a.test", MANY, "");
	struct err e;

	plan(f);
	struct task t = claim_one(f);
	del(f, &m, false);
	assert_false(job_is_there(f, &m));
	tick(f);
	struct task_keep k = { .id = t.id, .lease = t.lease };
	assert_ok(store_keep(f->s, &k, 1, 1000, &e));
	assert_true(k.unwanted);
	claim_none(f);
}

static void results_go_with_their_job_unless_another_names_them(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f,
		"{'urls':['https://a.test/1','https://a.test/2'],"
		"'variants':[{'name':'a','width':10},{'name':'b','width':20}]}");

	work(f);
	struct made_job b = submit(f,
		"{'urls':['https://a.test/1'],"
		"'variants':[{'name':'b','width':20}]}");
	work(f);
	const char **keys;
	const char *a1 = item(f, &a, 1)->variants[0].product.key;
	const char *a2 = item(f, &a, 1)->variants[1].product.key;
	const char *a3 = item(f, &a, 2)->source->key;
	bool named[3];
	struct err e;
	del(f, &a, true);
	tick(f);
	assert_int_equal(trash(f, &keys), 0);
	clock_add(f->opts.link_ms);
	assert_int_equal(trash(f, &keys), 4); /* a of 1; a, b and the original of 2 */
	assert_ok(store_trash_gone(f->s, keys, 4, &e));
	assert_ok(store_blobs_named(f->s, (const char *[]){ a1, a2, a3 }, 3, named, &e));
	assert_false(named[0]);
	assert_true(named[1]);
	assert_false(named[2]);
	assert_int_equal(item(f, &b, 1)->variants_n, 1);
	assert_non_null(item(f, &b, 1)->source);
}

static void a_job_expires_when_it_has_ended_and_not_before(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit_n(f, "a.test", 1, "");

	clock_add(f->opts.keep_ms + 1);
	tick(f);
	assert_true(job_is_there(f, &m));
	work(f);
	assert_true(job_is_there(f, &m)); /* who waited for its end can still read it */
	size_t n;
	const struct event_row *ev = events(f, &m, &n);
	assert_int_equal(ev[0].expires_ms, job(f, &m)->created_ms + f->opts.keep_ms);
	assert_int_equal(ev[n - 1].expires_ms, job(f, &m)->expires_ms);
	assert_true(ev[n - 1].expires_ms > ev[0].expires_ms);
	clock_add(f->opts.keep_ms / 10);
	assert_false(job_is_there(f, &m));
	tick(f);
	struct made_job b = submit_n(f, "a.test", 1, "");
	work(f);
	assert_true(job_is_there(f, &b));
	assert_int_equal(job(f, &b)->savings.downloads, 0 + (job(f, &b)->counts.cached > 0));
}

static void make_and_see(struct fixture *f, const struct task *t, const char *look)
{
	struct made m = made_of(f, t);
	struct err e;

	snprintf(m.original.thumbhash, sizeof m.original.thumbhash, "%s", look);
	snprintf(m.original.color, sizeof m.original.color, "#%.6s", look);
	assert_ok(store_finish_make(f->s, t->id, t->lease, &m, &e));
}

/* The source as this event tells it. */
static const struct original *told(struct fixture *f, const struct made_job *m,
	enum event_type type)
{
	size_t n;
	const struct event_row *ev = events(f, m, &n);

	for (size_t i = 0; i < n; i++)
		if (ev[i].type == type)
			return ev[i].item->source;
	fail_msg("no such event");
	return NULL;
}

static void an_event_goes_on_telling_what_it_told(void **state)
{
	struct fixture *f = *state;
	struct made_job a, b;
	struct task fetch = begin(f, &a), first = finish_fetch(f, &fetch);

	b = submit(f, "{'urls':['https://a.test/1'],'variants':[{'name':'b','width':20}]}");
	plan(f);
	struct task second = claim_one(f);
	assert_non_null(told(f, &b, EVENT_ITEM_STARTED));
	struct original then = *told(f, &b, EVENT_ITEM_STARTED);
	assert_int_equal(original_detail(&then), DETAIL_BYTES);
	make_and_see(f, &first, "123456");
	assert_memory_equal(told(f, &b, EVENT_ITEM_STARTED), &then, sizeof then);
	assert_int_equal(original_detail(told(f, &a, EVENT_ITEM_SUCCEEDED)), DETAIL_LOOK);
	make_and_see(f, &second, "abcdef");
	assert_memory_equal(told(f, &b, EVENT_ITEM_STARTED), &then, sizeof then);
	assert_string_equal(told(f, &a, EVENT_ITEM_SUCCEEDED)->thumbhash, "123456");
	assert_string_equal(told(f, &b, EVENT_ITEM_SUCCEEDED)->color, "#123456");
	assert_string_equal(item(f, &b, 1)->source->thumbhash, "123456");
}

STORE_TEST_MAIN(TEST(an_event_goes_on_telling_what_it_told),
	TEST(canceling_ends_what_is_open_and_keeps_what_is_done),
	TEST(canceling_an_ended_job_changes_nothing), TEST(a_large_job_is_canceled_in_passes),
	TEST(a_deadline_cancels_with_its_own_code), TEST(a_retry_runs_what_failed_and_nothing_else),
	TEST(a_large_retry_goes_in_passes_and_ends_once),
	TEST(a_deleted_job_is_gone_at_once_and_its_id_free),
	TEST(deleting_a_running_job_frees_its_work),
	TEST(results_go_with_their_job_unless_another_names_them),
	TEST(a_job_expires_when_it_has_ended_and_not_before))
