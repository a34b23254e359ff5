/* SPDX-License-Identifier: MIT
 *
 * Did you mean: what is near enough and what is not.
 */
#include "lib/test.h"

#include "base/near.h"

static const char *const names[] = { "without_enlargement", "width", "height", NULL, "format",
	"fit" };

static void spelling_habits_do_not_count(void **state)
{
	(void)state;
	assert_int_equal(near_distance("withoutEnlargement", "without_enlargement"), 0);
	assert_int_equal(near_distance("MAX_PIXELS", "max-pixels"), 0);
}

static void edits_are_counted(void **state)
{
	(void)state;
	assert_int_equal(near_distance("", "abc"), 3);
	assert_int_equal(near_distance("kitten", "sitting"), 3);
	assert_int_equal(near_distance("abcd", "abdc"), 1);
}

static void the_nearest_name_is_found(void **state)
{
	(void)state;
	assert_string_equal(near_find("withoutEnlargment", names, ARRAY_LEN(names)),
		"without_enlargement");
	assert_string_equal(near_find("widht", names, ARRAY_LEN(names)), "width");
	assert_string_equal(near_find("fromat", names, ARRAY_LEN(names)), "format");
}

static void nothing_is_suggested_for_another_word(void **state)
{
	(void)state;
	assert_null(near_find("zebra", names, ARRAY_LEN(names)));
	assert_null(near_find("", names, ARRAY_LEN(names)));
	assert_null(near_find("x", names, 0));
}

static void an_overlong_word_is_no_danger(void **state)
{
	(void)state;
	char word[5000];
	memset(word, 'w', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_null(near_find(word, names, ARRAY_LEN(names)));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(spelling_habits_do_not_count),
	cmocka_unit_test(edits_are_counted),
	cmocka_unit_test(the_nearest_name_is_found),
	cmocka_unit_test(nothing_is_suggested_for_another_word),
	cmocka_unit_test(an_overlong_word_is_no_danger),
};
TEST_MAIN(tests)
