/* SPDX-License-Identifier: MIT
 *
 * Ends: cancel, deadline, retry, delete, expiry, and what is collected afterwards.
 */
#include "tests/contract/store_fixture.h"

#define MANY 1200 /* more than two passes */

static struct made_job submit_n(struct fixture *f, const char *path, int n)
{
	CLEANUP(buf_done) struct buf b = BUF_INIT(1 << 22);

	buf_puts(&b, "{'urls':[");
	for (int i = 0; i < n; i++)
		buf_printf(&b, "%s'https://a.test/%s%d.jpg'", i ? "," : "", path, i);
	buf_puts(&b, "],'variants':[{'name':'a','width':10}]}");
	return submit(f, "%s", buf_str(&b));
}

static void cancel(struct fixture *f, const struct made_job *m)
{
	struct err e;

	assert_ok(store_cancel(f->s, 1, m->id, ERR_CANCELED, &e));
}

static int64_t retry(struct fixture *f, const struct made_job *m)
{
	int64_t n = -1;
	struct err e;

	assert_ok(store_retry(f->s, 1, m->id, false, &n, &e));
	return n;
}

static void del(struct fixture *f, const struct made_job *m, bool results)
{
	struct err e;

	assert_ok(store_delete(f->s, 1, m->id, results, &e));
}

static bool is_there(struct fixture *f, const struct made_job *m)
{
	struct job_row *j;
	struct err e;

	assert_ok(store_job_find(f->s, 1, m->id, f->a, &j, &e));
	return j != NULL;
}

static struct gc_report gc(struct fixture *f, int64_t keep)
{
	struct gc_report r, dry;
	struct err e;

	assert_ok(store_gc(f->s, keep, true, &dry, &e));
	assert_ok(store_gc(f->s, keep, false, &r, &e));
	assert_int_equal(dry.originals, r.originals);
	assert_int_equal(dry.results, r.results);
	return r;
}

static void canceling_ends_what_is_open_and_keeps_what_is_done(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit_n(f, "", 3);

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
	struct made_job m = submit_n(f, "", 1);

	work(f);
	int64_t seq = job(f, &m)->seq;
	cancel(f, &m);
	assert_int_equal(job(f, &m)->seq, seq);
	assert_int_equal(job(f, &m)->state, JOB_SUCCEEDED);
}

static void a_large_job_is_canceled_in_passes(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit_n(f, "", MANY);

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
	struct made_job m = submit_n(f, "fail", MANY);

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
	assert_false(is_there(f, &m));
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
	struct made_job m = submit_n(f, "", MANY);
	struct err e;

	plan(f);
	struct task t = claim_one(f);
	del(f, &m, false);
	assert_false(is_there(f, &m));
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
	struct made_job m = submit_n(f, "", 1);

	clock_add(f->opts.keep_ms + 1);
	tick(f);
	assert_true(is_there(f, &m));
	work(f);
	assert_true(is_there(f, &m)); /* who waited for its end can still read it */
	size_t n;
	const struct event_row *ev = events(f, &m, &n);
	assert_int_equal(ev[0].expires_ms, job(f, &m)->created_ms + f->opts.keep_ms);
	assert_int_equal(ev[n - 1].expires_ms, job(f, &m)->expires_ms);
	assert_true(ev[n - 1].expires_ms > ev[0].expires_ms);
	clock_add(f->opts.keep_ms / 10);
	assert_false(is_there(f, &m));
	tick(f);
	struct made_job b = submit_n(f, "", 1);
	work(f);
	assert_true(is_there(f, &b));
	assert_int_equal(job(f, &b)->savings.downloads, 0 + (job(f, &b)->counts.cached > 0));
}

static void nothing_is_collected_that_a_job_names(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit_n(f, "", 3);

	work(f);
	struct gc_report r = gc(f, 0);
	assert_int_equal(r.originals + r.results, 0);
	assert_int_equal(item(f, &m, 1)->variants_n, 1);
	del(f, &m, false);
	tick(f);
	r = gc(f, -2); /* for ever */
	assert_int_equal(r.originals + r.results, 0);
	r = gc(f, 3600 * 1000);
	assert_int_equal(r.originals + r.results, 0);
	r = gc(f, 0);
	assert_int_equal(r.originals, 3);
	assert_int_equal(r.results, 3);
	assert_int_equal(r.blobs, 6);
	const char **keys;
	assert_int_equal(trash(f, &keys), 0);
	clock_add(f->opts.link_ms);
	assert_int_equal(trash(f, &keys), 6);
}

