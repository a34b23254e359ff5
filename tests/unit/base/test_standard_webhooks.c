/* SPDX-License-Identifier: MIT */
#include "lib/test.h"

#include "base/standard_webhooks.h"

/* The vector that the reference libraries of Standard Webhooks are tested with. */
#define SECRET    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID        "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIME      "1614265330"
#define BODY      "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static const struct webhook_message message = { ID, TIME, BODY, sizeof(BODY) - 1 };

static struct webhook_secret secret_of(const char *text)
{
	struct webhook_secret s;
	assert_true(webhook_secret_parse(text, &s));
	return s;
}

static void the_published_vector_is_signed_alike(void **state)
{
	(void)state;
	struct webhook_secret s = secret_of(SECRET);
	char out[WEBHOOK_SIGNATURE_MAX], text[WEBHOOK_SECRET_MAX];
	webhook_sign(&s, &message, out);
	assert_string_equal(out, SIGNATURE);
	webhook_secret_format(s.key, s.n, text);
	assert_string_equal(text, SECRET);
}

static void a_secret_is_taken_without_its_prefix(void **state)
{
	(void)state;
	struct webhook_secret s = secret_of(&SECRET[strlen("whsec_")]);
	assert_true(webhook_verify(&s, &message, SIGNATURE));
}

static void any_of_several_signatures_will_do(void **state)
{
	(void)state;
	struct webhook_secret s = secret_of(SECRET);
	assert_true(webhook_verify(&s, &message, "v1,AAAA v2,xxx " SIGNATURE " v1a,yyy"));
	assert_false(webhook_verify(&s, &message, "v1,AAAA v2,xxx"));
	assert_false(webhook_verify(&s, &message, ""));
}

static void one_place_of_the_list_can_be_asked_for(void **state)
{
	(void)state;
	struct webhook_secret s = secret_of(SECRET);
	const char *list = "v1,AAAA " SIGNATURE;
	assert_true(webhook_verify_nth(&s, &message, list, 1));
	assert_false(webhook_verify_nth(&s, &message, list, 0));
	assert_false(webhook_verify_nth(&s, &message, list, 2));
}

static void whatever_is_changed_the_signature_no_longer_fits(void **state)
{
	(void)state;
	struct webhook_secret s = secret_of(SECRET), other = s;
	struct webhook_message m = message;
	other.key[0] ^= 1;
	assert_false(webhook_verify(&other, &message, SIGNATURE));
	m.id = "msg_p5jXN8AQM9LWM0D4loKWxJel";
	assert_false(webhook_verify(&s, &m, SIGNATURE));
	m = message;
	m.time_s = "1614265331";
	assert_false(webhook_verify(&s, &m, SIGNATURE));
	m = message;
	m.body_n--;
	assert_false(webhook_verify(&s, &m, SIGNATURE));
	assert_false(webhook_verify(&s, &message, "v2" SIGNATURE));
	assert_false(
		webhook_verify(&s, &message, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="));
}

static void a_secret_that_is_none_is_refused(void **state)
{
	(void)state;
	struct webhook_secret s;
	assert_false(webhook_secret_parse("", &s));
	assert_false(webhook_secret_parse("whsec_", &s));
	assert_false(webhook_secret_parse("whsec_c2hvcnQ=", &s));
	assert_false(webhook_secret_parse("whsec_!!!!9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &s));
}

static void a_time_is_near_within_five_minutes(void **state)
{
	(void)state;
	const int64_t now_ms = 1614265330500;
	assert_true(webhook_time_is_near("1614265330", now_ms));
	assert_true(webhook_time_is_near("1614265030", now_ms));
	assert_true(webhook_time_is_near("1614265630", now_ms));
	assert_false(webhook_time_is_near("1614265029", now_ms));
	assert_false(webhook_time_is_near("1614265631", now_ms));
	assert_false(webhook_time_is_near("", now_ms));
	assert_false(webhook_time_is_near("1614265330 ", now_ms));
	assert_false(webhook_time_is_near("-1614265330", now_ms));
	assert_false(webhook_time_is_near("99999999999999999999", now_ms));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_published_vector_is_signed_alike),
	cmocka_unit_test(a_secret_is_taken_without_its_prefix),
	cmocka_unit_test(any_of_several_signatures_will_do),
	cmocka_unit_test(one_place_of_the_list_can_be_asked_for),
	cmocka_unit_test(whatever_is_changed_the_signature_no_longer_fits),
	cmocka_unit_test(a_secret_that_is_none_is_refused),
	cmocka_unit_test(a_time_is_near_within_five_minutes),
};
TEST_MAIN(tests)
