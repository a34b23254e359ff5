/* SPDX-License-Identifier: MIT */
#include "desk.h"

/* ---- the request ---- */

static void the_request_is_the_contracts(void **state)
{
	(void)state;
	struct err e;
	struct desk d = desk_make(HEAD "\r\n" PNG);
	assert_ok(cut_once(&d, &e));
	const char *r = d.origin.request;
	assert_ptr_equal(strstr(r, "POST /v1.0/removebg HTTP/1.1\r\n"), r);
	assert_non_null(strstr(r, "\r\nX-Api-Key: " KEY "\r\n"));
	assert_non_null(strstr(r, "\r\nContent-Type: multipart/form-data; boundary="));
	assert_non_null(strstr(r, "name=\"size\"\r\n\r\nfull\r\n"));
	assert_non_null(strstr(r, "name=\"format\"\r\n\r\npng\r\n"));
	assert_non_null(strstr(r,
		"name=\"image_file\"; filename=\"picture\"\r\n"
		"Content-Type: image/gif\r\n\r\n" SENT "\r\n--"));
	assert_null(strstr(r, "Expect:"));
	assert_int_equal(d.origin.hits, 1);
}

static void above_ten_megapixels_a_zip_is_asked_for(void **state)
{
	(void)state;
	struct err e;
	struct desk d = desk_make("HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\n\r\n"
				  "PK\3\4 color.jpg alpha.png PK\5\6..................");
	d.call.width = 10001;
	d.call.height = 1000;
	assert_ok(cut_once(&d, &e));
	assert_non_null(strstr(d.origin.request, "name=\"format\"\r\n\r\nzip\r\n"));
	assert_string_equal(d.result.media_type, "application/zip");
	assert_int_equal(d.result.cost, 1000); /* nothing said: what was reserved */
}

/* ---- the order of things ---- */

static void a_bought_answer_is_handed_over_sealed(void **state)
{
	(void)state;
	struct err e;
	char got[64];
	size_t n;
	struct desk d = desk_make(HEAD "\r\n" PNG);
	desk_open(&d);
	assert_ok(cut(&d, &e));
	assert_string_equal(d.book.said, "a");
	assert_int_equal(d.book.hits, 0); /* before the request */
	assert_int_equal(d.book.task, 5);
	assert_int_equal(d.book.lease, 6);
	assert_int_equal(d.book.cost, 1000);
	assert_int_equal(d.result.intent.charge, 77);
	assert_int_equal(d.result.cost, 250);
	assert_int_equal(d.result.bytes, sizeof(PNG) - 1);
	assert_false(d.result.no_foreground);
	assert_ok(io_pread(d.result.fd, got, sizeof(got), 0, &n, &e));
	assert_int_equal(n, sizeof(PNG) - 1);
	assert_memory_equal(got, PNG, n);
	assert_int_equal(write(d.result.fd, "x", 1), -1);
	assert_string_equal(d.outcomes, "ok ");
	assert_int_equal(d.credits, 250);
	desk_close(&d);
}

static void what_was_bought_before_is_not_asked_for(void **state)
{
	(void)state;
	struct err e;
	struct desk d = desk_make(HEAD "\r\n" PNG);
	d.book.bought = true;
	assert_ok(cut_once(&d, &e));
	assert_true(d.result.intent.bought);
	assert_int_equal(d.result.fd, -1);
	assert_string_equal(d.book.said, "a");
	assert_int_equal(d.origin.hits, 0);
	assert_string_equal(d.outcomes, "");
}

static void where_the_ledger_says_no_nothing_is_sent(void **state)
{
	(void)state;
	struct err e;
	static const enum err_code noes[] = { ERR_MATTE_BUDGET, ERR_MATTE_CHARGE_UNKNOWN, ERR_BUSY,
		ERR_STORE_STALE };
	for (size_t i = 0; i < ARRAY_LEN(noes); i++) {
		struct desk d = desk_make(HEAD "\r\n" PNG);
		d.book.ask_says = noes[i];
		assert_err(cut_once(&d, &e), noes[i]);
		assert_string_equal(d.book.said, "a");
		assert_int_equal(d.origin.hits, 0);
	}
}

static void a_cancel_is_seen_before_the_ledger_is_asked(void **state)
{
	(void)state;
	struct err e;
	atomic_bool cancel = true;
	struct desk d = desk_make(HEAD "\r\n" PNG);
	d.call.cancel = &cancel;
	assert_err(cut_once(&d, &e), ERR_CANCELED);
	assert_string_equal(d.book.said, "");
	assert_int_equal(d.origin.hits, 0);
}

