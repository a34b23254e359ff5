/* SPDX-License-Identifier: MIT
 *
 * What strict JSON refuses, and the two forms in which it is written.
 */
#include "lib/test.h"

#include "base/json.h"
#include "base/mem.h"

static bool takes(const char *text, size_t n)
{
	autojson *j = NULL;
	struct err e = { 0 };
	enum err_code code = json_parse(text, n, &j, &e);
	if (code != OK)
		assert_int_equal(code, ERR_REQUEST_MALFORMED);
	return code == OK;
}
#define TAKES(text) takes(text, sizeof(text) - 1)

static void any_value_is_a_text(void **state)
{
	(void)state;
	assert_true(TAKES("{}") && TAKES(" [1, 2.5, -3e2] ") && TAKES("\"x\"") && TAKES("null"));
	assert_true(TAKES("\"\\ud83d\\ude00 \xF0\x9F\x98\x80\""));
}

static void what_is_not_quite_json_is_refused(void **state)
{
	(void)state;
	assert_false(TAKES(""));
	assert_false(TAKES("{} x"));
	assert_false(TAKES("{\"a\":1,\"a\":2}"));
	assert_false(TAKES("{\"a\":1,}"));
	assert_false(TAKES("[01]"));
	assert_false(TAKES("'a'"));
	assert_false(TAKES("\xEF\xBB\xBF{}"));
	assert_false(TAKES("[NaN]"));
	assert_false(TAKES("1e999"));
}

static void text_that_is_not_utf8_is_refused(void **state)
{
	(void)state;
	assert_false(TAKES("\"\xFF\""));
	assert_false(TAKES("\"\xC0\x80\""));         /* overlong NUL */
	assert_false(TAKES("\"\xED\xA0\x80\""));     /* a surrogate as UTF-8 */
	assert_false(TAKES("\"\xF4\x90\x80\x80\"")); /* beyond U+10FFFF */
	assert_false(TAKES("\"\xE2\x82\""));
}

static void nul_and_lone_surrogates_are_refused(void **state)
{
	(void)state;
	assert_false(TAKES("\"a\\u0000b\""));
	assert_false(TAKES("{\"a\\u0000b\":1}"));
	assert_false(TAKES("\"a\0b\""));
	assert_false(TAKES("{}\0"));
	assert_false(TAKES("\"\\ud800\""));
	assert_false(TAKES("\"\\udc00\\ud800\""));
	assert_false(TAKES("\"\\ud800x\""));
}

static void depth_is_counted_outside_strings(void **state)
{
	(void)state;
	char text[2 * JSON_DEPTH + 10];
	memset(text, '[', JSON_DEPTH);
	memset(text + JSON_DEPTH, ']', JSON_DEPTH);
	assert_true(takes(text, 2 * JSON_DEPTH));
	memset(text, '[', JSON_DEPTH + 1);
	memset(text + JSON_DEPTH + 1, ']', JSON_DEPTH + 1);
	assert_false(takes(text, 2 * JSON_DEPTH + 2));
	assert_true(TAKES("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[\""));
}

static void the_message_says_where_and_not_what(void **state)
{
	(void)state;
	struct err e = { 0 };
	json_t *j = NULL;
	static const char text[] = "{\"key\":\n  \"hunter2\" \"hunter3\"}";
	assert_err(json_parse(text, strlen(text), &j, &e), ERR_REQUEST_MALFORMED);
	assert_non_null(strstr(e.text, "line 2"));
	assert_null(strstr(e.text, "hunter"));
	assert_null(j);
}

static void the_canonical_form_sorts_members_at_every_level(void **state)
{
	(void)state;
	struct err e = { 0 };
	autojson *j = NULL;
	static const char text[] = "{\"b\": {\"z\": 1, \"y\": [ ]}, \"a\": \"\xC3\xA9\"}";
	assert_ok(json_parse(text, strlen(text), &j, &e));
	autofree char *plain = json_text(j), *sorted = json_text_sorted(j);
	assert_string_equal(plain, "{\"b\":{\"z\":1,\"y\":[]},\"a\":\"\xC3\xA9\"}");
	assert_string_equal(sorted, "{\"a\":\"\xC3\xA9\",\"b\":{\"y\":[],\"z\":1}}");
}