static void open_work_is_not_collected_either(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit_n(f, "", 1);

	plan(f);
	struct task t = claim_one(f), make = finish_fetch(f, &t);
	clock_add(48 * 3600 * 1000);
	gc(f, 0);
	finish_make(f, &make);
	assert_int_equal(job(f, &m)->state, JOB_SUCCEEDED);
	assert_non_null(item(f, &m, 1)->source);
	assert_true(item(f, &m, 1)->source->key[0] != 0);
}

static void a_large_collection_goes_in_passes(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit_n(f, "", MANY);

	work(f);
	clock_add(f->opts.keep_ms + 1);
	struct gc_report r;
	struct err e;
	assert_ok(store_gc(f->s, 0, false, &r, &e));
	assert_int_equal(r.jobs, 1);
	assert_int_equal(r.originals, MANY);
	assert_int_equal(r.results, MANY);
	assert_false(is_there(f, &m));
}

static void a_copy_that_was_collected_during_its_revalidation_is_fetched_again(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit_n(f, "", 1);
	struct err e;

	work(f);
	clock_add(f->opts.fresh_ms + 1);
	struct made_job b = submit_n(f, "", 1);
	plan(f);
	struct task t = claim_one(f);
	struct fetched r = fetched_of(f, &t);
	assert_true(r.not_modified);
	struct made_job c = submit_n(f, "", 1); /* joins, names nothing yet */
	plan(f);
	del(f, &a, true);
	del(f, &b, true);
	tick(f);
	gc(f, 0);
	struct original stands;
	struct task make;
	assert_ok(store_finish_fetch(f->s, t.id, t.lease, &r, "x", 1000, f->a, &make, &stands, &e));
	assert_int_equal(make.id, 0);
	work(f);
	assert_int_equal(job(f, &c)->state, JOB_SUCCEEDED);
	assert_int_equal(f->downloads, 2);
}

static void an_unkept_source_goes_when_its_variants_stand(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f,
		"{'urls':['https://a.test/1'],'keep_source':false,"
		"'variants':[{'name':'a','width':10}]}");
	const char **keys;

	work(f);
	assert_non_null(item(f, &m, 1)->source);
	assert_string_equal(item(f, &m, 1)->source->key, "");
	clock_add(f->opts.link_ms);
	assert_int_equal(trash(f, &keys), 1);
	assert_int_equal(strncmp(keys[0], "original/", 9), 0);
	/* what is made can still be reused, what is not needs another download */
	struct made_job b = submit(f,
		"{'urls':['https://a.test/1'],"
		"'variants':[{'name':'a','width':10}],'cache':'only_if_cached'}");
	work(f);
	assert_int_equal(job(f, &b)->state, JOB_SUCCEEDED);
	struct made_job c = submit(f,
		"{'urls':['https://a.test/1'],"
		"'variants':[{'name':'b','width':20}]}");
	work(f);
	assert_int_equal(job(f, &c)->state, JOB_SUCCEEDED);
	assert_int_equal(f->downloads, 2);
	assert_true(item(f, &c, 1)->source->key[0] != 0);
	assert_int_equal(f->encodes, 2);
}

static void a_source_that_another_job_keeps_stays(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1']}");

	work(f);
	submit(f, "{'urls':['https://a.test/1'],'keep_source':false}");
	work(f);
	assert_true(item(f, &a, 1)->source->key[0] != 0);
}

static void a_source_stays_that_came_for_two_and_one_keeps(void **state)
{
	struct fixture *f = *state;
	const char *body = "{'urls':['https://a.test/1'],'keep_source':%s,'cache':'reload',"
			   "'variants':[{'name':'a','width':10}]}";
	struct original stands;
	struct task make;
	struct err e;

	submit(f, body, "false");
	work(f);
	submit(f, body, "false");
	struct made_job b = submit(f, body, "true");
	plan(f);
	struct task t = claim_one(f);
	struct fetched r = fetched_of(f, &t);
	r.not_modified = false;
	snprintf(r.original.key, sizeof r.original.key, "original/again");
	assert_ok(store_finish_fetch(f->s, t.id, t.lease, &r, "test", 60000, f->a, &make, &stands,
		&e));
	assert_int_equal(job(f, &b)->state, JOB_SUCCEEDED);
	assert_string_equal(item(f, &b, 1)->source->key, "original/again");
}

