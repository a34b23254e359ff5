/* SPDX-License-Identifier: MIT
 *
 * The feed of an event that no server waits for: nothing leaves the process.
 */
#include "base/clock.h"
#include "job/report.h"
#include "lambda/tasks.h"
#include "lib/test.h"

#define CODECS "test 1"
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define VARIANT(name)                                                                              \
	"{\"name\": \"" name "\", \"width\": 8, \"format\": \"jpeg\", \"recipe\": \"" DIGEST "\"}"
#define FETCH(name, host)                                                                          \
	"{\"task\": \"" name                                                                       \
	"\", \"secret\": \"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\", \"kind\": \"fetch\", "        \
	"\"url\": \"http://" host "/\", \"key_prefix\": \"out/" name                               \
	"/\", \"variants\": [" VARIANT("a") "," VARIANT("b") "]}"

struct fixture {
	struct tasks *tasks;
	struct feed feed;
	struct arena *arena;
	size_t no;
};

static struct fixture begin(const char *event)
{
	static const uint8_t key[32];
	struct fixture f = { .arena = arena_new() };
	struct err e = { 0 };
	autojson *doc = NULL;
	f.tasks = tasks_new(&(struct tasks_opts){ .seal_key = key, .codecs = CODECS });
	f.feed = tasks_feed(f.tasks);
	tasks_begin(f.tasks, clock_mono_ms() + 60000);
	assert_ok(json_parse(event, strlen(event), &doc, &e));
	assert_ok(tasks_add(f.tasks, doc, &f.no, &e));
	return f;
}

static void finish(struct fixture *f)
{
	tasks_free(f->tasks);
	arena_free(f->arena);
}

static size_t claim(struct fixture *f, struct claim c, struct task **ret)
{
	struct err e = { 0 };
	size_t n = 0;
	c.max = c.max ? c.max : 10;
	assert_ok(f->feed.claim(f->feed.ctx, &c, f->arena, ret, &n, &e));
	return n;
}

static struct outcome failed(enum err_code code)
{
	return (struct outcome){ .code = code,
		.stage = "download",
		.download_ms = -1,
		.process_ms = -1,
		.store_ms = -1 };
}

static const char *status(struct fixture *f, size_t i)
{
	static char text[32];
	autojson *doc = tasks_results(f->tasks, f->no);
	const json_t *one = json_array_get(json_object_get(doc, "results"), i);
	snprintf(text, sizeof(text), "%s", json_get_str(one, "status", "none"));
	return text;
}

static void tasks_are_lent_once_and_not_too_many_of_a_host(void **state)
{
	struct fixture f = begin("{\"tasks\": [" FETCH("1.1", "a") "," FETCH("2.1",
		"a") "," FETCH("3.1", "b") "," FETCH("4.1", "c") "]}");
	static const char *const full[] = { "c" };
	struct task *got;
	(void)state;
	assert_int_equal(claim(&f,
				 (struct claim){ .per_host = 1,
					 .full_hosts = full,
					 .full_hosts_n = 1 },
				 &got),
		2);
	assert_string_equal(got[0].host, "a");
	assert_string_equal(got[1].host, "b");
	assert_string_equal(got[0].key_prefix, "out/1.1/");
	static const char *const at[] = { "a", "b" };
	assert_int_equal(claim(&f, (struct claim){ .per_host = 1, .at_hosts = at, .at_hosts_n = 2 },
				 &got),
		1);
	assert_string_equal(got[0].host, "c");
	assert_int_equal(claim(&f, (struct claim){ 0 }, &got), 1);
	assert_int_equal(claim(&f, (struct claim){ 0 }, &got), 0);
	finish(&f);
}

static void what_may_pass_is_lent_again_when_it_is_due(void **state)
{
	struct fixture f = begin("{\"tasks\": [" FETCH("1.1", "a") "]}");
	struct err e = { 0 };
	struct task *got;
	struct outcome why = failed(ERR_FETCH_TIMEOUT);
	int64_t next = 0;
	(void)state;
	assert_int_equal(claim(&f, (struct claim){ 0 }, &got), 1);
	int64_t due = clock_wall_ms() + 30000;
	assert_ok(f.feed.later(f.feed.ctx, got[0].id, got[0].lease, due, &why, false, &e));
	assert_err(f.feed.later(f.feed.ctx, got[0].id, got[0].lease, due, &why, false, &e),
		ERR_STORE_STALE);
	assert_int_equal(claim(&f, (struct claim){ 0 }, &got), 0);
	assert_ok(f.feed.tick(f.feed.ctx, &next, &e));
	assert_in_range(next, 1, 30000);
	finish(&f);
}

