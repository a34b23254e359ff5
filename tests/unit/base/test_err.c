/* SPDX-License-Identifier: MIT
 *
 * The error table and how texts are made.
 */
#include "lib/test.h"

#include <errno.h>

static void a_code_has_the_name_the_table_gives_in_lower_case(void **state)
{
	(void)state;
	assert_string_equal(err_name(ERR_FETCH_DNS), "fetch_dns");
	assert_string_equal(err_name(OK), "ok");
	assert_int_equal(err_http(ERR_REQUEST_METHOD), 405);
	assert_true(err_retryable(ERR_FETCH_TIMEOUT));
	assert_false(err_retryable(ERR_FETCH_STATUS));
}

static void every_name_is_found_again(void **state)
{
	(void)state;
	for (int i = 0; i < ERR_COUNT; i++)
		assert_int_equal(err_from_name(err_name((enum err_code)i)), i);
	assert_int_equal(err_from_name("no_such_error"), ERR_COUNT);
}

static void every_code_has_a_title_and_an_http_status(void **state)
{
	(void)state;
	for (int i = 1; i < ERR_COUNT; i++) {
		assert_true(*err_title((enum err_code)i) && *err_hint((enum err_code)i));
		assert_in_range(err_http((enum err_code)i), 400, 599);
	}
	assert_string_equal(err_name((enum err_code)12345), "internal");
}

static void setting_an_error_forgets_what_the_last_one_carried(void **state)
{
	(void)state;
	struct err e = { .code = ERR_FETCH_STATUS, .source_status = 503, .retry_after_ms = 9 };
	assert_int_equal(err_set(&e, ERR_FETCH_DNS, "host '%s'", "x"), ERR_FETCH_DNS);
	assert_string_equal(e.text, "host 'x'");
	assert_int_equal(e.source_status, 0);
	assert_int_equal(e.retry_after_ms, 0);
	assert_int_equal(err_set(NULL, ERR_FETCH_DNS, "nobody asks"), ERR_FETCH_DNS);
}

static void the_old_text_may_be_part_of_the_new_one(void **state)
{
	(void)state;
	struct err e = { 0 };
	err_set(&e, ERR_BLOB_IO, "inner");
	err_set(&e, ERR_BLOB_IO, "outer (%s)", e.text);
	assert_string_equal(e.text, "outer (inner)");
}

static void wrapping_puts_words_before_and_keeps_the_rest(void **state)
{
	(void)state;
	struct err e = { 0 };
	err_set(&e, ERR_FETCH_STATUS, "answered 503");
	e.source_status = 503;
	assert_int_equal(err_wrap(&e, "source %d", 7), ERR_FETCH_STATUS);
	assert_string_equal(e.text, "source 7: answered 503");
	assert_int_equal(e.source_status, 503);
}

static void a_system_error_says_why_and_no_memory_is_its_own_code(void **state)
{
	(void)state;
	struct err e = { 0 };
	assert_int_equal(err_sys(&e, ERR_SYSTEM, ENOENT, "open %s", "f"), ERR_SYSTEM);
	assert_string_equal(e.text, "open f: No such file or directory");
	assert_int_equal(err_sys(&e, ERR_SYSTEM, ENOMEM, "map"), ERR_MEMORY);
}

static void a_long_text_is_cut_between_characters(void **state)
{
	(void)state;
	struct err e = { 0 };
	char text[sizeof(e.text) + 20];
	for (size_t shift = 0; shift < 3; shift++) {
		memset(text, 'a', sizeof(text));
		for (size_t i = shift; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "€", 3);
		text[sizeof(text) - 1] = '\0';
		err_set(&e, ERR_INTERNAL, "%s", text);
		size_t n = strlen(e.text);
		assert_in_range(n, sizeof(e.text) - 3, sizeof(e.text) - 1);
		assert_memory_equal(e.text, text, n);
		assert_int_not_equal((unsigned char)text[n] & 0xC0, 0x80);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_code_has_the_name_the_table_gives_in_lower_case),
	cmocka_unit_test(every_name_is_found_again),
	cmocka_unit_test(every_code_has_a_title_and_an_http_status),
	cmocka_unit_test(setting_an_error_forgets_what_the_last_one_carried),
	cmocka_unit_test(the_old_text_may_be_part_of_the_new_one),
	cmocka_unit_test(wrapping_puts_words_before_and_keeps_the_rest),
	cmocka_unit_test(a_system_error_says_why_and_no_memory_is_its_own_code),
	cmocka_unit_test(a_long_text_is_cut_between_characters),
};
TEST_MAIN(tests)
