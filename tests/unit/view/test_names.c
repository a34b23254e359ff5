/* SPDX-License-Identifier: MIT */
#include "lib/test.h"

#include "view/names.h"
#include "base/mem.h"

static char *make(const char *tmpl, const char *url, const char *ref)
{
	struct name_parts p = { .url = url,
		.ref = ref,
		.variant = "thumb",
		.ext = "jpg",
		.index = 7,
		.sha256 = "abc" };
	return name_make(tmpl, &p);
}

static void a_name_is_the_last_segment_without_its_extension(void **state)
{
	(void)state;
	autofree char *a = make("{name}-{variant}.{ext}", "https://x.example/p/cat.one.jpeg?size=3",
		NULL);
	assert_string_equal(a, "cat.one-thumb.jpg");
	autofree char *b = make("{index}/{ref}_{sha256}-{variant}", "https://x.example/", "sku 1");
	assert_string_equal(b, "7/sku_1_abc-thumb");
}

static void a_name_never_builds_a_path(void **state)
{
	(void)state;
	autofree char *a = make("{name}-{variant}.{ext}", "https://x.example/a%2f..%2f..%2fetc",
		NULL);
	assert_null(strchr(a, '/'));
	autofree char *b = make("{ref}-{variant}.{ext}", "https://x.example/a", "../../etc/passwd");
	assert_null(strchr(b, '/'));
	assert_int_not_equal(b[0], '.');
	autofree char *c = make("{name}-{variant}.{ext}", "https://x.example/.hidden", NULL);
	assert_int_not_equal(c[0], '.');
}

static void what_is_not_utf8_does_not_come_through(void **state)
{
	(void)state;
	autofree char *a = make("{name}.{ext}", "https://x.example/a%ffb%c3%a9.png", NULL);
	assert_string_equal(a, "a_b\xc3\xa9.jpg");
	char ref[210];
	memset(ref, 'x', sizeof(ref));
	memcpy(ref + 199, "\xc3\xa9", 3); /* would be cut in the middle */
	autofree char *b = make("{ref}", "https://x.example/", ref);
	assert_int_equal(strlen(b), 200);
	assert_int_equal(b[199], '_');
	struct err e = { 0 };
	assert_err(name_template_check("\xff{variant}", &e), ERR_USAGE);
}

static void a_taken_name_gets_a_number(void **state)
{
	(void)state;
	struct name_set *s = name_set_new();
	autofree char *a = name_set_take(s, "cat-thumb.jpg");
	autofree char *b = name_set_take(s, "cat-thumb.jpg");
	autofree char *c = name_set_take(s, "cat-thumb.jpg");
	assert_string_equal(a, "cat-thumb.jpg");
	assert_string_equal(b, "cat-thumb-2.jpg");
	assert_string_equal(c, "cat-thumb-3.jpg");
	autofree char *d = name_set_take(s, "cat-thumb-2.jpg");
	autofree char *f = name_set_take(s, "cat-thumb.jpg");
	assert_string_equal(d, "cat-thumb-2-2.jpg");
	assert_string_equal(f, "cat-thumb-4.jpg");
	name_set_free(s);
}

static void a_template_that_leaves_the_folder_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "/tmp/{variant}", "../{variant}", "{variant",
		"{what}-{variant}", "{name}.{ext}", "" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = { 0 };
		assert_err(name_template_check(bad[i], &e), ERR_USAGE);
	}
	struct err e = { 0 };
	assert_ok(name_template_check("{ref}/{name}-{variant}.{ext}", &e));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_the_last_segment_without_its_extension),
		cmocka_unit_test(a_name_never_builds_a_path),
		cmocka_unit_test(what_is_not_utf8_does_not_come_through),
		cmocka_unit_test(a_taken_name_gets_a_number),
		cmocka_unit_test(a_template_that_leaves_the_folder_is_refused),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