static enum err_code ask_and_cancel(void *ctx, int64_t task, int64_t lease, int64_t cost,
	struct ledger_answer *ret, struct err *e)
{
	struct desk *d = ctx;
	atomic_store(d->call.cancel, true);
	return ask(&d->book, task, lease, cost, ret, e);
}

static void a_cancel_after_the_intent_changes_nothing(void **state)
{
	(void)state;
	struct err e;
	atomic_bool cancel = false;
	struct desk d = desk_make(HEAD "\r\n" PNG);
	d.call.cancel = &cancel;
	desk_open(&d);
	struct ledger l = { .ctx = &d, .ask = ask_and_cancel };
	assert_ok(provider_cut(d.provider, &l, &d.call, &d.result, &e));
	assert_true(d.result.fd >= 0);
	desk_close(&d);
}

static void a_picture_that_is_too_large_is_not_sent(void **state)
{
	(void)state;
	struct err e;
	struct desk d = desk_make(HEAD "\r\n" PNG);
	d.call.bytes = PROVIDER_MAX_BYTES + 1;
	assert_err(cut_once(&d, &e), ERR_MATTE_PROVIDER);
	assert_int_equal(d.result.retry_after_ms, -1);
	assert_string_equal(d.book.said, "");
}

/* ---- the rest ---- */

static enum err_code account(const char *script, double *credits, struct err *e)
{
	struct desk d = desk_make(script);
	desk_open(&d);
	*e = (struct err){ 0 };
	enum err_code rc = provider_account(d.provider, credits, e);
	desk_close(&d);
	assert_ptr_equal(strstr(d.origin.request, "GET /v1.0/account HTTP/1.1\r\n"),
		d.origin.request);
	assert_non_null(strstr(d.origin.request, "\r\nX-Api-Key: " KEY "\r\n"));
	assert_null(strstr(e->text, KEY));
	return rc;
}

static void the_account_says_how_many_credits_are_left(void **state)
{
	(void)state;
	struct err e;
	double credits = -1;
	assert_ok(account("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
			  "{\"data\":{\"attributes\":{\"credits\":{\"total\":200.5}}}}",
		&credits, &e));
	assert_true(credits == 200.5);
	assert_err(account("HTTP/1.1 200 OK\r\n\r\n{}", &credits, &e), ERR_MATTE_PROVIDER);
	assert_err(
		account("HTTP/1.1 403 No\r\n\r\n"
			"{\"errors\":[{\"title\":\"API Key invalid\",\"code\":\"auth_failed\"}]}",
			&credits, &e),
		ERR_MATTE_PROVIDER);
	assert_non_null(strstr(e.text, "answered 403: API Key invalid"));
	assert_err(account("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", &credits, &e),
		ERR_MATTE_PROVIDER);
}

static void a_url_or_key_that_cannot_be_is_refused(void **state)
{
	(void)state;
	struct err e;
	struct provider *p = NULL;
	static const struct provider_opts bad[] = {
		{ .url = "ftp://x/", .key = KEY },
		{ .url = "file:///x", .key = KEY },
		{ .url = "https://u:p@x/", .key = KEY },
		{ .url = "https://x/?a=b", .key = KEY },
		{ .url = "https://x/", .key = "" },
		{ .url = "https://x/", .key = NULL },
		{ .url = "https://x/", .key = KEY "\r\nHost: y" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_err(provider_new(&bad[i], &p, &e), ERR_USAGE);
		assert_null(p);
		assert_null(strstr(e.text, KEY));
	}
	struct provider_opts good = { .url = "https://API.remove.bg/v1.0",
		.key = KEY,
		.guard = &off };
	assert_ok(provider_new(&good, &p, &e));
	assert_string_equal(provider_host(p), "api.remove.bg");
	provider_free(p);
	provider_free(NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(the_request_is_the_contracts, desk_init),
	cmocka_unit_test(above_ten_megapixels_a_zip_is_asked_for),
	cmocka_unit_test(a_bought_answer_is_handed_over_sealed),
	cmocka_unit_test(what_was_bought_before_is_not_asked_for),
	cmocka_unit_test(where_the_ledger_says_no_nothing_is_sent),
	cmocka_unit_test(a_cancel_is_seen_before_the_ledger_is_asked),
	cmocka_unit_test(a_cancel_after_the_intent_changes_nothing),
	cmocka_unit_test(a_picture_that_is_too_large_is_not_sent),
	cmocka_unit_test(the_account_says_how_many_credits_are_left),
	cmocka_unit_test(a_url_or_key_that_cannot_be_is_refused),
};
TEST_MAIN(tests)
