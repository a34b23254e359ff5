/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/io.h"
#include "lib/origin.h"
#include "lib/test.h"
#include "net/net.h"
#include "provider/provider.h"

#define KEY  "k3y-that-is-secret"
#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nX-Credits-Charged: 0.25\r\n"
#define PNG  "\x89PNG\r\n\x1a\n....IDAT....IEND\xae\x42\x60\x82"
#define SENT "GIF89a, or whatever a picture is"

static const struct net_guard off = { .off = true };

/* A ledger that writes down what it is told: a letter a call. */
struct book {
	char said[64];
	size_t n;
	int64_t task, lease, cost, charge;
	enum err_code ask_says, later_says;
	bool bought;
	struct origin *origin;
	int hits;
};

static void write_down(struct book *b, char what)
{
	assert_true(b->n + 1 < sizeof(b->said));
	b->said[b->n++] = what;
}

static enum err_code ask(void *ctx, int64_t task, int64_t lease, int64_t cost,
	struct ledger_answer *ret, struct err *e)
{
	struct book *b = ctx;
	write_down(b, 'a');
	b->task = task;
	b->lease = lease;
	b->cost = cost;
	b->hits = b->origin != NULL ? b->origin->hits : 0;
	if (b->ask_says != OK)
		return err_set(e, b->ask_says, "the ledger says no");
	*ret = (struct ledger_answer){ .charge = 77, .bought = b->bought };
	return OK;
}

static enum err_code refused(void *ctx, int64_t charge, struct err *e)
{
	struct book *b = ctx;
	write_down(b, 'r');
	b->charge = charge;
	return b->later_says == OK ? OK : err_set(e, b->later_says, "the ledger is away");
}

static enum err_code unknown(void *ctx, int64_t charge, struct err *e)
{
	struct book *b = ctx;
	write_down(b, 'u');
	b->charge = charge;
	return b->later_says == OK ? OK : err_set(e, b->later_says, "the ledger is away");
}

static enum err_code bought(void *ctx, int64_t charge, const char *blob, const char *media_type,
	int64_t cost, struct err *e)
{
	(void)charge, (void)blob, (void)media_type, (void)cost;
	write_down(ctx, 'b'); /* the caller's to say */
	return err_set(e, ERR_INTERNAL, "not by the provider");
}

/* ---- one provider, one origin ---- */

struct desk {
	struct origin origin;
	struct book book;
	struct provider *provider;
	struct provider_opts opts;
	struct provider_call call;
	struct provider_result result;
	char outcomes[128];
	int64_t credits;
};
static int64_t fake_now = 1000000;

static int64_t fake_clock(void)
{
	return fake_now;
}

static void on_call(void *ctx, const char *outcome, int64_t credits)
{
	struct desk *d = ctx;
	size_t n = strlen(d->outcomes);
	snprintf(d->outcomes + n, sizeof(d->outcomes) - n, "%s ", outcome);
	d->credits += credits;
}

static struct desk desk_make(const char *script)
{
	return (struct desk){ .origin.script = script,
		.opts = { .key = KEY, .guard = &off, .timeout_ms = 10000, .on_call = on_call },
		.call = { .bytes = sizeof(SENT) - 1,
			.media_type = "image/gif",
			.width = 100,
			.height = 50,
			.est_cost = 1000,
			.task = 5,
			.lease = 6 } };
}

static void desk_open(struct desk *d)
{
	struct err e;
	char url[64];
	assert_ok(io_memfd("picture", &d->call.fd, &e));
	assert_ok(io_write_all(d->call.fd, SENT, sizeof(SENT) - 1, &e));
	assert_true(origin_start(&d->origin));
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1.0/", d->origin.port);
	d->opts.url = d->opts.url != NULL ? d->opts.url : url;
	d->opts.ctx = d;
	d->book.origin = &d->origin;
	assert_ok(provider_new(&d->opts, &d->provider, &e));
	d->opts.url = d->opts.key = NULL; /* it has its own */
}

static void desk_close(struct desk *d)
{
	provider_free(d->provider);
	origin_stop(&d->origin);
	fd_close(&d->call.fd);
	fd_close(&d->result.fd);
}

static enum err_code cut(struct desk *d, struct err *e)
{
	struct ledger l = { .ctx = &d->book,
		.ask = ask,
		.refused = refused,
		.unknown = unknown,
		.bought = bought };
	*e = (struct err){ 0 };
	enum err_code rc = provider_cut(d->provider, &l, &d->call, &d->result, e);
	assert_null(strstr(e->text, KEY));
	return rc;
}

/* A new origin's answer, one call; what the ledger heard is in d->book.said. */
static enum err_code cut_once(struct desk *d, struct err *e)
{
	desk_open(d);
	enum err_code rc = cut(d, e);
	desk_close(d);
	return rc;
}

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

static int init(void **state)
{
	(void)state;
	struct err e;
	return net_init(&e) != OK;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(the_request_is_the_contracts, init),
	cmocka_unit_test(above_ten_megapixels_a_zip_is_asked_for),
	cmocka_unit_test(a_bought_answer_is_handed_over_sealed),
	cmocka_unit_test(what_was_bought_before_is_not_asked_for),
	cmocka_unit_test(where_the_ledger_says_no_nothing_is_sent),
	cmocka_unit_test(a_cancel_is_seen_before_the_ledger_is_asked),
	cmocka_unit_test(a_cancel_after_the_intent_changes_nothing),
	cmocka_unit_test(a_picture_that_is_too_large_is_not_sent),
	cmocka_unit_test(each_answer_is_told_to_the_ledger_once),
	cmocka_unit_test(no_foreground_is_a_result),
	cmocka_unit_test(a_lost_answer_is_unknown),
	cmocka_unit_test(what_was_never_sent_is_not_unknown),
	cmocka_unit_test(a_ledger_that_cannot_listen_is_not_told_again),
	cmocka_unit_test(a_dead_provider_is_left_alone_until_a_probe_succeeds),
	cmocka_unit_test(a_probe_that_the_ledger_stops_leaves_the_way_free),
	cmocka_unit_test(a_wait_that_was_asked_for_holds_for_later_calls),
	cmocka_unit_test(errors_of_the_caller_do_not_open_the_breaker),
	cmocka_unit_test(many_threads_share_one_provider),
	cmocka_unit_test(the_account_says_how_many_credits_are_left),
	cmocka_unit_test(a_url_or_key_that_cannot_be_is_refused),
};
TEST_MAIN(tests)
