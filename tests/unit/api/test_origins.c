/* SPDX-License-Identifier: MIT
 *
 * Pages of other origins: what they may read, and what they may do.
 */
#include "api_test.h"

static void allow_app(struct site *s)
{
	static const char *const origins[] = { "https://app.example" };
	s->api_opts.allow_origins = origins;
	s->api_opts.allow_origins_n = 1;
	site_start(s);
}

static void an_allowed_origin_may_read_and_sees_our_fields(void **state)
{
	struct site *s = *state;
	allow_app(s);
	autoreply r = get_as(s, "/v1/jobs", "Origin: https://app.example\r\n");
	assert_status(r, 200);
	assert_field(r, "Access-Control-Allow-Origin", "https://app.example");
	assert_field(r, "Vary", "Origin");
	assert_field(r, "Access-Control-Expose-Headers",
		"Location, Retry-After, ETag, Preference-Applied, RateLimit, RateLimit-Policy, "
		"X-Request-Id");
	autoreply no = get_as(s, "/v1/jobs/none", "Origin: https://app.example\r\n");
	assert_field(no, "Access-Control-Allow-Origin", "https://app.example");
}

static void any_other_origin_sees_nothing(void **state)
{
	struct site *s = *state;
	allow_app(s);
	static const char *const others[] = { "https://app.example.evil", "http://app.example",
		"null", "https://app.example:444" };
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		autofree char *fields = mem_printf("Origin: %s\r\n", others[i]);
		autoreply r = get_as(s, "/v1/jobs", fields);
		assert_null(reply_field(&r, "Access-Control-Allow-Origin"));
	}
}

#define APP "Origin: https://app.example\r\n"

/* A page may read why its request was refused, also when it was never read to its end. */
static void a_refusal_by_the_protocol_is_shown_to_an_allowed_origin(void **state)
{
	struct site *s = *state;
	s->http_opts.max_body_bytes = 10;
	allow_app(s);
	autofree char *large = mem_zalloc(20001), *path = mem_zalloc(9001);
	memset(large, 'a', 20000);
	memset(path, 'p', 9000);
	path[0] = '/';
	autofree char *before = mem_printf(APP "X-Large: %s\r\n", large);
	autofree char *after = mem_printf("X-Large: %s\r\n" APP, large);
	autofree char *evil = mem_printf("Origin: https://evil.example\r\nX-Large: %s\r\n", large);
	const struct {
		int status;
		const char *target, *fields, *body;
		bool told;
	} asked[] = {
		{ 413, "/v1/jobs", APP, "over ten bytes of body", true },
		{ 413, "/v1/jobs", "Transfer-Encoding: chunked\r\n" APP, NULL, true },
		{ 431, "/v1/jobs", before, NULL, true },
		{ 431, "/v1/jobs", after, NULL, true },
		{ 431, "/v1/jobs", evil, NULL, false },
		{ 414, path, APP, NULL, true },
		{ 400, "/v1/jobs", APP "Bad Name: 1\r\n", NULL, true },
		{ 417, "/v1/jobs", APP "Expect: wonders\r\n", NULL, true },
		{ 426, "/v1/events", APP "Upgrade: websocket\r\nConnection: Upgrade\r\n", NULL,
			true },
	};
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		int fd = http_send(s->port, asked[i].body ? "POST" : "GET", asked[i].target,
			asked[i].fields, asked[i].body);
		if (strstr(asked[i].fields, "chunked"))
			assert_int_equal(write(fd, "f\r\n0123456789abcde\r\n", 20), 20);
		autoreply r = http_receive(fd);
		assert_status(r, asked[i].status);
		assert_field(r, "Vary", "Origin");
		const char *allowed = reply_field(&r, "Access-Control-Allow-Origin");
		if (asked[i].told)
			assert_string_equal(allowed ? allowed : "(none)", "https://app.example");
		else
			assert_null(allowed);
	}
}

static void a_preflight_lists_what_is_allowed(void **state)
{
	struct site *s = *state;
	allow_app(s);
	autoreply r = http_call(s->port, "OPTIONS", "/v1/jobs",
		"Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n"
		"Access-Control-Request-Headers: content-type\r\n",
		NULL);
	assert_status(r, 204);
	assert_field(r, "Access-Control-Allow-Origin", "https://app.example");
	assert_field(r, "Access-Control-Allow-Headers",
		"Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer");
	assert_non_null(strstr(reply_field(&r, "Access-Control-Allow-Methods"), "PUT"));
	autoreply no = http_call(s->port, "OPTIONS", "/v1/jobs",
		"Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n", NULL);
	assert_null(reply_field(&no, "Access-Control-Allow-Origin"));
	assert_null(reply_field(&no, "Access-Control-Allow-Headers"));
}

static void a_foreign_page_can_change_nothing(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1), *target = mem_printf("/v1/jobs/%s/cancel", id);
	autoreply r = http_call(s->port, "POST", target, "Origin: https://evil.example\r\n", NULL);
	assert_problem(r, 403, "auth_forbidden");
	autofree char *own = mem_printf("Origin: http://127.0.0.1:%d\r\n", s->port);
	autoreply ok = http_call(s->port, "POST", target, own, NULL);
	assert_status(ok, 200);
}

static void a_socket_opens_for_our_own_page_and_listed_origins_only(void **state)
{
	struct site *s = *state;
	allow_app(s);
	autofree char *own = mem_printf("Origin: http://127.0.0.1:%d\r\n", s->port);
	const char *const fields[] = { own, "Origin: https://app.example\r\n", "",
		"Origin: https://evil.example\r\n", "Origin: null\r\n" };
	const int wanted[] = { 101, 101, 101, 403, 403 };
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		autowire w = { 0 };
		wire_open(&w, s->port, "/v1/events", fields[i]);
		assert_int_equal(w.status, wanted[i]);
	}
}

static const struct CMUnitTest tests[] = {
	with_bare_site(an_allowed_origin_may_read_and_sees_our_fields),
	with_bare_site(any_other_origin_sees_nothing),
	with_bare_site(a_refusal_by_the_protocol_is_shown_to_an_allowed_origin),
	with_bare_site(a_preflight_lists_what_is_allowed),
	with_site(a_foreign_page_can_change_nothing),
	with_bare_site(a_socket_opens_for_our_own_page_and_listed_origins_only),
};
TEST_MAIN(tests)
