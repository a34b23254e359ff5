/* SPDX-License-Identifier: MIT */
#include "desk.h"

/* ---- answers ---- */

static void each_answer_is_told_to_the_ledger_once(void **state)
{
	(void)state;
	struct err e;
	static const struct {
		const char *script, *said, *outcome;
		enum err_code code;
		int64_t retry;
	} all[] = {
		{ "HTTP/1.1 402 No\r\n\r\n", "ar", "no_credits ", ERR_MATTE_PROVIDER, -1 },
		{ "HTTP/1.1 403 No\r\n\r\n{\"errors\":[{\"title\":\"" KEY "\"}]}", "ar", "auth ",
			ERR_MATTE_PROVIDER, -1 },
		{ "HTTP/1.1 400 No\r\n\r\n", "ar", "refused ", ERR_MATTE_PROVIDER, -1 },
		{ "HTTP/1.1 301 No\r\nLocation: /x\r\n\r\n", "ar", "refused ", ERR_MATTE_PROVIDER,
			-1 },
		{ "HTTP/1.1 429 No\r\nRetry-After: 3\r\n\r\n", "ar", "rate_limited ",
			ERR_MATTE_PROVIDER, 3000 },
		{ "HTTP/1.1 500 No\r\n\r\n", "ar", "server_error ", ERR_MATTE_PROVIDER, 0 },
		{ "HTTP/1.1 503 No\r\nRetry-After: 4\r\n\r\n", "ar", "server_error ",
			ERR_MATTE_PROVIDER, 4000 },
		{ "HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\ncut", "ar", "server_error ",
			ERR_MATTE_PROVIDER, 0 },
		{ "HTTP/1.1 504 No\r\n\r\n", "au", "unknown ", ERR_MATTE_CHARGE_UNKNOWN, -1 },
		{ HEAD "Content-Length: 999\r\n\r\n" PNG, "au", "unknown ",
			ERR_MATTE_CHARGE_UNKNOWN, -1 },
		{ HEAD "\r\n\x89PNG\r\n\x1a\n....IDAT", "au", "unknown ", ERR_MATTE_CHARGE_UNKNOWN,
			-1 },
		{ HEAD "\r\n<!doctype html>", "au", "unknown ", ERR_MATTE_CHARGE_UNKNOWN, -1 },
		{ "220 smtp.example.com ESMTP\r\n", "au", "unknown ", ERR_MATTE_CHARGE_UNKNOWN,
			-1 },
		{ "HTTP/1.1 200 O", "au", "unknown ", ERR_MATTE_CHARGE_UNKNOWN, -1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct desk d = desk_make(all[i].script);
		assert_err(cut_once(&d, &e), all[i].code);
		assert_string_equal(d.book.said, all[i].said);
		assert_string_equal(d.outcomes, all[i].outcome);
		assert_int_equal(d.book.charge, 77);
		assert_int_equal(d.result.retry_after_ms, all[i].retry);
		assert_int_equal(d.result.fd, -1);
		assert_int_equal(d.origin.hits, 1);
	}
}

static void no_foreground_is_a_result(void **state)
{
	(void)state;
	struct err e;
	struct desk d = desk_make(
		"HTTP/1.1 400 No\r\n\r\n"
		"{\"errors\":[{\"title\":\"x\",\"code\":\"unknown_foreground\"}]}");
	assert_ok(cut_once(&d, &e));
	assert_true(d.result.no_foreground);
	assert_int_equal(d.result.fd, -1);
	assert_string_equal(d.book.said, "ar");
}

static void a_lost_answer_is_unknown(void **state)
{
	(void)state;
	struct err e;
	struct desk hang = desk_make(NULL);
	hang.origin.hang = true;
	hang.opts.timeout_ms = 200;
	assert_err(cut_once(&hang, &e), ERR_MATTE_CHARGE_UNKNOWN);
	assert_string_equal(hang.book.said, "au");

	struct desk reset = desk_make("");
	reset.origin.reset = true;
	assert_err(cut_once(&reset, &e), ERR_MATTE_CHARGE_UNKNOWN);
	assert_string_equal(reset.book.said, "au");
	assert_int_equal(reset.origin.hits, 1); /* and never sent again */
}

static void what_was_never_sent_is_not_unknown(void **state)
{
	(void)state;
	struct err e;
	static const struct net_guard strict;
	struct desk d = desk_make("");
	d.opts.url = "http://127.0.0.1:1/v1.0";
	assert_err(cut_once(&d, &e), ERR_MATTE_PROVIDER);
	assert_string_equal(d.book.said, "ar");
	assert_string_equal(d.outcomes, "unreachable ");

	d = desk_make("");
	d.opts.url = "http://nobody.invalid/v1.0";
	assert_err(cut_once(&d, &e), ERR_MATTE_PROVIDER);
	assert_string_equal(d.book.said, "ar");

	d = desk_make("");
	d.opts.guard = &strict;
	assert_err(cut_once(&d, &e), ERR_MATTE_PROVIDER);
	assert_non_null(strstr(e.text, "--allow-address 127.0.0.1/32"));
	assert_string_equal(d.book.said, "ar");
	assert_int_equal(d.result.retry_after_ms, -1);

	d = desk_make("");
	d.call.bytes = sizeof(SENT) + 100; /* more than there is to read */
	assert_err(cut_once(&d, &e), ERR_MATTE_PROVIDER);
	assert_string_equal(d.book.said, "ar");
}

static void a_ledger_that_cannot_listen_is_not_told_again(void **state)
{
	(void)state;
	struct err e;
	struct desk d = desk_make("HTTP/1.1 500 No\r\n\r\n");
	d.book.later_says = ERR_STORE_STALE;
	assert_err(cut_once(&d, &e), ERR_STORE_STALE);
	assert_string_equal(d.book.said, "ar");
	d = desk_make("HTTP/1.1 502 No\r\n\r\n");
	d.book.later_says = ERR_STORE_STALE;
	assert_err(cut_once(&d, &e), ERR_STORE_STALE);
	assert_string_equal(d.book.said, "au");
}

/* ---- what one call means for the next ---- */

static void a_dead_provider_is_left_alone_until_a_probe_succeeds(void **state)
{
	(void)state;
	struct err e;
	struct desk d = desk_make("HTTP/1.1 500 No\r\n\r\n");
	d.origin.later = HEAD "\r\n" PNG;
	d.origin.later_from = 4;
	d.opts.breaker_failures = 3;
	d.opts.breaker_ms = 30000;
	d.opts.clock_ms = fake_clock;
	desk_open(&d);
	for (int i = 0; i < 3; i++) {
		assert_false(provider_is_open(d.provider));
		assert_err(cut(&d, &e), ERR_MATTE_PROVIDER);
	}
	assert_true(provider_is_open(d.provider));
	assert_err(cut(&d, &e), ERR_MATTE_PROVIDER);
	assert_int_equal(d.result.retry_after_ms, 30000);
	assert_string_equal(d.book.said, "ararar"); /* the ledger was not asked */
	assert_int_equal(d.origin.hits, 3);
	fake_now += 30000;
	assert_false(provider_is_open(d.provider));
	assert_ok(cut(&d, &e));
	assert_false(provider_is_open(d.provider));
	desk_close(&d);
}

static void a_probe_that_the_ledger_stops_leaves_the_way_free(void **state)
{
	(void)state;
	struct err e;
	struct desk d = desk_make("HTTP/1.1 500 No\r\n\r\n");
	d.opts.breaker_failures = 1;
	d.opts.breaker_ms = 1000;
	d.opts.clock_ms = fake_clock;
	desk_open(&d);
	assert_err(cut(&d, &e), ERR_MATTE_PROVIDER);
	fake_now += 1000;
	d.book.ask_says = ERR_MATTE_BUDGET;
	assert_err(cut(&d, &e), ERR_MATTE_BUDGET);
	assert_false(provider_is_open(d.provider));
	desk_close(&d);
}

static void a_wait_that_was_asked_for_holds_for_later_calls(void **state)
{
	(void)state;
	struct err e;
	struct desk d = desk_make("HTTP/1.1 429 No\r\nRetry-After: 600\r\n\r\n");
	d.opts.clock_ms = fake_clock;
	desk_open(&d);
	assert_err(cut(&d, &e), ERR_MATTE_PROVIDER);
	assert_int_equal(d.result.retry_after_ms, 600000);
	fake_now += 1000;
	assert_err(cut(&d, &e), ERR_MATTE_PROVIDER);
	assert_int_equal(d.result.retry_after_ms, 599000);
	assert_string_equal(d.book.said, "ar");
	assert_int_equal(d.origin.hits, 1);
	fake_now += 599000;
	assert_err(cut(&d, &e), ERR_MATTE_PROVIDER);
	assert_int_equal(d.origin.hits, 2);
	desk_close(&d);
}

static void errors_of_the_caller_do_not_open_the_breaker(void **state)
{
	(void)state;
	struct err e;
	struct desk d = desk_make("HTTP/1.1 402 No\r\n\r\n");
	d.opts.breaker_failures = 2;
	d.opts.breaker_ms = 1000;
	desk_open(&d);
	for (int i = 0; i < 5; i++)
		assert_err(cut(&d, &e), ERR_MATTE_PROVIDER);
	assert_int_equal(d.origin.hits, 5);
	desk_close(&d);
}

/* ---- many at a time ---- */

struct crowd {
	struct desk *desk;
	atomic_int asked, at_once, most_at_once, charges;
};

static enum err_code ask_of_many(void *ctx, int64_t task, int64_t lease, int64_t cost,
	struct ledger_answer *ret, struct err *e)
{
	(void)task, (void)lease, (void)cost, (void)e;
	struct crowd *crowd = ctx;
	int now = ++crowd->at_once;
	if (now > crowd->most_at_once)
		crowd->most_at_once = now;
	*ret = (struct ledger_answer){ .charge = ++crowd->asked };
	crowd->at_once--;
	return OK;
}

static void *cut_in_a_crowd(void *arg)
{
	struct crowd *crowd = arg;
	struct ledger l = { .ctx = crowd, .ask = ask_of_many };
	struct provider_result result;
	struct err e;
	if (provider_cut(crowd->desk->provider, &l, &crowd->desk->call, &result, &e) == OK)
		crowd->charges++;
	fd_close(&result.fd);
	return NULL;
}

static void many_threads_share_one_provider(void **state)
{
	(void)state;
	pthread_t threads[16];
	struct desk d = desk_make(HEAD "\r\n" PNG);
	struct crowd crowd = { .desk = &d };
	d.opts.on_call = NULL;
	d.opts.megapixels_per_minute = 100000;
	desk_open(&d);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, cut_in_a_crowd, &crowd);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(crowd.asked, ARRAY_LEN(threads));
	assert_int_equal(crowd.charges, ARRAY_LEN(threads));
	assert_int_equal(crowd.most_at_once, 1); /* each at the gate */
	assert_int_equal(d.origin.hits, ARRAY_LEN(threads));
	desk_close(&d);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(each_answer_is_told_to_the_ledger_once, desk_init),
	cmocka_unit_test(no_foreground_is_a_result),
	cmocka_unit_test(a_lost_answer_is_unknown),
	cmocka_unit_test(what_was_never_sent_is_not_unknown),
	cmocka_unit_test(a_ledger_that_cannot_listen_is_not_told_again),
	cmocka_unit_test(a_dead_provider_is_left_alone_until_a_probe_succeeds),
	cmocka_unit_test(a_probe_that_the_ledger_stops_leaves_the_way_free),
	cmocka_unit_test(a_wait_that_was_asked_for_holds_for_later_calls),
	cmocka_unit_test(errors_of_the_caller_do_not_open_the_breaker),
	cmocka_unit_test(many_threads_share_one_provider),
};
TEST_MAIN(tests)
