/* SPDX-License-Identifier: MIT */
#include "fixture.h"

static void a_url_becomes_an_original_and_its_variants(void **state)
{
	(void)state;
	size_t fetch = fake_add_fetch("http://h.example/a", NULL, NULL), make = fetch + 1;
	struct worker *w = fake_worker(blob, 2);
	const struct fake_task *m = ended(make), *f = ended(fetch);
	assert_int_equal(f->state, TASK_DONE);
	assert_int_equal(m->state, TASK_DONE);
	worker_free(w);
	/* the original, as the source sent it */
	uint8_t digest[SHA256_LEN];
	sha256_of("http://h.example/a", 18, digest);
	assert_memory_equal(f->fetched.original.sha256, digest, SHA256_LEN);
	assert_int_equal(f->fetched.original.bytes, 18);
	assert_blob(f->fetched.original.key, "http://h.example/a");
	assert_string_equal(f->etag, "\"new\"");
	assert_string_equal(f->fetched.outcome.final_url, "https://cdn.example/final");
	assert_true(f->fetched.outcome.download_ms >= 0);
	/* its variants, made from the bytes in hand */
	assert_int_equal(m->made.n, 2);
	assert_int_equal(atomic_load(&fake_blobs.gets), 0);
	assert_int_equal(m->made.original.format, FORMAT_PNG);
	assert_int_equal(m->made.original.width, 400);
	assert_string_equal(m->made.original.color, "#123456");
	assert_string_equal(m->made.original.key, f->fetched.original.key);
	assert_int_equal(m->made.outcome.process_ms, 12);
	assert_true(m->made.outcome.store_ms >= 0);
}

static void each_product_names_its_blob_its_digest_and_its_recipe(void **state)
{
	(void)state;
	const struct fake_task *m = do_make("picture");
	autojson *variants = NULL;
	struct recipe r;
	struct err e = { 0 };
	assert_ok(json_parse(fake_recipe(), strlen(fake_recipe()), &variants, &e));
	assert_ok(recipe_from_json(variants, &r, &e));
	for (size_t p = 0; p < 2; p++) {
		const struct product *got = &m->products[p];
		const struct variant *v = &r.variants[1 - p]; /* the darkroom gave the last first */
		uint8_t digest[SHA256_LEN];
		variant_digest(v, "fake 1", digest);
		assert_memory_equal(got->recipe, digest, SHA256_LEN);
		autofree char *text = mem_printf("%s of picture", v->name);
		sha256_of(text, strlen(text), digest);
		assert_memory_equal(got->sha256, digest, SHA256_LEN);
		assert_int_equal(got->format, v->format);
		assert_int_equal(got->width, v->width);
		assert_int_equal(got->bytes, strlen(text));
		assert_blob(got->key, text);
		const char *ext = strrchr(got->key, '.');
		assert_string_equal(ext + 1, format_extension(v->format));
	}
	recipe_done(&r);
}

static void a_make_of_its_own_reads_the_original_from_the_blobs(void **state)
{
	(void)state;
	assert_int_equal(do_make("picture")->state, TASK_DONE);
	assert_int_equal(atomic_load(&fake_blobs.gets), 1);
	assert_int_equal(atomic_load(&fake_sources.asked), 0);
}

static void one_sync_makes_all_variants_durable(void **state)
{
	(void)state;
	do_make("picture");
	assert_int_equal(atomic_load(&fake_blobs.puts), 2);
	assert_int_equal(atomic_load(&fake_blobs.syncs), 1);
}

static void a_304_keeps_the_original_that_we_hold(void **state)
{
	(void)state;
	struct original o = stored_original("kept");
	size_t i = fake_add_fetch("http://h.example/304", NULL, &o);
	struct worker *w = fake_worker(blob, 1);
	const struct fake_task *m = ended(i + 1), *f = ended(i);
	worker_free(w);
	assert_true(f->fetched.not_modified);
	assert_string_equal(f->fetched.original.key, o.key);
	assert_string_equal(fake_sources.if_none_match, "\"old\"");
	assert_int_equal(atomic_load(&fake_blobs.gets), 1); /* the make had to read it */
	assert_int_equal(m->state, TASK_DONE);
}

static void sealed_headers_reach_the_source_and_no_one_else(void **state)
{
	(void)state;
	const char *headers = "{\"authorization\":\"Bearer s3cret\"}";
	autofree char *sealed = seal_text(fake_key, headers, strlen(headers));
	size_t i = fake_add_fetch("http://h.example/a", sealed, NULL);
	struct worker *w = fake_worker(blob, 1);
	assert_int_equal(ended(i)->state, TASK_DONE);
	worker_free(w);
	assert_string_equal(fake_sources.authorization, "Bearer s3cret");
}

static void all_idle_lanes_are_filled_by_one_claim(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		fake_add_fetch("http://h.example/slow", NULL, NULL);
	struct worker *w = fake_worker(blob, 4);
	fake_await(fake_feed.keeps_at_once == 4);
	assert_int_equal(fake_feed.most_claimed, 4);
	assert_int_equal(worker_busy(w), 4);
	fake_open_gates();
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(ended(i)->state, TASK_DONE);
	worker_free(w);
}

static void the_keeper_tells_step_and_bytes(void **state)
{
	(void)state;
	fake_add_fetch("http://h.example/slow", NULL, NULL);
	struct worker *w = fake_worker(blob, 1);
	fake_await(fake_feed.kept_bytes == 7);
	assert_int_equal(fake_feed.kept_step, STEP_DOWNLOADING);
	fake_open_gates();
	ended(1);
	worker_free(w);
}

