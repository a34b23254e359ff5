/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/io.h"
#include "lib/test.h"
#include "provider/answer.h"

#define KEY "k3y-that-is-secret"

static const char png[] = "\x89PNG\r\n\x1a\n....IDAT....\0\0\0\0IEND\xae\x42\x60\x82";
static const char zip[] = "PK\3\4 color.jpg alpha.png PK\5\6..................";

static struct answer answered(int status, const char *type, const void *body, size_t n)
{
	struct answer a = ANSWER_INIT;
	a.sent = a.expects_file = true;
	a.status = status;
	answer_field(&a, "content-type", type);
	if (n > 0)
		assert_true(answer_add(&a, body, n));
	return a;
}

static struct answer refused(int status, const char *json)
{
	return answered(status, "application/json", json, strlen(json));
}

static struct verdict judge(struct answer *a, struct err *e)
{
	*e = (struct err){ 0 };
	struct verdict v = answer_judge(a, "api.example.com", KEY, e);
	assert_null(strstr(e->text, KEY));
	answer_done(a);
	return v;
}

static void assert_verdict(struct verdict v, enum verdict_kind kind, const char *outcome, bool away,
	int64_t retry)
{
	assert_int_equal(v.kind, kind);
	assert_string_equal(v.outcome, outcome);
	assert_int_equal(v.away, away);
	assert_int_equal(v.retry_after_ms, retry);
}

static void a_whole_picture_is_bought(void **state)
{
	(void)state;
	struct err e;
	struct answer a = answered(200, "Image/PNG; charset=binary", png, sizeof(png) - 1);
	assert_verdict(judge(&a, &e), VERDICT_BOUGHT, "ok", false, 0);
	a = answered(200, "application/zip", zip, sizeof(zip) - 1);
	assert_verdict(judge(&a, &e), VERDICT_BOUGHT, "ok", false, 0);
}

static void a_200_that_is_no_whole_picture_may_have_been_charged(void **state)
{
	(void)state;
	struct err e;
	struct {
		const char *type, *body;
		size_t n;
	} bad[] = {
		{ "image/png", png, sizeof(png) - 2 },
		{ "image/png", png, 0 },
		{ "image/png", png, 5 },
		{ "image/png", zip, sizeof(zip) - 1 },
		{ "application/zip", zip, 10 },
		{ "application/zip", png, sizeof(png) - 1 },
		{ "image/jpeg", png, sizeof(png) - 1 },
		{ "text/html", "<!doctype html>", 15 },
		{ "application/json", "{}", 2 },
		{ "", png, sizeof(png) - 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct answer a = answered(200, bad[i].type, bad[i].body, bad[i].n);
		assert_verdict(judge(&a, &e), VERDICT_UNKNOWN, "unknown", true, -1);
		assert_int_equal(e.code, ERR_MATTE_CHARGE_UNKNOWN);
	}
	struct answer cut = answered(200, "image/png", png, sizeof(png) - 1);
	err_set(&cut.error, ERR_FETCH_CONNECT, "'api.example.com': cut short");
	assert_verdict(judge(&cut, &e), VERDICT_UNKNOWN, "unknown", true, -1);
	assert_non_null(strstr(e.text, "cut short"));
}

static void other_good_statuses_are_unknown(void **state)
{
	(void)state;
	struct err e;
	static const int odd[] = { 201, 202, 204, 206 };
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		struct answer a = answered(odd[i], "image/png", NULL, 0);
		assert_verdict(judge(&a, &e), VERDICT_UNKNOWN, "unknown", true, -1);
	}
}

static void errors_of_the_api_are_told_apart_and_are_free(void **state)
{
	(void)state;
	struct err e;
	static const struct {
		int status;
		const char *outcome;
		bool away;
		int64_t retry;
	} all[] = { { 400, "refused", false, -1 }, { 401, "auth", false, -1 },
		{ 402, "no_credits", false, -1 }, { 403, "auth", false, -1 },
		{ 404, "refused", false, -1 }, { 413, "refused", false, -1 },
		{ 302, "refused", false, -1 }, { 429, "rate_limited", false, 0 },
		{ 408, "server_error", true, 0 }, { 500, "server_error", true, 0 },
		{ 501, "server_error", true, 0 }, { 503, "server_error", true, 0 },
		{ 521, "server_error", true, 0 } };
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct answer a = refused(all[i].status,
			"{\"errors\":[{\"title\":\"No\",\"code\":\"x\",\"detail\":\"because\"}]}");
		assert_verdict(judge(&a, &e), VERDICT_REFUSED, all[i].outcome, all[i].away,
			all[i].retry);
		assert_int_equal(e.code, ERR_MATTE_PROVIDER);
		assert_int_equal(e.source_status, all[i].status);
		assert_non_null(strstr(e.text, "'api.example.com' answered"));
		assert_non_null(strstr(e.text, "No: because"));
	}
	struct answer broken = refused(402, "{\"err"); /* the status came, and counts */
	err_set(&broken.error, ERR_FETCH_CONNECT, "cut short");
	assert_verdict(judge(&broken, &e), VERDICT_REFUSED, "no_credits", false, -1);
}