static void getters_give_the_default_for_another_type(void **state)
{
	(void)state;
	autojson *o = json_obj();
	json_put_str(o, "s", "text");
	json_put_str(o, "none", NULL);
	json_put_int(o, "i", -5);
	json_put_bool(o, "b", true);
	json_put(o, "r", json_real(1.5));
	assert_string_equal(json_get_str(o, "s", "d"), "text");
	assert_string_equal(json_get_str(o, "none", "d"), "d");
	assert_string_equal(json_get_str(o, "i", "d"), "d");
	assert_int_equal(json_get_int(o, "i", 1), -5);
	assert_int_equal(json_get_int(o, "r", 1), 1);
	assert_true(json_get_num(o, "r", 0) == 1.5 && json_get_num(o, "i", 0) == -5);
	assert_true(json_get_bool(o, "b", false) && !json_get_bool(o, "i", false));
	assert_int_equal(json_get_int(NULL, "i", 9), 9);
}

static void a_number_is_written_as_people_would(void **state)
{
	(void)state;
	autojson *list = json_arr();
	json_push(list, json_real(0.1));
	json_push(list, json_real(0.993));
	json_push(list, json_real(2.25));
	autofree char *text = json_text(list);
	assert_string_equal(text, "[0.1,0.993,2.25]");
}

static void a_string_that_is_not_utf8_is_kept_readable(void **state)
{
	(void)state;
	autojson *o = json_obj();
	json_put_str(o, "f", "a\xFFz\xE2\x82");
	assert_string_equal(json_get_str(o, "f", ""), "a\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD");
}

static void quoting_escapes_what_could_break_a_line(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(200);
	assert_true(json_quote(&b, "a\"\\\n\t\x01\x7F\xC3\xA9\xFF"));
	assert_string_equal(buf_str(&b), "\"a\\\"\\\\\\n\\t\\u0001\\u007f\xC3\xA9\xEF\xBF\xBD\"");
	buf_done(&b);
	struct buf small = BUF_INIT(3);
	assert_false(json_quote(&small, "abc"));
	buf_done(&small);
}

static enum err_code parse_list(const char *element, size_t times)
{
	struct buf b = BUF_INIT(64 << 20);
	autojson *j = NULL;
	buf_putc(&b, '[');
	for (size_t i = 0; i < times; i++) {
		buf_puts(&b, i ? "," : "");
		buf_puts(&b, element);
	}
	buf_putc(&b, ']');
	enum err_code code = json_parse(buf_str(&b), b.len, &j, NULL);
	buf_done(&b);
	return code;
}

static void a_text_that_would_take_far_more_memory_is_refused_before(void **state)
{
	(void)state;
	assert_int_equal(parse_list("{}", 3000000), ERR_REQUEST_LIMIT);
	assert_int_equal(parse_list("{\"a\":0}", 1000000), ERR_REQUEST_LIMIT);
	assert_int_equal(parse_list("[]", 3000000), ERR_REQUEST_LIMIT);
	assert_int_equal(parse_list("0", 5000000), ERR_REQUEST_LIMIT);
	/* ten thousand URLs with twelve variants each, and commas in a string */
	assert_int_equal(
		parse_list(
			"{\"url\":\"http://a/b\",\"variants\":["
			"{\"name\":\"a\",\"width\":1,\"format\":\"avif\"},{\"name\":\"b\",\"width\":2},"
			"{\"name\":\"c\",\"width\":3},{\"name\":\"d\",\"width\":4},"
			"{\"name\":\"e\",\"width\":5},{\"name\":\"f\",\"width\":6},"
			"{\"name\":\"g\",\"width\":7},{\"name\":\"h\",\"width\":8},"
			"{\"name\":\"i\",\"width\":9},{\"name\":\"j\",\"width\":10},"
			"{\"name\":\"k\",\"width\":11},{\"name\":\"l\",\"width\":12}],"
			"\"ref\":\",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\"}",
			10000),
		OK);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(any_value_is_a_text),
	cmocka_unit_test(what_is_not_quite_json_is_refused),
	cmocka_unit_test(text_that_is_not_utf8_is_refused),
	cmocka_unit_test(nul_and_lone_surrogates_are_refused),
	cmocka_unit_test(depth_is_counted_outside_strings),
	cmocka_unit_test(a_text_that_would_take_far_more_memory_is_refused_before),
	cmocka_unit_test(the_message_says_where_and_not_what),
	cmocka_unit_test(the_canonical_form_sorts_members_at_every_level),
	cmocka_unit_test(getters_give_the_default_for_another_type),
	cmocka_unit_test(a_number_is_written_as_people_would),
	cmocka_unit_test(a_string_that_is_not_utf8_is_kept_readable),
	cmocka_unit_test(quoting_escapes_what_could_break_a_line),
};
TEST_MAIN(tests)