static void an_idle_worker_keeps_nothing_and_wakes_by_a_hint(void **state)
{
	(void)state;
	struct worker *w = fake_worker(blob, 2);
	fake_await(fake_feed.claims > 0);
	size_t i = fake_add_fetch("http://h.example/a", NULL, NULL);
	worker_wake(w);
	assert_int_equal(ended(i)->state, TASK_DONE);
	ended(i + 1);
	worker_free(w);
}

static void hosts_at_their_limit_are_named_in_the_claim(void **state)
{
	(void)state;
	struct worker *w = fake_worker(blob, 1);
	fake_await(fake_feed.full_hosts_seen == 1);
	worker_free(w);
}

static void hosts_that_answer_are_told_in_the_claim_until_they_do_not(void **state)
{
	(void)state;
	struct worker *w = fake_worker(blob, 6);
	fake_await(fake_feed.claims > 0);
	assert_int_equal(fake_feed.spare, 3);
	assert_int_equal(fake_feed.good_hosts, 0);
	size_t i = fake_add_fetch("http://h.example/404", NULL, NULL);
	worker_wake(w);
	ended(i);
	fake_await(fake_feed.good_hosts == 1);
	i = fake_add_fetch("http://h.example/dead", NULL, NULL);
	worker_wake(w);
	ended(i);
	fake_await(fake_feed.good_hosts == 0);
	worker_free(w);
}

static void the_hosts_that_lanes_are_at_are_told_in_the_claim(void **state)
{
	(void)state;
	fake_add_fetch("http://h.example/1/slow", NULL, NULL);
	fake_add_fetch("http://h.example/2/slow", NULL, NULL);
	struct worker *w = fake_worker(blob, 3);
	fake_await(atomic_load(&fake_sources.inside) == 2);
	worker_wake(w);
	fake_await(fake_feed.at_hosts_seen == 2);
	atomic_store(&fake_sources.gate, true);
	ended(0);
	ended(1);
	worker_free(w);
}

static void a_full_host_gives_the_task_back_untouched(void **state)
{
	(void)state;
	atomic_store(&fake_sources.host_full, true);
	size_t i = fake_add_fetch("http://h.example/a", NULL, NULL);
	struct worker *w = fake_worker(blob, 1);
	fake_await(fake_feed.tasks[i].untouched > 0);
	assert_int_equal(atomic_load(&fake_sources.asked), 0);
	assert_int_equal(fake_feed.tasks[i].t.tries, 0);
	atomic_store(&fake_sources.host_full, false);
	worker_wake(w);
	assert_int_equal(ended(i)->state, TASK_DONE);
	ended(i + 1);
	worker_free(w);
	assert_int_equal(atomic_load(&fake_sources.hosts), 0); /* every place was given back */
}

static void originals_in_memory_are_bounded(void **state)
{
	(void)state;
	struct original o = stored_original("a slow picture");
	for (int i = 0; i < 3; i++)
		fake_add_make(&o);
	/* Room for one, and a bit. */
	struct worker *w = fake_worker_with(blob, 3, o.bytes + 1, 4);
	fake_await(fake_feed.keeps_at_once == 3);
	assert_int_equal(atomic_load(&fake_pictures.most_inside), 1);
	fake_open_gates();
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(ended(i)->state, TASK_DONE);
	worker_free(w);
	assert_int_equal(atomic_load(&fake_pictures.most_inside), 1);
}

static void one_that_is_larger_than_the_bound_is_done_alone(void **state)
{
	(void)state;
	struct original o = stored_original("a picture");
	size_t i = fake_add_make(&o);
	struct worker *w = fake_worker_with(blob, 2, 1, 4);
	assert_int_equal(ended(i)->state, TASK_DONE);
	worker_free(w);
}

static void a_worker_needs_lanes_and_codecs(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct worker *w = NULL;
	struct worker_opts o = { .feed = fake_feed_get(), .seal_key = fake_key, .codecs = "x" };
	assert_err(worker_new(&o, &w, &e), ERR_USAGE);
	o.lanes = 1;
	o.codecs = NULL;
	assert_err(worker_new(&o, &w, &e), ERR_USAGE);
	assert_null(w);
	worker_free(NULL);
}

static const struct CMUnitTest tests[] = {
	worker_test(a_url_becomes_an_original_and_its_variants),
	worker_test(each_product_names_its_blob_its_digest_and_its_recipe),
	worker_test(a_make_of_its_own_reads_the_original_from_the_blobs),
	worker_test(one_sync_makes_all_variants_durable),
	worker_test(a_304_keeps_the_original_that_we_hold),
	worker_test(sealed_headers_reach_the_source_and_no_one_else),
	worker_test(all_idle_lanes_are_filled_by_one_claim),
	worker_test(the_keeper_tells_step_and_bytes),
	worker_test(an_idle_worker_keeps_nothing_and_wakes_by_a_hint),
	worker_test(hosts_at_their_limit_are_named_in_the_claim),
	worker_test(the_hosts_that_lanes_are_at_are_told_in_the_claim),
	worker_test(hosts_that_answer_are_told_in_the_claim_until_they_do_not),
	worker_test(a_full_host_gives_the_task_back_untouched),
	worker_test(originals_in_memory_are_bounded),
	worker_test(one_that_is_larger_than_the_bound_is_done_alone),
	worker_test(a_worker_needs_lanes_and_codecs),
};
TEST_MAIN(tests)
