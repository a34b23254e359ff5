/* SPDX-License-Identifier: MIT
 *
 * The main road of every store: a job from its submission to its last event, and the same work done
 * once at each depth.
 */
#include "tests/contract/store_fixture.h"

static void a_job_runs_from_queued_to_succeeded(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, "{'urls':['https://a.test/1.jpg']}");

	assert_int_equal(m.result, SUBMIT_CREATED);
	assert_int_equal(job(f, &m)->state, JOB_QUEUED);
	assert_int_equal(job(f, &m)->counts.queued, 1);
	work(f);
	struct job_row *j = job(f, &m);
	assert_int_equal(j->state, JOB_SUCCEEDED);
	assert_int_equal(j->counts.succeeded, 1);
	assert_int_equal(j->counts.cached, 0);
	assert_int_equal(f->downloads, 1);
	assert_int_equal(f->encodes, 5);
	assert_string_equal(log_of(f, &m),
		"job.created job.started item.started/1 item.succeeded/1 job.succeeded");
}

static void an_item_tells_what_was_made_of_it(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, "{'urls':[{'url':'https://a.test/1.jpg','ref':'sku-17'}]}");

	work(f);
	struct item_row *it = item(f, &m, 1);
	assert_int_equal(it->state, ITEM_SUCCEEDED);
	assert_true(it->has_cache);
	assert_int_equal(it->cache, CACHE_MISS);
	assert_int_equal(it->refs_n, 1);
	assert_string_equal(it->refs[0], "sku-17");
	assert_int_equal(it->variants_n, 5);
	assert_string_equal(it->variants[0].name, "thumb");
	assert_string_equal(it->variants[4].name, "xl");
	assert_int_equal(it->variants[4].product.width, 1920);
	assert_non_null(it->source);
	assert_int_equal(it->source->width, 640);
	assert_int_equal(it->outcome->download_ms, 12);
	assert_int_equal(it->outcome->process_ms, 34);
	assert_int_equal(it->tries, 1);
	assert_int_equal(it->run, 1);
}

static void the_last_event_shows_the_item_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, "{'urls':['https://a.test/1.jpg']}");
	size_t n;

	work(f);
	struct event_row *ev = events(f, &m, &n);
	assert_int_equal(n, 5);
	assert_int_equal(ev[0].counts.total, 1);
	assert_int_equal(ev[0].counts.queued, 1);
	assert_int_equal(ev[2].item->state, ITEM_OPEN);
	assert_int_equal(ev[2].item->step, STEP_DOWNLOADING);
	assert_false(ev[2].item->has_cache);
	assert_int_equal(ev[3].item->variants_n, 5);
	assert_int_equal(ev[3].item->outcome->process_ms, 34);
	assert_int_equal(ev[4].state, JOB_SUCCEEDED);
	assert_int_equal(ev[4].counts.succeeded, 1);
}

static void a_second_job_with_the_same_urls_is_a_hit(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1.jpg']}");

	work(f);
	struct made_job b = submit(f, "{'urls':['https://a.test/1.jpg']}");
	plan(f);
	assert_int_equal(job(f, &b)->state, JOB_SUCCEEDED);
	claim_none(f);
	assert_int_equal(f->downloads, 1);
	assert_int_equal(f->encodes, 5);
	assert_string_equal(log_of(f, &b),
		"job.created job.started item.succeeded/1 job.succeeded");
	assert_int_equal(item(f, &b, 1)->cache, CACHE_HIT);
	assert_int_equal(job(f, &b)->counts.cached, 1);
	assert_int_equal(job(f, &b)->savings.downloads, 1);
	assert_int_equal(job(f, &b)->savings.encodes, 5);
	assert_string_equal(item(f, &b, 1)->variants[2].product.key,
		item(f, &a, 1)->variants[2].product.key);
}

static void one_variant_more_is_one_encode_and_no_download(void **state)
{
	struct fixture *f = *state;

	submit(f, "{'urls':['https://a.test/1.jpg'],'variants':[{'name':'a','width':10}]}");
	work(f);
	struct made_job b = submit(f,
		"{'urls':['https://a.test/1.jpg'],"
		"'variants':[{'name':'x','width':10},{'name':'y','width':20}]}");
	work(f);
	assert_int_equal(f->downloads, 1);
	assert_int_equal(f->encodes, 2);
	assert_int_equal(item(f, &b, 1)->cache, CACHE_HIT);
	assert_int_equal(item(f, &b, 1)->variants_n, 2);
	assert_int_equal(item(f, &b, 1)->variants[1].product.width, 20);
	assert_int_equal(job(f, &b)->savings.encodes, 1);
	assert_int_equal(job(f, &b)->savings.downloads, 1);
}

