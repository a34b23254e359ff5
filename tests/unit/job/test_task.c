/* SPDX-License-Identifier: MIT */
#include "job_test.h"

#include "job/task.h"

static void a_fetch_input_is_read_back(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct fetch_input in = { .url = "https://a/b?c=\"d\"",
		.headers = "sealed",
		.etag = "W/\"1\"",
		.last_modified = "Mon, 23 Nov 2026 05:47:00 GMT",
		.has_original = true,
		.original = { .key = "k", .bytes = 3, .sha256 = { 1 } } },
			   back;
	autofree char *text = fetch_input_text(&in);
	CLEANUP(arena_freep) struct arena *a = arena_new();
	assert_ok(fetch_input_parse(text, a, &back, &e));
	assert_string_equal(back.url, in.url);
	assert_string_equal(back.headers, in.headers);
	assert_string_equal(back.etag, in.etag);
	assert_string_equal(back.last_modified, in.last_modified);
	assert_true(back.has_original);
	assert_string_equal(back.original.key, "k");
}

static void sealed_headers_open_under_their_own_key_only(void **state)
{
	(void)state;
	struct err e = { 0 };
	const uint8_t key[32] = { 1 }, other[32] = { 2 };
	const char *text = "{\"authorization\":\"Bearer x\"}";
	autojson *headers = NULL, *none = NULL;
	autofree char *sealed = seal_text(key, text, strlen(text));
	autofree char *junk = seal_text(key, "{", 1);
	assert_ok(fetch_headers_open(key, sealed, &headers, &e));
	assert_string_equal(json_get_str(headers, "authorization", ""), "Bearer x");
	assert_err(fetch_headers_open(other, sealed, &none, &e), ERR_INTERNAL);
	assert_err(fetch_headers_open(key, junk, &none, &e), ERR_INTERNAL);
	assert_null(strstr(e.text, "Bearer"));
}

static void a_first_fetch_has_nothing_but_its_url(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct fetch_input in = { .url = "https://a/" }, back;
	autofree char *text = fetch_input_text(&in);
	assert_string_equal(text, "{\"url\":\"https://a/\"}");
	CLEANUP(arena_freep) struct arena *a = arena_new();
	assert_ok(fetch_input_parse(text, a, &back, &e));
	assert_null(back.headers);
	assert_null(back.etag);
	assert_false(back.has_original);
}

static void a_cut_input_is_read_back(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct cut_input in = { .original = { .key = "k", .bytes = 3, .sha256 = { 5 } },
		.cut = { .remove = true,
			.model = "fast",
			.format = FORMAT_PNG,
			.crop = true,
			.margin = 7,
			.max_cost = 1500 } },
			 back;
	autofree char *text = cut_input_text(&in);
	assert_ok(cut_input_parse(text, &back, &e));
	assert_string_equal(back.original.key, "k");
	assert_string_equal(back.cut.model, "fast");
	assert_int_equal(back.cut.margin, 7);
	assert_int_equal(back.cut.max_cost, 1500);
	assert_err(cut_input_parse("{}", &back, &e), ERR_INTERNAL);
}

static void a_make_input_is_read_back(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct presets *p = presets_new();
	struct make_input in = { .original = { .key = "k", .bytes = 3, .sha256 = { 5 } },
		.recipe = *presets_find(p, "web") },
			  back;
	autofree char *text = make_input_text(&in);
	assert_ok(make_input_parse(text, &back, &e));
	assert_int_equal(back.recipe.n, 5);
	assert_string_equal(back.recipe.variants[4].name, "xl");
	assert_int_equal(back.original.sha256[0], 5);
	recipe_done(&back.recipe);
	presets_free(p);
}

static void inputs_that_make_no_sense_are_errors(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct fetch_input fetch;
	struct make_input make;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	assert_err(fetch_input_parse("{}", a, &fetch, &e), ERR_INTERNAL);
	assert_err(fetch_input_parse("nonsense", a, &fetch, &e), ERR_INTERNAL);
	assert_err(make_input_parse("{}", &make, &e), ERR_INTERNAL);
	assert_err(make_input_parse("{\"variants\":[{\"name\":\"a\"}]}", &make, &e), ERR_INTERNAL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_fetch_input_is_read_back),
	cmocka_unit_test(sealed_headers_open_under_their_own_key_only),
	cmocka_unit_test(a_first_fetch_has_nothing_but_its_url),
	cmocka_unit_test(a_cut_input_is_read_back),
	cmocka_unit_test(a_make_input_is_read_back),
	cmocka_unit_test(inputs_that_make_no_sense_are_errors),
};
TEST_MAIN(tests)