static void errors_of_gateways_leave_the_charge_unknown(void **state)
{
	(void)state;
	struct err e;
	static const int gateways[] = { 502, 504, 520, 524 };
	for (size_t i = 0; i < ARRAY_LEN(gateways); i++) {
		struct answer a = answered(gateways[i], "text/html", "Bad gateway", 11);
		assert_verdict(judge(&a, &e), VERDICT_UNKNOWN, "unknown", true, -1);
	}
}

static void an_error_that_was_charged_is_no_refusal(void **state)
{
	(void)state;
	struct err e;
	static const int errors[] = { 400, 402, 429, 500, 503 };
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		struct answer a = refused(errors[i],
			"{\"errors\":[{\"title\":\"\",\"code\":\"unknown_foreground\"}]}");
		answer_field(&a, "X-Credits-Charged", "1");
		assert_verdict(judge(&a, &e), VERDICT_UNKNOWN, "unknown", true, -1);
	}
}

static void no_foreground_is_known_by_code_or_title(void **state)
{
	(void)state;
	struct err e;
	static const char *const says[] = {
		"{\"errors\":[{\"title\":\"x\",\"code\":\"unknown_foreground\"}]}",
		"{\"errors\":[{\"title\":\"Could not identify foreground in image.\"}]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(says); i++) {
		struct answer a = refused(400, says[i]);
		answer_field(&a, "X-Credits-Charged", "0");
		assert_verdict(judge(&a, &e), VERDICT_NO_FOREGROUND, "refused", false, 0);
	}
	struct answer a = refused(500, says[0]);
	assert_verdict(judge(&a, &e), VERDICT_REFUSED, "server_error", true, 0);
}

static void silence_is_unknown_only_when_the_request_was_sent(void **state)
{
	(void)state;
	struct err e;
	static const struct {
		enum err_code code;
		bool away;
		int64_t retry;
	} all[] = { { ERR_FETCH_DNS, true, 0 }, { ERR_FETCH_CONNECT, true, 0 },
		{ ERR_FETCH_TIMEOUT, true, 0 }, { ERR_FETCH_TLS, true, -1 },
		{ ERR_FETCH_BLOCKED_ADDRESS, true, -1 }, { ERR_SYSTEM, false, 0 },
		{ ERR_MEMORY, false, 0 } };
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct answer a = ANSWER_INIT;
		err_set(&a.error, all[i].code, "'api.example.com': silence");
		assert_verdict(judge(&a, &e), VERDICT_REFUSED, "unreachable", all[i].away,
			all[i].retry);
		assert_int_equal(e.code, ERR_MATTE_PROVIDER);
		assert_non_null(strstr(e.text, "was not reached: 'api.example.com': silence"));
		a.sent = true;
		assert_verdict(judge(&a, &e), VERDICT_UNKNOWN, "unknown", true, -1);
		assert_int_equal(e.code, ERR_MATTE_CHARGE_UNKNOWN);
	}
}

static void the_wait_is_read_from_either_field(void **state)
{
	(void)state;
	struct err e;
	char text[CLOCK_RFC3339_MAX];
	struct answer a = refused(429, "{}");
	answer_field(&a, "RETRY-AFTER", "7");
	answer_field(&a, "X-Ratelimit-Reset", "99999999999");
	assert_verdict(judge(&a, &e), VERDICT_REFUSED, "rate_limited", false, 7000);
	assert_int_equal(e.retry_after_ms, 7000);

	a = refused(429, "{}");
	clock_format_http(clock_wall_ms() + 60000, text);
	answer_field(&a, "Retry-After", text);
	assert_in_range(judge(&a, &e).retry_after_ms, 50000, 60000);

	a = refused(429, "{}");
	snprintf(text, sizeof(text), "%lld", (long long)(clock_wall_ms() / 1000 + 60));
	answer_field(&a, "x-ratelimit-reset", text);
	assert_in_range(judge(&a, &e).retry_after_ms, 50000, 60000);

	a = refused(503, "{}");
	answer_field(&a, "X-RateLimit-Reset", text); /* every answer has that: no wish */
	assert_int_equal(judge(&a, &e).retry_after_ms, 0);

	static const char *const bad[] = { "", "soon", "-5", "1e9", "12345678901234567890" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		a = refused(429, "{}");
		answer_field(&a, "X-RateLimit-Reset", bad[i]);
		assert_int_equal(judge(&a, &e).retry_after_ms, 0);
	}
}