static void two_jobs_in_flight_share_one_download(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1.jpg']}");
	struct made_job b = submit(f,
		"{'urls':['https://a.test/1.jpg'],"
		"'variants':[{'name':'x','width':10}]}");

	work(f);
	assert_int_equal(f->downloads, 1);
	assert_int_equal(f->encodes, 6);
	assert_int_equal(item(f, &a, 1)->cache, CACHE_MISS);
	assert_int_equal(item(f, &b, 1)->cache, CACHE_COALESCED);
	assert_int_equal(job(f, &a)->savings.downloads, 0);
	assert_int_equal(job(f, &b)->savings.downloads, 1);
	assert_int_equal(job(f, &b)->savings.encodes, 0);
	assert_int_equal(job(f, &b)->counts.cached, 1);
}

static void equal_bytes_under_two_urls_are_encoded_once(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f,
		"{'urls':['https://a.test/1?bytes=x','https://a.test/2?bytes=x']}");
	struct task *t;

	plan(f);
	assert_int_equal(claim(f, 10, &t), 2);
	struct task make = finish_fetch(f, &t[0]);
	struct task joined = finish_fetch(f, &t[1]);
	assert_true(make.id != 0);
	assert_int_equal(joined.id, 0);
	finish_make(f, &make);
	claim_none(f);
	assert_int_equal(job(f, &a)->state, JOB_SUCCEEDED);
	assert_int_equal(f->downloads, 2);
	assert_int_equal(f->encodes, 5);
	assert_int_equal(job(f, &a)->savings.encodes, 5);
	assert_int_equal(job(f, &a)->savings.downloads, 0);
}

static void a_stale_source_is_revalidated(void **state)
{
	struct fixture *f = *state;

	submit(f, "{'urls':['https://a.test/1.jpg']}");
	work(f);
	clock_add(f->opts.fresh_ms + 1);
	struct made_job b = submit(f, "{'urls':['https://a.test/1.jpg']}");
	work(f);
	assert_int_equal(f->downloads, 1);
	assert_int_equal(f->revalidations, 1);
	assert_int_equal(f->encodes, 5);
	assert_int_equal(item(f, &b, 1)->cache, CACHE_REVALIDATED);
	assert_int_equal(job(f, &b)->counts.cached, 1);
	struct made_job c = submit(f, "{'urls':['https://a.test/1.jpg']}");
	work(f);
	assert_int_equal(item(f, &c, 1)->cache, CACHE_HIT);
}

static void reload_asks_the_origin_and_only_if_cached_never_does(void **state)
{
	struct fixture *f = *state;

	submit(f, "{'urls':['https://a.test/1.jpg']}");
	work(f);
	struct made_job b = submit(f, "{'urls':['https://a.test/1.jpg'],'cache':'reload'}");
	work(f);
	assert_int_equal(f->revalidations, 1);
	assert_int_equal(item(f, &b, 1)->cache, CACHE_REVALIDATED);
	clock_add(f->opts.fresh_ms + 1);
	struct made_job c = submit(f,
		"{'urls':['https://a.test/1.jpg','https://a.test/2.jpg'],'cache':'only_if_cached'}");
	work(f);
	assert_int_equal(f->downloads + f->revalidations, 2);
	assert_int_equal(item(f, &c, 1)->state, ITEM_SUCCEEDED);
	assert_int_equal(item(f, &c, 2)->state, ITEM_FAILED);
	assert_int_equal(item(f, &c, 2)->outcome->code, ERR_CACHE_MISS);
	assert_int_equal(job(f, &c)->state, JOB_PARTIAL);
}

static void a_failure_is_told_and_not_cached(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/fail','https://a.test/2.jpg']}");

	work(f);
	assert_int_equal(job(f, &a)->state, JOB_PARTIAL);
	struct item_row *it = item(f, &a, 1);
	assert_int_equal(it->state, ITEM_FAILED);
	assert_int_equal(it->outcome->code, ERR_FETCH_STATUS);
	assert_string_equal(it->outcome->detail, "test says so");
	assert_false(it->has_cache);
	struct made_job b = submit(f, "{'urls':['https://a.test/fail']}");
	plan(f);
	struct task t = claim_one(f);
	assert_int_equal(finish_fetch(f, &t).id != 0, true);
	assert_int_equal(job(f, &b)->state, JOB_RUNNING);
}

static void only_the_newest_lease_can_write(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1.jpg']}");
	struct err e;

	plan(f);
	struct task old = claim_one(f);
	clock_add(60001);
	tick(f);
	struct task new = claim_one(f);
	assert_int_equal(new.id, old.id);
	assert_true(new.lease > old.lease);
	assert_int_equal(new.lost, 1);
	struct fetched r = fetched_of(f, &old);
	struct original stands;
	struct task make;
	assert_err(store_finish_fetch(f->s, old.id, old.lease, &r, "x", 1, f->a, &make, &stands,
			   &e),
		ERR_STORE_STALE);
	assert_int_equal(fail_with(f, &old, ERR_FETCH_STATUS), ERR_STORE_STALE);
	make = finish_fetch(f, &new);
	finish_make(f, &make);
	assert_string_equal(log_of(f, &a),
		"job.created job.started item.started/1 item.succeeded/1 job.succeeded");
}

