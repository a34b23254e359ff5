/* SPDX-License-Identifier: MIT */
#include "job_test.h"

static void web_is_the_five_copies(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int width, height;
		bool without_enlargement;
		enum format format;
	} copies[] = {
		{ "thumb", 150, 150, false, FORMAT_JPEG },
		{ "small", 320, 0, true, FORMAT_WEBP },
		{ "medium", 640, 0, true, FORMAT_JPEG },
		{ "large", 1280, 0, true, FORMAT_JPEG },
		{ "xl", 1920, 0, true, FORMAT_WEBP },
	};
	struct presets *p = presets_new();
	const struct recipe *web = presets_find(p, "web");
	assert_non_null(web);
	assert_int_equal(web->n, ARRAY_LEN(copies));
	for (size_t i = 0; i < web->n; i++) {
		const struct variant *v = &web->variants[i];
		assert_string_equal(v->name, copies[i].name);
		assert_int_equal(v->width, copies[i].width);
		assert_int_equal(v->height, copies[i].height);
		assert_int_equal(v->without_enlargement, copies[i].without_enlargement);
		assert_int_equal(v->format, copies[i].format);
		assert_int_equal(v->quality, 80);
		assert_int_equal(v->fit, FIT_COVER);
	}
	presets_free(p);
}

static void a_file_adds_presets_and_overrides_them(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct presets *p = presets_new();
	const char *text = "{\"web\":[{\"name\":\"one\"}],\"tiny\":[{\"name\":\"t\",\"width\":9}]}";
	assert_ok(presets_add_json(p, text, strlen(text), &e));
	assert_int_equal(presets_find(p, "web")->n, 1);
	assert_int_equal(presets_find(p, "tiny")->variants[0].width, 9);
	assert_null(presets_find(p, "Tiny"));
	assert_string_equal(presets_nearest(p, "tinny"), "tiny");
	assert_null(presets_nearest(p, "completely-different"));
	autojson *all = presets_json(p);
	assert_int_equal(json_object_size(all), 2);
	assert_int_equal(json_array_size(json_object_get(all, "tiny")), 1);
	presets_free(p);
}

static void a_wrong_presets_file_says_where(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct presets *p = presets_new();
	const char *text = "{\"tiny\":[{\"name\":\"t\",\"widht\":9}]}";
	assert_err(presets_add_json(p, text, strlen(text), &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "preset 'tiny'"));
	assert_non_null(strstr(e.text, "/0/widht"));
	assert_non_null(strstr(e.text, "'width'"));
	assert_err(presets_add_json(p, "{", 1, &e), ERR_USAGE);
	assert_err(presets_add_json(p, "[]", 2, &e), ERR_USAGE);
	assert_null(presets_find(p, "tiny"));
	presets_free(p);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(web_is_the_five_copies),
	cmocka_unit_test(a_file_adds_presets_and_overrides_them),
	cmocka_unit_test(a_wrong_presets_file_says_where),
};
TEST_MAIN(tests)
