/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/clock.h"
#include "lib/origin.h"
#include "lib/test.h"
#include "net/net.h"

#include <stdlib.h>

static const struct net_guard off = { .off = true }, strict = { 0 };

struct seen {
	int status, fields;
	char etag[64];
	struct buf body;
	size_t stop_after; /* bytes of body; 0: never */
};

static bool see_status(void *ctx, int status)
{
	((struct seen *)ctx)->status = status;
	return true;
}

static bool see_header(void *ctx, const char *name, const char *value)
{
	struct seen *s = ctx;
	s->fields++;
	if (strcmp(name, "ETag") == 0)
		snprintf(s->etag, sizeof(s->etag), "%s", value);
	return true;
}

static bool see_body(void *ctx, const void *data, size_t n)
{
	struct seen *s = ctx;
	buf_add(&s->body, data, n);
	return s->stop_after == 0 || s->body.len < s->stop_after;
}

static enum err_code ask(const struct net_guard *g, const char *url, struct net_request r,
	struct seen *s, struct net_response *res, struct err *e)
{
	struct net_client *c = net_client_new(g);
	s->body = (struct buf)BUF_INIT(8 << 20);
	r.method = r.method != NULL ? r.method : "GET";
	r.url = url;
	r.connect_ms = 5000;
	r.total_ms = r.total_ms != 0 ? r.total_ms : 10000;
	r.on_status = see_status;
	r.on_header = see_header;
	r.on_body = see_body;
	r.ctx = s;
	enum err_code rc = net_do(c, &r, res, e);
	net_client_free(c);
	return rc;
}

static enum err_code ask_origin(struct origin *o, struct net_request r, struct seen *s,
	struct net_response *res, struct err *e)
{
	char url[64];
	assert_true(origin_start(o));
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/a/b.jpg?x=1", o->port);
	enum err_code rc = ask(&off, url, r, s, res, e);
	origin_stop(o);
	return rc;
}

static void an_exchange_gives_status_fields_and_body(void **state)
{
	(void)state;
	struct err e;
	struct seen s = { 0 };
	struct net_response res;
	struct origin o = {
		.script = "HTTP/1.1 103 Early\r\nETag: no\r\n\r\n"
			  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\nhello"
	};
	struct net_header headers[] = { { "X-One", "1" }, { "X-Empty", "" } };
	assert_ok(ask_origin(&o, (struct net_request){ .headers = headers, .headers_n = 2 }, &s,
		&res, &e));
	assert_int_equal(res.status, 200);
	assert_int_equal(s.status, 200);
	assert_int_equal(res.body_bytes, 5);
	assert_false(res.stopped);
	assert_int_equal(s.fields, 2);
	assert_string_equal(s.etag, "\"x\"");
	assert_string_equal(buf_str(&s.body), "hello");
	assert_ptr_equal(strstr(o.request, "GET /a/b.jpg?x=1 HTTP/1.1\r\n"), o.request);
	assert_non_null(strstr(o.request, "\r\nX-One: 1\r\n"));
	assert_non_null(strstr(o.request, "\r\nX-Empty:\r\n"));
	assert_null(strstr(o.request, "Accept:"));
	assert_null(strstr(o.request, "User-Agent:"));
	buf_done(&s.body);
}

static void a_body_is_sent_with_the_method_asked_for(void **state)
{
	(void)state;
	struct err e;
	struct seen s = { 0 };
	struct net_response res;
	struct origin o = { .script = "HTTP/1.1 204 No Content\r\n\r\n" };
	assert_ok(
		ask_origin(&o, (struct net_request){ .method = "PUT", .body = "data", .body_n = 4 },
			&s, &res, &e));
	assert_int_equal(res.status, 204);
	assert_ptr_equal(strstr(o.request, "PUT /"), o.request);
	assert_non_null(strstr(o.request, "\r\nContent-Length: 4\r\n"));
	assert_null(strstr(o.request, "Content-Type:"));
	assert_null(strstr(o.request, "Expect:"));
}