static void caches_end_at_the_tenant(void **state)
{
	struct fixture *f = *state;

	submit(f, "{'urls':['https://a.test/1']}");
	work(f);
	f->tenant = 2;
	struct made_job b = submit(f, "{'urls':['https://a.test/1']}");
	work(f);
	assert_int_equal(item(f, &b, 1)->cache, CACHE_MISS);
	assert_int_equal(f->downloads, 2);
	assert_int_equal(f->encodes, 10);
}

static void in_flight_too(void **state)
{
	struct fixture *f = *state;

	submit(f, "{'urls':['https://a.test/1']}");
	f->tenant = 2;
	submit(f, "{'urls':['https://a.test/1']}");
	work(f);
	assert_int_equal(f->downloads, 2);
}

static void shared_sources_cross_tenants_but_for_those_with_headers(void **state)
{
	struct fixture *f = *state;
	const char
		*secret = "{'urls':[{'url':'https://a.test/2','headers':{'Authorization':'x'}}]}";

	f->opts.share_sources = true;
	fixture_reopen(f);
	submit(f, "{'urls':['https://a.test/1']}");
	submit(f, "%s", secret);
	work(f);
	f->tenant = 2;
	struct made_job b = submit(f, "{'urls':['https://a.test/1']}");
	struct made_job c = submit(f, "%s", secret);
	work(f);
	assert_int_equal(item(f, &b, 1)->cache, CACHE_HIT);
	assert_int_equal(item(f, &c, 1)->cache, CACHE_MISS);
	assert_int_equal(f->downloads, 3);
}

static void headers_travel_sealed_and_part_the_caches(void **state)
{
	struct fixture *f = *state;
	struct fetch_input in;
	struct err e;

	submit(f, "{'urls':[{'url':'https://a.test/1','headers':{'Authorization':'hunter2'}}]}");
	plan(f);
	struct task t = claim_one(f);
	assert_null(strstr(t.input, "hunter2"));
	assert_ok(fetch_input_parse(t.input, f->a, &in, &e));
	assert_non_null(in.headers);
	t = finish_fetch(f, &t);
	finish_make(f, &t);
	struct made_job b = submit(f, "{'urls':['https://a.test/1']}");
	work(f);
	assert_int_equal(item(f, &b, 1)->cache, CACHE_MISS);
}

static void an_item_may_have_a_recipe_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f,
		"{'urls':['https://a.test/1',"
		"{'url':'https://a.test/"
		"1','variants':[{'name':'own','width':7},{'name':'two','width':7}],"
		"'metadata':{'k':2}}],'variants':[{'name':'all','width':10}]}");
	size_t n;

	work(f);
	assert_int_equal(job(f, &m)->state, JOB_SUCCEEDED);
	assert_int_equal(f->downloads, 1);
	assert_int_equal(f->encodes, 2); /* two names for one picture are one encode */
	assert_string_equal(item(f, &m, 1)->variants[0].name, "all");
	struct item_row *it = item(f, &m, 2);
	assert_int_equal(it->variants_n, 2);
	assert_string_equal(it->variants[1].name, "two");
	assert_string_equal(it->variants[0].product.key, it->variants[1].product.key);
	assert_string_equal(it->metadata, "{\"k\":2}");
	assert_int_equal(it->cache, CACHE_COALESCED);
	assert_int_equal(job(f, &m)->savings.encodes, 1);
	struct event_row *ev = events(f, &m, &n);
	assert_string_equal(ev[n - 2].item->metadata, "{\"k\":2}");
}

STORE_TEST_MAIN(TEST(a_job_runs_from_queued_to_succeeded), TEST(an_item_tells_what_was_made_of_it),
	TEST(the_last_event_shows_the_item_as_it_was),
	TEST(a_second_job_with_the_same_urls_is_a_hit),
	TEST(one_variant_more_is_one_encode_and_no_download),
	TEST(two_jobs_in_flight_share_one_download),
	TEST(equal_bytes_under_two_urls_are_encoded_once), TEST(a_stale_source_is_revalidated),
	TEST(reload_asks_the_origin_and_only_if_cached_never_does),
	TEST(a_failure_is_told_and_not_cached), TEST(only_the_newest_lease_can_write),
	TEST(caches_end_at_the_tenant), TEST(in_flight_too),
	TEST(shared_sources_cross_tenants_but_for_those_with_headers),
	TEST(headers_travel_sealed_and_part_the_caches), TEST(an_item_may_have_a_recipe_of_its_own))
