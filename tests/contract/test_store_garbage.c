/* SPDX-License-Identifier: MIT
 *
 * What is kept of sources and results, what is collected or dropped, and what becomes trash.
 */
#include "tests/contract/store_fixture.h"

#define MANY 1200 /* more than two passes */

static void nothing_is_collected_that_a_job_names(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit_n(f, "a.test", 3, "");

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
	struct made_job m = submit_n(f, "a.test", 1, "");

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
	struct made_job m = submit_n(f, "a.test", MANY, "");

	work(f);
	clock_add(f->opts.keep_ms + 1);
	struct gc_report r;
	struct err e;
	assert_ok(store_gc(f->s, 0, false, &r, &e));
	assert_int_equal(r.jobs, 1);
	assert_int_equal(r.originals, MANY);
	assert_int_equal(r.results, MANY);
	assert_false(job_is_there(f, &m));
}

static void a_copy_that_was_collected_during_its_revalidation_is_fetched_again(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit_n(f, "a.test", 1, "");
	struct err e;

	work(f);
	clock_add(f->opts.fresh_ms + 1);
	struct made_job b = submit_n(f, "a.test", 1, "");
	plan(f);
	struct task t = claim_one(f);
	struct fetched r = fetched_of(f, &t);
	assert_true(r.not_modified);
	struct made_job c = submit_n(f, "a.test", 1, ""); /* joins, names nothing yet */
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
	struct made_job m = submit_n(f, "a.test", 1, "");
	const char **keys;
	struct err e;

	work(f);
	const char *add[] = { "variant/lost", item(f, &m, 1)->source->key };
	assert_ok(store_trash_add(f->s, add, 2, &e));
	assert_int_equal(trash(f, &keys), 1);
	assert_string_equal(keys[0], "variant/lost");
}

STORE_TEST_MAIN(TEST(nothing_is_collected_that_a_job_names),
	TEST(open_work_is_not_collected_either), TEST(a_large_collection_goes_in_passes),
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