static void a_job_that_keeps_its_sources_fetches_again_what_another_dropped(void **state)
{
	struct fixture *f = *state;
	const char *body = "{'urls':['https://a.test/1'],'keep_source':%s,'cache':'%s',"
			   "'variants':[{'name':'a','width':10}]}";

	submit(f, body, "false", "default");
	work(f);
	struct made_job only = submit(f, body, "true", "only_if_cached");
	work(f);
	assert_int_equal(job(f, &only)->state, JOB_SUCCEEDED); /* with what there is */
	assert_string_equal(item(f, &only, 1)->source->key, "");
	struct made_job a = submit(f, body, "true", "default");
	work(f);
	assert_true(item(f, &a, 1)->source->key[0] != 0);
	assert_int_equal(item(f, &a, 1)->cache, CACHE_MISS);
	assert_int_equal(f->downloads, 2);
	assert_int_equal(f->encodes, 1);
	assert_int_equal(job(f, &a)->savings.encodes, 1);
	submit(f, body, "false", "default"); /* does not drop what is kept now */
	struct made_job b = submit(f, body, "true", "default");
	work(f);
	assert_int_equal(item(f, &b, 1)->cache, CACHE_HIT);
	assert_string_equal(item(f, &b, 1)->source->key, item(f, &a, 1)->source->key);
	assert_int_equal(f->downloads, 2);
}

static void a_dropped_source_is_asked_for_without_a_condition_by_who_keeps_it(void **state)
{
	struct fixture *f = *state;
	const char *body = "{'urls':['https://a.test/1'],'keep_source':%s,"
			   "'variants':[{'name':'a','width':10}]}";

	submit(f, body, "false");
	work(f);
	clock_add(f->opts.fresh_ms + 1);
	submit(f, body, "false"); /* holds all it asks for: a 304 is enough */
	work(f);
	assert_int_equal(f->revalidations, 1);
	clock_add(f->opts.fresh_ms + 1);
	struct made_job a = submit(f, body, "true");
	work(f);
	assert_int_equal(f->revalidations, 1);
	assert_int_equal(f->downloads, 2);
	assert_true(item(f, &a, 1)->source->key[0] != 0);
}

/* Who asked with a condition is gone, and with it what held the bytes. */
static void a_304_for_a_copy_dropped_meanwhile_is_asked_again(void **state)
{
	struct fixture *f = *state;
	const char *body = "{'urls':['https://a.test/1'],'keep_source':%s,"
			   "'variants':[{'name':'%s','width':%d}]}";
	struct made_job a = submit(f, body, "true", "a", 10);

	work(f);
	del(f, &a, false);
	tick(f);
	clock_add(f->opts.fresh_ms + 1);
	struct made_job b = submit(f, body, "false", "b", 20), c, d;
	plan(f);
	struct task t = claim_one(f);
	c = submit(f, body, "true", "a", 10);
	d = submit(f, body, "false", "d", 30);
	plan(f);
	cancel(f, &b); /* drops the bytes: c and d know nothing of them yet */
	struct fetched r = fetched_of(f, &t);
	assert_true(r.not_modified);
	struct task make;
	struct original stands;
	struct err e;
	assert_ok(store_finish_fetch(f->s, t.id, t.lease, &r, "x", 1000, f->a, &make, &stands, &e));
	assert_int_equal(make.id, 0);
	work(f);
	assert_int_equal(job(f, &c)->state, JOB_SUCCEEDED);
	assert_int_equal(job(f, &d)->state, JOB_SUCCEEDED);
	assert_true(item(f, &c, 1)->source->key[0] != 0);
	assert_int_equal(f->downloads, 2);
	assert_int_equal(f->revalidations, 1);
}

static void an_unkept_source_goes_also_when_nothing_comes_of_it(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1'],'keep_source':false}");
	const char **keys;
	struct err e = { 0 };

	plan(f);
	struct task t = claim_one(f), make = finish_fetch(f, &t);
	assert_ok(fail_with(f, &make, ERR_DECODE_CORRUPT));
	assert_string_equal(item(f, &a, 1)->source->key, "");
	struct made_job b = submit(f, "{'urls':['https://b.test/1'],'keep_source':false}");
	plan(f);
	t = claim_one(f);
	make = finish_fetch(f, &t);
	cancel(f, &b);
	clock_add(f->opts.link_ms);
	assert_int_equal(trash(f, &keys), 2);
}

static void an_original_whose_bytes_were_lost_is_fetched_again_by_a_retry(void **state)
{
	struct fixture *f = *state;
	struct made_job a;
	struct err e = { 0 };

	struct task t = begin(f, &a), make = finish_fetch(f, &t);
	assert_ok(fail_with(f, &make, ERR_BLOB_NOT_FOUND));
	assert_int_equal(job(f, &a)->state, JOB_FAILED);
	assert_int_equal(retry(f, &a), 1);
	work(f);
	assert_int_equal(job(f, &a)->state, JOB_SUCCEEDED);
	assert_int_equal(f->downloads, 2);
}

