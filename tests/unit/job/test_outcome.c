/* SPDX-License-Identifier: MIT */
#include "lib/test.h"

#include "job/outcome.h"

static void an_original_is_read_back(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct original o = { .key = "ab/cd.jpg",
		.sha256 = { 1, 2, 255 },
		.bytes = 81234,
		.format = FORMAT_JPEG,
		.width = 2725,
		.height = 2225,
		.thumbhash = "3OcRJYB4d3h/iIeHeEh3eIhw+j2w",
		.color = "#8a7b6c" };
	autojson *j = original_json(&o);
	autofree char *text = json_text(j);
	struct original back;
	assert_ok(original_parse(text, &back, &e));
	assert_memory_equal(&back.sha256, &o.sha256, SHA256_LEN);
	assert_string_equal(back.key, o.key);
	assert_int_equal(back.bytes, o.bytes);
	assert_int_equal(back.format, o.format);
	assert_int_equal(back.height, o.height);
	assert_string_equal(back.thumbhash, o.thumbhash);
	assert_string_equal(back.color, o.color);
}

static void an_original_that_was_not_decoded_says_nothing_of_its_picture(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct original o = { .key = "k", .bytes = 5 }, back;
	autojson *j = original_json(&o);
	assert_null(json_object_get(j, "format"));
	assert_null(json_object_get(j, "width"));
	autofree char *text = json_text(j);
	assert_ok(original_parse(text, &back, &e));
	assert_int_equal(back.format, FORMAT_NONE);
	assert_string_equal(back.color, "");
}

static void a_product_is_read_back_without_its_recipe(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct product p = { .recipe = { 9 },
		.key = "k.webp",
		.format = FORMAT_WEBP,
		.width = 150,
		.height = 100,
		.bytes = 5120,
		.sha256 = { 7 } };
	autojson *j = product_json(&p);
	autofree char *text = json_text(j);
	struct product back;
	assert_ok(product_parse(text, &back, &e));
	assert_int_equal(back.recipe[0], 0);
	assert_string_equal(back.key, "k.webp");
	assert_int_equal(back.format, FORMAT_WEBP);
	assert_int_equal(back.sha256[0], 7);
	assert_int_equal(back.bytes, 5120);
	assert_err(product_parse("{\"key\":\"k\"}", &back, &e), ERR_INTERNAL);
	assert_err(original_parse("[]", (struct original[]){ { .bytes = 0 } }, &e), ERR_INTERNAL);
}

static void a_success_has_times_and_no_error(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct outcome o = { .download_ms = 120, .process_ms = -1, .store_ms = 0 }, back;
	autojson *j = outcome_json(&o);
	autofree char *text = json_text(j);
	assert_string_equal(text, "{\"timing_ms\":{\"download\":120,\"store\":0}}");
	assert_ok(outcome_parse(text, &back, &e));
	assert_int_equal(back.code, OK);
	assert_int_equal(back.download_ms, 120);
	assert_int_equal(back.process_ms, -1);
	assert_int_equal(back.store_ms, 0);
	assert_null(back.stage);
}

static void a_failure_says_what_where_and_whether_it_may_pass(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct outcome o = { .code = ERR_FETCH_STATUS,
		.detail = "answered 503",
		.stage = "download",
		.source_status = 503,
		.final_url = "https://cdn/a",
		.download_ms = 3,
		.process_ms = -1,
		.store_ms = -1 },
		       back;
	autojson *j = outcome_json(&o);
	const json_t *error = json_object_get(j, "error");
	assert_string_equal(json_get_str(error, "code", ""), "fetch_status");
	assert_true(json_get_bool(error, "retryable", false));
	autofree char *text = json_text(j);
	assert_ok(outcome_parse(text, &back, &e));
	assert_int_equal(back.code, ERR_FETCH_STATUS);
	assert_string_equal(back.detail, "answered 503");
	assert_string_equal(back.stage, "download");
	assert_int_equal(back.source_status, 503);
	assert_string_equal(back.final_url, "https://cdn/a");
	static const int stay[] = { 404, 501, 505 };
	for (size_t i = 0; i < ARRAY_LEN(stay); i++) {
		o.source_status = stay[i];
		autojson *gone = outcome_json(&o);
		assert_false(json_get_bool(json_object_get(gone, "error"), "retryable", true));
	}
}

static void a_code_of_a_newer_bulb_is_still_a_failure(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct outcome back;
	assert_ok(outcome_parse("{\"error\":{\"code\":\"from_the_future\",\"stage\":\"dream\"}}",
		&back, &e));
	assert_int_equal(back.code, ERR_INTERNAL);
	assert_null(back.stage);
	assert_int_equal(back.download_ms, -1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_original_is_read_back),
	cmocka_unit_test(an_original_that_was_not_decoded_says_nothing_of_its_picture),
	cmocka_unit_test(a_product_is_read_back_without_its_recipe),
	cmocka_unit_test(a_success_has_times_and_no_error),
	cmocka_unit_test(a_failure_says_what_where_and_whether_it_may_pass),
	cmocka_unit_test(a_code_of_a_newer_bulb_is_still_a_failure),
};
TEST_MAIN(tests)