static void credits_are_read_in_thousandths(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t credits;
	} all[] = { { "1", 1000 }, { "0", 0 }, { "0.25", 250 }, { "1.0", 1000 },
		{ "12.3456", 12345 }, { "1.", 1000 }, { "", -1 }, { "-1", -1 }, { "one", -1 },
		{ "1 credit", -1 }, { "1.2.3", -1 }, { "1e3", -1 }, { ".5", -1 },
		{ "1000000", 1000000000 }, { "1000001", -1 },
		{ "99999999999999999999999999", -1 } };
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct answer a = ANSWER_INIT;
		answer_field(&a, "x-credits-charged", all[i].text);
		if (a.credits != all[i].credits)
			fail_msg("'%s' is %lld", all[i].text, (long long)a.credits);
	}
}

static void what_it_says_is_bounded_harmless_and_without_the_key(void **state)
{
	(void)state;
	struct err e;
	struct buf b = BUF_INIT(1 << 20);
	buf_puts(&b,
		"{\"errors\":[{\"title\":\"The key " KEY " and " KEY KEY
		" \\u001b[2J\\n\xc3\xa9\",\"detail\":\"");
	for (int i = 0; i < 5000; i++)
		buf_puts(&b, "long ");
	buf_puts(&b, "\"}]}");
	struct answer a = answered(403, "application/json", b.data, b.len);
	assert_verdict(judge(&a, &e), VERDICT_REFUSED, "auth", false, -1);
	assert_non_null(strstr(e.text, "The key ******"));
	assert_true(strlen(e.text) < 300);
	for (const char *p = e.text; *p != '\0'; p++)
		assert_in_range(*p, 0x20, 0x7e);
	buf_done(&b);

	static const char *const odd[] = { "", "[]", "{\"errors\":{}}", "{\"errors\":[]}",
		"{\"errors\":[1]}", "{\"errors\":[{\"title\":1,\"code\":{}}]}", "<html>", "\xff" };
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		a = refused(400, odd[i]);
		assert_verdict(judge(&a, &e), VERDICT_REFUSED, "refused", false, -1);
		assert_string_equal(e.text, "'api.example.com' answered 400");
	}
}

static void a_body_over_the_limit_ends_the_transfer(void **state)
{
	(void)state;
	struct err e;
	static char block[1 << 20];
	struct answer a = answered(200, "image/png", png, sizeof(png) - 1);
	a.bytes = ANSWER_MAX_BYTES - 1; /* as if so many had come */
	assert_false(answer_add(&a, block, 2));
	assert_verdict(judge(&a, &e), VERDICT_UNKNOWN, "unknown", true, -1);

	struct answer text = ANSWER_INIT;
	text.status = 500;
	assert_false(answer_add(&text, block, sizeof(block)));
	assert_verdict(judge(&text, &e), VERDICT_REFUSED, "server_error", true, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_whole_picture_is_bought),
	cmocka_unit_test(a_200_that_is_no_whole_picture_may_have_been_charged),
	cmocka_unit_test(other_good_statuses_are_unknown),
	cmocka_unit_test(errors_of_the_api_are_told_apart_and_are_free),
	cmocka_unit_test(errors_of_gateways_leave_the_charge_unknown),
	cmocka_unit_test(an_error_that_was_charged_is_no_refusal),
	cmocka_unit_test(no_foreground_is_known_by_code_or_title),
	cmocka_unit_test(silence_is_unknown_only_when_the_request_was_sent),
	cmocka_unit_test(the_wait_is_read_from_either_field),
	cmocka_unit_test(credits_are_read_in_thousandths),
	cmocka_unit_test(what_it_says_is_bounded_harmless_and_without_the_key),
	cmocka_unit_test(a_body_over_the_limit_ends_the_transfer),
};
TEST_MAIN(tests)