static void the_second_of_two_equal_downloads_goes_to_the_trash(void **state)
{
	struct fixture *f = *state;
	struct task *t;
	const char **keys;
	struct err e;

	submit(f, "{'urls':['https://a.test/1?bytes=x','https://a.test/2?bytes=x']}");
	plan(f);
	assert_int_equal(claim(f, 2, &t), 2);
	struct fetched r[2] = { fetched_of(f, &t[0]), fetched_of(f, &t[1]) };
	struct original stands;
	struct task make;
	for (int i = 0; i < 2; i++)
		assert_ok(store_finish_fetch(f->s, t[i].id, t[i].lease, &r[i], NULL, 0, f->a, &make,
			&stands, &e));
	assert_string_equal(stands.key, r[0].original.key);
	assert_int_equal(trash(f, &keys), 1);
	assert_string_equal(keys[0], r[1].original.key);
}

static void what_is_made_of_something_deleted_meanwhile_goes_too(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f,
		"{'urls':['https://a.test/1'],"
		"'variants':[{'name':'a','width':10}]}");
	const char **keys;

	plan(f);
	struct task t = claim_one(f), make = finish_fetch(f, &t);
	del(f, &a, true);
	finish_make(f, &make);
	assert_int_equal(gc(f, 0).results, 0);
	clock_add(f->opts.link_ms);
	assert_int_equal(trash(f, &keys), 2);
}

/* The clock leapt, so that a blob on its way looked old and forgotten. */
static void what_was_named_after_all_is_not_taken_out_with_the_trash(void **state)
{
	struct fixture *f = *state;
	const char *key, **keys;
	struct err e;

	submit(f, "{'urls':['https://a.test/1'],'variants':[{'name':'a','width':10}]}");
	plan(f);
	struct task t = claim_one(f), make = finish_fetch(f, &t);
	struct made m = made_of(f, &make);
	key = m.products[0].key;
	assert_ok(store_trash_add(f->s, &key, 1, &e));
	assert_int_equal(trash(f, &keys), 1);
	assert_ok(store_finish_make(f->s, make.id, make.lease, &m, &e));
	assert_int_equal(trash(f, &keys), 0);
}

static void trash_takes_what_nobody_names(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit_n(f, "", 1);
	const char **keys;
	struct err e;

	work(f);
	const char *add[] = { "variant/lost", item(f, &m, 1)->source->key };
	assert_ok(store_trash_add(f->s, add, 2, &e));
	assert_int_equal(trash(f, &keys), 1);
	assert_string_equal(keys[0], "variant/lost");
}

STORE_TEST_MAIN(TEST(canceling_ends_what_is_open_and_keeps_what_is_done),
	TEST(canceling_an_ended_job_changes_nothing), TEST(a_large_job_is_canceled_in_passes),
	TEST(a_deadline_cancels_with_its_own_code), TEST(a_retry_runs_what_failed_and_nothing_else),
	TEST(a_large_retry_goes_in_passes_and_ends_once),
	TEST(a_deleted_job_is_gone_at_once_and_its_id_free),
	TEST(deleting_a_running_job_frees_its_work),
	TEST(results_go_with_their_job_unless_another_names_them),
	TEST(a_job_expires_when_it_has_ended_and_not_before),
	TEST(nothing_is_collected_that_a_job_names), TEST(open_work_is_not_collected_either),
	TEST(a_large_collection_goes_in_passes),
	TEST(a_copy_that_was_collected_during_its_revalidation_is_fetched_again),
	TEST(an_unkept_source_goes_when_its_variants_stand),
	TEST(a_source_that_another_job_keeps_stays),
	TEST(a_source_stays_that_came_for_two_and_one_keeps),
	TEST(a_job_that_keeps_its_sources_fetches_again_what_another_dropped),
	TEST(a_dropped_source_is_asked_for_without_a_condition_by_who_keeps_it),
	TEST(a_304_for_a_copy_dropped_meanwhile_is_asked_again),
	TEST(an_unkept_source_goes_also_when_nothing_comes_of_it),
	TEST(an_original_whose_bytes_were_lost_is_fetched_again_by_a_retry),
	TEST(the_second_of_two_equal_downloads_goes_to_the_trash),
	TEST(what_is_made_of_something_deleted_meanwhile_goes_too),
	TEST(what_was_named_after_all_is_not_taken_out_with_the_trash),
	TEST(trash_takes_what_nobody_names))