static void an_error_status_is_an_answer(void **state)
{
	(void)state;
	struct err e;
	struct seen s = { 0 };
	struct net_response res;
	struct origin o = { .script = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n" };
	assert_ok(ask_origin(&o, (struct net_request){ 0 }, &s, &res, &e));
	assert_int_equal(res.status, 500);
}

static void a_redirect_is_not_followed_and_a_cookie_not_kept(void **state)
{
	(void)state;
	struct err e;
	struct seen s = { 0 };
	struct net_response res;
	struct origin o = {
		.script = "HTTP/1.1 302 Found\r\nLocation: /other\r\nSet-Cookie: a=b\r\n"
			  "Content-Length: 0\r\n\r\n"
	};
	assert_true(origin_start(&o));
	char url[64];
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", o.port);
	struct net_client *c = net_client_new(&off);
	struct net_request r = { .method = "GET", .url = url, .total_ms = 5000 };
	assert_ok(net_do(c, &r, &res, &e));
	assert_int_equal(res.status, 302);
	assert_ok(net_do(c, &r, &res, &e));
	net_client_free(c);
	origin_stop(&o);
	assert_int_equal(o.hits, 2);
	assert_null(strstr(o.request, "Cookie"));
	(void)s;
}

static void a_loopback_address_is_refused_before_a_connection(void **state)
{
	(void)state;
	struct err e;
	struct net_response res;
	struct origin o = { .script = "HTTP/1.1 200 OK\r\n\r\n" };
	static const char *const hosts[] = { "127.0.0.1", "localhost", "127.0.0.2", "0.0.0.0",
		"[::ffff:127.0.0.1]", "[::1]", "[::]" };
	assert_true(origin_start(&o));
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		char url[96];
		struct seen s = { 0 };
		snprintf(url, sizeof(url), "http://%s:%d/", hosts[i], o.port);
		assert_err(ask(&strict, url, (struct net_request){ 0 }, &s, &res, &e),
			ERR_FETCH_BLOCKED_ADDRESS);
		assert_non_null(strstr(e.text, "--allow-address "));
	}
	origin_stop(&o);
	assert_int_equal(o.hits, 0);
}

static void an_allowed_address_is_connected(void **state)
{
	(void)state;
	struct err e;
	struct seen s = { 0 };
	struct net_response res;
	struct cidr loopback;
	assert_true(cidr_parse("127.0.0.0/8", &loopback));
	struct net_guard g = { .allow = &loopback, .allow_n = 1 };
	struct origin o = { .script = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" };
	assert_true(origin_start(&o));
	char url[64];
	snprintf(url, sizeof(url), "http://localhost:%d/", o.port);
	assert_ok(ask(&g, url, (struct net_request){ 0 }, &s, &res, &e));
	origin_stop(&o);
	assert_int_equal(o.hits, 1);
}

static void urls_and_headers_that_mislead_are_refused(void **state)
{
	(void)state;
	struct err e;
	struct net_response res;
	static const char *const odd[] = { "http://010.0.0.1/", "http://0x7f.1/",
		"http://2130706433/", "http://127.1/" };
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		struct seen s = { 0 };
		assert_err(ask(&off, odd[i], (struct net_request){ 0 }, &s, &res, &e),
			ERR_FETCH_BLOCKED_ADDRESS);
	}
	static const char *const bad[] = { "file:///etc/passwd", "gopher://x/", "http://a@b/",
		"http://u:p@127.0.0.1/", "http://a%2eb/", "http://[fe80::1%25eth0]/", "http:///",
		"" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct seen s = { 0 };
		assert_err(ask(&off, bad[i], (struct net_request){ 0 }, &s, &res, &e),
			ERR_REQUEST_INVALID);
	}
	static const struct net_header smuggled[] = { { "X", "a\r\nHost: b" }, { "X\n", "a" },
		{ "", "a" }, { "X: y", "a" } };
	for (size_t i = 0; i < ARRAY_LEN(smuggled); i++) {
		struct seen s = { 0 };
		struct net_request r = { .headers = &smuggled[i], .headers_n = 1 };
		assert_err(ask(&off, "http://127.0.0.1:1/", r, &s, &res, &e), ERR_REQUEST_INVALID);
	}
}

