/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "lambda/shape.h"
#include "lib/test.h"

static json_t *parse(const char *text)
{
	struct err e = { 0 };
	json_t *doc = NULL;
	assert_ok(json_parse(text, strlen(text), &doc, &e));
	return doc;
}

static void check(const char *text, enum shape want)
{
	struct err e = { 0 };
	enum shape got = SHAPE_SCHEDULE;
	autojson *doc = parse(text);
	assert_ok(shape_of(doc, &got, &e));
	assert_int_equal(got, want);
}

static void every_sender_is_told_by_what_only_it_writes(void **state)
{
	(void)state;
	check("{\"job\": {}}", SHAPE_JOB);
	check("{\"tasks\": []}", SHAPE_TASKS);
	check("{\"continue\": {}}", SHAPE_CONTINUE);
	check("{\"httpMethod\": \"GET\", \"requestContext\": {}}", SHAPE_HTTP);
	check("{\"requestContext\": {\"http\": {}}}", SHAPE_HTTP);
	check("{\"Records\": []}", SHAPE_QUEUE);
	check("{\"Records\": [{\"eventSource\": \"aws:sqs\"}]}", SHAPE_QUEUE);
	check("{\"detail-type\": \"Scheduled Event\"}", SHAPE_SCHEDULE);
	check("{\"gc\": true}", SHAPE_SCHEDULE);
}

static void what_nobody_sends_is_refused(void **state)
{
	static const char *const none[] = { "{}", "[]", "3", "null", "{\"httpMethod\": \"GET\"}",
		"{\"requestContext\": {}}", "{\"Records\": {}}", "{\"gc\": false}",
		"{\"Records\": [{\"eventSource\": \"aws:s3\"}]}", "{\"detail-type\": \"EC2\"}" };
	struct err e = { 0 };
	enum shape shape;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		autojson *doc = parse(none[i]);
		assert_err(shape_of(doc, &shape, &e), ERR_REQUEST_INVALID);
	}
}

static void what_goes_on_elsewhere_is_read_as_it_was_written(void **state)
{
	static const char *const bad[] = { "{\"continue\": 1}", "{\"continue\": {\"id\": \"a\"}}",
		"{\"continue\": {\"id\": \"../a\", \"leg\": 1}}",
		"{\"continue\": {\"id\": \"a\", \"leg\": 100000}}",
		"{\"continue\": {\"id\": \"\", \"leg\": 1}}" };
	struct continued c = { .id = "a-b_C9", .leg = 7 }, got;
	struct err e = { 0 };
	(void)state;
	autojson *doc = continued_json(&c);
	assert_ok(continued_parse(doc, &got, &e));
	assert_string_equal(got.id, c.id);
	assert_int_equal(got.leg, c.leg);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		autojson *wrong = parse(bad[i]);
		assert_err(continued_parse(wrong, &got, &e), ERR_REQUEST_INVALID);
	}
}

static void messages_are_judged_one_by_one(void **state)
{
	struct messages m;
	struct err e = { 0 };
	(void)state;
	autojson *doc = parse(
		"{\"Records\": [{\"messageId\": \"a\", \"body\": \"{\\\"job\\\": {}}\"},"
		"{\"messageId\": \"b\", \"body\": \"{\"}, {\"messageId\": \"c\"},"
		"{\"messageId\": \"d\", \"body\": \"{\\\"gc\\\": true}\"}]}");
	assert_ok(messages_parse(doc, &m, &e));
	assert_int_equal(m.n, 4);
	assert_non_null(m.v[0].event);
	for (size_t i = 1; i < m.n; i++) {
		assert_null(m.v[i].event);
		assert_int_not_equal(m.v[i].why.code, OK);
	}
	m.v[1].failed = m.v[3].failed = true;
	autojson *answer = messages_answer(&m);
	autofree char *text = json_text(answer);
	assert_string_equal(text,
		"{\"batchItemFailures\":[{\"itemIdentifier\":\"b\"},"
		"{\"itemIdentifier\":\"d\"}]}");
	messages_done(&m);
	autojson *nameless = parse("{\"Records\": [{\"body\": \"\"}]}");
	assert_err(messages_parse(nameless, &m, &e), ERR_REQUEST_INVALID);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_sender_is_told_by_what_only_it_writes),
	cmocka_unit_test(what_nobody_sends_is_refused),
	cmocka_unit_test(what_goes_on_elsewhere_is_read_as_it_was_written),
	cmocka_unit_test(messages_are_judged_one_by_one),
};
TEST_MAIN(tests)