static void a_picture_that_kills_three_times_has_failed(void **state)
{
	struct fixture f = begin("{\"tasks\": [" FETCH("1.1", "a") "]}");
	struct err e = { 0 };
	struct task *got;
	struct outcome why = failed(ERR_DECODE_CRASHED);
	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(claim(&f, (struct claim){ 0 }, &got), 1);
		assert_int_equal(got[0].crashes, i);
		assert_int_equal(got[0].tries, 0);
		assert_ok(f.feed.later(f.feed.ctx, got[0].id, got[0].lease, 0, &why, true, &e));
	}
	assert_true(tasks_wait(f.tasks, 0));
	assert_string_equal(status(&f, 0), "failed");
	finish(&f);
}

static void a_lease_ends_with_its_invocation(void **state)
{
	struct fixture f = begin("{\"tasks\": [" FETCH("1.1", "a") "," FETCH("2.1", "b") "]}");
	struct err e = { 0 };
	struct task *got;
	struct outcome why = failed(ERR_FETCH_STATUS);
	(void)state;
	assert_int_equal(claim(&f, (struct claim){ .max = 1 }, &got), 1);
	struct task_keep k = { .id = got[0].id, .lease = got[0].lease };
	assert_ok(f.feed.keep(f.feed.ctx, &k, 1, 1000, &e));
	assert_false(k.stale);
	assert_false(tasks_wait(f.tasks, 0));
	tasks_close(f.tasks);
	assert_true(tasks_wait(f.tasks, 0));
	assert_ok(f.feed.keep(f.feed.ctx, &k, 1, 1000, &e));
	assert_true(k.stale);
	assert_err((f.feed.fail)(f.feed.ctx, got[0].id, got[0].lease, &why, NULL, &e),
		ERR_STORE_STALE);
	assert_int_equal(tasks_counts(f.tasks, f.no).back, 2);
	assert_string_equal(status(&f, 1), "later");
	tasks_begin(f.tasks, 0);
	k.stale = false;
	assert_ok(f.feed.keep(f.feed.ctx, &k, 1, 1000, &e));
	assert_true(k.stale);
	finish(&f);
}

static void a_fetch_goes_on_as_the_make_of_its_variants(void **state)
{
	struct fixture f = begin("{\"tasks\": [" FETCH("1.1", "a") "]}");
	struct err e = { 0 };
	struct task *got, make;
	struct original stands = { 0 };
	struct fetched fetched = { .original = { .key = "out/1.1/x.png", .bytes = 3 } };
	struct make_input in;
	(void)state;
	assert_int_equal(claim(&f, (struct claim){ 0 }, &got), 1);
	assert_ok(f.feed.finish_fetch(f.feed.ctx, got[0].id, got[0].lease, &fetched, "me", 1000,
		f.arena, &make, &stands, &e));
	assert_int_equal(make.kind, TASK_MAKE);
	assert_ok(make_input_parse(make.input, &in, &e));
	assert_int_equal(in.recipe.n, 2);
	assert_string_equal(in.original.key, "out/1.1/x.png");
	/* Two variants that differ in their name only: each is answered under its own. */
	struct product products[2] = { { .key = "out/1.1/a.jpg", .format = FORMAT_JPEG },
		{ .key = "out/1.1/b.jpg", .format = FORMAT_JPEG } };
	for (int i = 0; i < 2; i++)
		variant_digest(&in.recipe.variants[i], CODECS, products[i].recipe);
	recipe_done(&in.recipe);
	struct made made = { .original = fetched.original,
		.products = products,
		.n = 2,
		.outcome = failed(OK) };
	assert_ok(f.feed.finish_make(f.feed.ctx, make.id, make.lease, &made, &e));
	assert_err(f.feed.finish_make(f.feed.ctx, make.id, make.lease, &made, &e), ERR_STORE_STALE);
	autojson *doc = tasks_results(f.tasks, f.no);
	const json_t *one = json_array_get(json_object_get(doc, "results"), 0);
	const json_t *variants = json_object_get(one, "variants");
	assert_string_equal(json_get_str(one, "status", ""), "succeeded");
	assert_string_equal(json_get_str(json_array_get(variants, 0), "name", ""), "a");
	assert_string_equal(json_get_str(json_array_get(variants, 1), "name", ""), "b");
	finish(&f);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(tasks_are_lent_once_and_not_too_many_of_a_host),
	cmocka_unit_test(what_may_pass_is_lent_again_when_it_is_due),
	cmocka_unit_test(a_picture_that_kills_three_times_has_failed),
	cmocka_unit_test(a_lease_ends_with_its_invocation),
	cmocka_unit_test(a_fetch_goes_on_as_the_make_of_its_variants),
};
TEST_MAIN(tests)