static void a_proxy_in_the_environment_is_not_used(void **state)
{
	(void)state;
	struct err e;
	struct seen s = { 0 };
	struct net_response res;
	struct origin o = { .script = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" };
	setenv("http_proxy", "http://127.0.0.1:1/", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1/", 1);
	assert_ok(ask_origin(&o, (struct net_request){ 0 }, &s, &res, &e));
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	assert_int_equal(o.hits, 1);
}

static void a_callback_can_stop_an_endless_body(void **state)
{
	(void)state;
	struct err e;
	struct seen s = { .stop_after = 1000 };
	struct net_response res;
	static char big[4 << 20];
	memset(big, 'x', sizeof(big));
	static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
	memcpy(big, head, sizeof(head) - 1);
	struct origin o = { .script = big, .script_n = sizeof(big) };
	assert_ok(ask_origin(&o, (struct net_request){ 0 }, &s, &res, &e));
	assert_true(res.stopped);
	assert_in_range(res.body_bytes, 1000, 200000);
	buf_done(&s.body);
}

static void too_many_fields_are_refused(void **state)
{
	(void)state;
	struct err e;
	struct seen s = { 0 };
	struct net_response res;
	struct buf script = BUF_INIT(1 << 20);
	buf_puts(&script, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(&script, "X-%d: y\r\n", i);
	buf_puts(&script, "\r\n");
	struct origin o = { .script = script.data, .script_n = script.len };
	assert_err(ask_origin(&o, (struct net_request){ 0 }, &s, &res, &e), ERR_FETCH_TOO_LARGE);
	buf_done(&script);
}

static void a_body_cut_short_is_a_broken_connection(void **state)
{
	(void)state;
	struct err e;
	struct seen s = { 0 };
	struct net_response res;
	struct origin o = { .script = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello" };
	assert_err(ask_origin(&o, (struct net_request){ 0 }, &s, &res, &e), ERR_FETCH_CONNECT);
	buf_done(&s.body);
}

static void what_is_no_http_is_refused(void **state)
{
	(void)state;
	struct err e;
	struct seen s = { 0 };
	struct net_response res;
	struct origin o = { .script = "220 smtp.example.com ESMTP\r\n" };
	assert_err(ask_origin(&o, (struct net_request){ 0 }, &s, &res, &e), ERR_FETCH_CONNECT);
	assert_int_equal(s.body.len, 0);
}

static void silence_ends_at_the_deadline(void **state)
{
	(void)state;
	struct err e;
	struct seen s = { 0 };
	struct net_response res;
	struct origin o = { .hang = true };
	int64_t begun = clock_mono_ms();
	assert_err(ask_origin(&o, (struct net_request){ .total_ms = 200 }, &s, &res, &e),
		ERR_FETCH_TIMEOUT);
	assert_true(clock_mono_ms() - begun >= 200);
}

static void *set_flag(void *arg)
{
	struct origin *o = ((void **)arg)[0];
	while (o->hits == 0)
		usleep(1000);
	atomic_store((atomic_bool *)((void **)arg)[1], true);
	return NULL;
}

static void a_cancel_ends_a_hanging_exchange(void **state)
{
	(void)state;
	struct err e;
	struct seen s = { 0 };
	struct net_response res;
	struct origin o = { .hang = true };
	atomic_bool cancel = false;
	pthread_t t;
	void *args[] = { &o, &cancel };
	pthread_create(&t, NULL, set_flag, args);
	assert_err(ask_origin(&o, (struct net_request){ .cancel = &cancel, .total_ms = 60000 }, &s,
			   &res, &e),
		ERR_CANCELED);
	pthread_join(t, NULL);
}

static void a_canceled_exchange_does_not_begin(void **state)
{
	(void)state;
	struct err e;
	struct seen s = { 0 };
	struct net_response res;
	struct origin o = { .script = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" };
	atomic_bool cancel = true;
	assert_err(ask_origin(&o, (struct net_request){ .cancel = &cancel }, &s, &res, &e),
		ERR_CANCELED);
	assert_int_equal(o.hits, 0);
}

static void nobody_listening_is_a_connect_error(void **state)
{
	(void)state;
	struct err e;
	struct seen s = { 0 };
	struct net_response res;
	assert_err(ask(&off, "http://127.0.0.1:1/", (struct net_request){ 0 }, &s, &res, &e),
		ERR_FETCH_CONNECT);
	assert_err(ask(&off, "http://nobody.invalid/", (struct net_request){ 0 }, &s, &res, &e),
		ERR_FETCH_DNS);
}

static void gzip_is_offered_and_undone_only_when_asked(void **state)
{
	(void)state;
	struct err e;
	struct net_response res;
	/* printf hello | gzip -n */
	static const char script[] =
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 25\r\n\r\n"
		"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05"
		"\x00\x00\x00";
	struct origin o = { .script = script, .script_n = sizeof(script) - 1 };
	struct seen s = { 0 };
	assert_ok(ask_origin(&o, (struct net_request){ .accept_encoding = true }, &s, &res, &e));
	assert_string_equal(buf_str(&s.body), "hello");
	assert_non_null(strstr(o.request, "\r\nAccept-Encoding: gzip\r\n"));
	buf_done(&s.body);

	s = (struct seen){ 0 };
	assert_ok(ask_origin(&o, (struct net_request){ 0 }, &s, &res, &e));
	assert_int_equal(s.body.len, 25);
	assert_null(strstr(o.request, "Accept-Encoding"));
	buf_done(&s.body);

	s = (struct seen){ 0 };
	struct net_header own = { "Accept-Encoding", "identity" };
	struct net_request r = { .accept_encoding = true, .headers = &own, .headers_n = 1 };
	assert_ok(ask_origin(&o, r, &s, &res, &e));
	assert_string_equal(buf_str(&s.body), "hello");
	assert_non_null(strstr(o.request, "\r\nAccept-Encoding: identity\r\n"));
	buf_done(&s.body);
}

static int init(void **state)
{
	(void)state;
	struct err e;
	return net_init(&e) != OK;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(an_exchange_gives_status_fields_and_body, init),
	cmocka_unit_test(a_body_is_sent_with_the_method_asked_for),
	cmocka_unit_test(an_error_status_is_an_answer),
	cmocka_unit_test(a_redirect_is_not_followed_and_a_cookie_not_kept),
	cmocka_unit_test(a_loopback_address_is_refused_before_a_connection),
	cmocka_unit_test(an_allowed_address_is_connected),
	cmocka_unit_test(urls_and_headers_that_mislead_are_refused),
	cmocka_unit_test(a_proxy_in_the_environment_is_not_used),
	cmocka_unit_test(a_callback_can_stop_an_endless_body),
	cmocka_unit_test(too_many_fields_are_refused),
	cmocka_unit_test(a_body_cut_short_is_a_broken_connection),
	cmocka_unit_test(what_is_no_http_is_refused),
	cmocka_unit_test(silence_ends_at_the_deadline),
	cmocka_unit_test(a_cancel_ends_a_hanging_exchange),
	cmocka_unit_test(a_canceled_exchange_does_not_begin),
	cmocka_unit_test(nobody_listening_is_a_connect_error),
	cmocka_unit_test(gzip_is_offered_and_undone_only_when_asked),
};
TEST_MAIN(tests)
