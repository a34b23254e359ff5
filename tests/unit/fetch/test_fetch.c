/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/io.h"
#include "fetch/fetch.h"
#include "lib/origin.h"
#include "lib/test.h"

#include <fcntl.h>
#include <stdlib.h>

#define MAX_BYTES 100000

static struct fetch *f;
static struct fetch_lane *lane;

static void open_lane(const struct fetch_opts *more)
{
	static struct cidr loopback;
	assert_true(cidr_parse("127.0.0.1/32", &loopback));
	struct fetch_opts o = more != NULL ? *more : (struct fetch_opts){ 0 };
	o.guard = (struct net_guard){ .allow = &loopback, .allow_n = 1 };
	o.max_bytes = MAX_BYTES;
	o.connect_ms = 5000;
	o.total_ms = o.total_ms != 0 ? o.total_ms : 10000;
	o.per_host = 4;
	o.user_agent = "bulb/test (+https://bulb.example)";
	f = fetch_new(&o);
	lane = fetch_lane_new(f);
}

static int close_lane(void **state)
{
	(void)state;
	fetch_lane_free(lane);
	fetch_free(f);
	lane = NULL;
	f = NULL;
	return 0;
}

static char *url_of(const struct origin *o, const char *path)
{
	static char url[256];
	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", o->port, path);
	return url;
}

static enum err_code get(struct origin *o, struct fetch_request r, struct fetch_result *ret,
	struct err *e)
{
	if (lane == NULL)
		open_lane(NULL);
	assert_true(origin_start(o));
	r.url = url_of(o, "/a.jpg");
	enum err_code rc = fetch_get(lane, &r, ret, e);
	origin_stop(o);
	return rc;
}

static void a_source_arrives_sealed_with_its_digest_and_validators(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	struct origin o = { .script = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: W/\"1\"\r\n"
				      "Last-Modified: Mon, 23 Nov 2026 05:47:00 GMT\r\n\r\nhello" };
	_Atomic int64_t bytes = 7, total = 7;
	assert_ok(
		get(&o, (struct fetch_request){ .bytes = &bytes, .bytes_total = &total }, &r, &e));
	autofd fd = r.fd;
	char got[8];
	size_t n;
	uint8_t sha[SHA256_LEN];
	assert_ok(io_pread(fd, got, sizeof(got), 0, &n, &e));
	assert_int_equal(n, 5);
	assert_memory_equal(got, "hello", 5);
	sha256_of("hello", 5, sha);
	assert_memory_equal(r.sha256, sha, SHA256_LEN);
	assert_int_equal(r.bytes, 5);
	assert_string_equal(r.etag, "W/\"1\"");
	assert_string_equal(r.last_modified, "Mon, 23 Nov 2026 05:47:00 GMT");
	assert_string_equal(r.final_url, "");
	assert_int_equal(r.status, 200);
	assert_int_equal(fcntl(fd, F_GET_SEALS),
		F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
			(fcntl(fd, F_GET_SEALS) & 0x20 /* F_SEAL_EXEC */));
	assert_int_equal(bytes, 5);
	assert_int_equal(total, 5);
	assert_non_null(strstr(o.request, "\r\nAccept-Encoding: identity\r\n"));
	assert_non_null(strstr(o.request, "\r\nAccept: image/*"));
	assert_non_null(strstr(o.request, "\r\nUser-Agent: bulb/test (+https://bulb.example)\r\n"));
	assert_null(strstr(o.request, "If-"));
}

static void validators_make_the_request_conditional(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	struct origin o = { .script = "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n" };
	assert_ok(get(&o,
		(struct fetch_request){ .etag = "\"1\"",
			.last_modified = "Mon, 23 Nov 2026 05:47:00 GMT" },
		&r, &e));
	assert_true(r.not_modified);
	assert_int_equal(r.fd, -1);
	assert_string_equal(r.etag, "\"1\"");
	assert_non_null(strstr(o.request, "\r\nIf-None-Match: \"1\"\r\n"));
	assert_non_null(
		strstr(o.request, "\r\nIf-Modified-Since: Mon, 23 Nov 2026 05:47:00 GMT\r\n"));
}

static void a_304_that_nobody_asked_for_is_an_error(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	struct origin o = { .script = "HTTP/1.1 304 Not Modified\r\n\r\n" };
	assert_err(get(&o, (struct fetch_request){ 0 }, &r, &e), ERR_FETCH_STATUS);
	assert_int_equal(e.source_status, 304);
}

static void error_statuses_are_told_with_what_they_ask(void **state)
{
	(void)state;
	static const int statuses[] = { 201, 202, 204, 206, 300, 400, 401, 403, 404, 410, 429, 500,
		503 };
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		struct err e;
		struct fetch_result r;
		char script[256];
		snprintf(script, sizeof(script), "HTTP/1.1 %d X\r\nRetry-After: 7\r\n%s\r\n",
			statuses[i], statuses[i] == 204 ? "" : "Content-Length: 2\r\n\r\nno");
		struct origin o = { .script = script };
		assert_err(get(&o, (struct fetch_request){ 0 }, &r, &e), ERR_FETCH_STATUS);
		assert_int_equal(e.source_status, statuses[i]);
		assert_int_equal(r.status, statuses[i]);
		assert_int_equal(e.retry_after_ms, 7000);
		assert_int_equal(r.fd, -1);
	}
}

static void a_status_counts_even_when_its_body_breaks(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	struct origin o = { .script = "HTTP/1.1 404 X\r\nContent-Length: 200\r\n\r\nshort" };
	assert_err(get(&o, (struct fetch_request){ 0 }, &r, &e), ERR_FETCH_STATUS);
	assert_int_equal(e.source_status, 404);
}

static void an_empty_source_is_no_image(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	struct origin o = { .script = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" };
	assert_err(get(&o, (struct fetch_request){ 0 }, &r, &e), ERR_FETCH_NOT_IMAGE);
	assert_int_equal(r.fd, -1);
}

static void a_declared_length_over_the_limit_is_refused_unread(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	struct origin o = { .script = "HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\nhello" };
	assert_err(get(&o, (struct fetch_request){ 0 }, &r, &e), ERR_FETCH_TOO_LARGE);
	assert_non_null(strstr(e.text, "100001"));
	o.script = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nhello";
	o.script_n = 0;
	enum err_code rc = get(&o, (struct fetch_request){ 0 }, &r, &e);
	assert_true(rc == ERR_FETCH_TOO_LARGE || rc == ERR_FETCH_CONNECT);
}

static void a_length_not_declared_is_counted(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	struct buf script = BUF_INIT(1 << 20);
	buf_puts(&script, "HTTP/1.1 200 OK\r\n\r\n");
	size_t head = script.len;
	while (script.len < head + MAX_BYTES)
		buf_puts(&script, "0123456789");
	struct origin o = { .script = script.data, .script_n = script.len };
	assert_ok(get(&o, (struct fetch_request){ 0 }, &r, &e));
	assert_int_equal(r.bytes, MAX_BYTES);
	close(r.fd);
	buf_puts(&script, "!");
	o = (struct origin){ .script = script.data, .script_n = script.len };
	assert_err(get(&o, (struct fetch_request){ 0 }, &r, &e), ERR_FETCH_TOO_LARGE);
	assert_int_equal(r.fd, -1);
	buf_done(&script);
}

static void an_encoding_that_is_not_undone_leaves_the_bytes_as_they_are(void **state)
{
	(void)state;
	static const char *const encodings[] = { "aws-chunked", "br", "zstd", "gzip, zstd",
		"utf-8" };
	for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
		struct err e;
		struct fetch_result r;
		char script[256];
		snprintf(script, sizeof(script),
			"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n"
			"Content-Length: 5\r\n\r\nhello",
			encodings[i]);
		struct origin o = { .script = script };
		assert_ok(get(&o, (struct fetch_request){ 0 }, &r, &e));
		assert_int_equal(r.bytes, 5);
		assert_int_equal(o.hits, 2);
		close(r.fd);
	}
}

static void a_redirect_without_a_target_is_an_error(void **state)
{
	(void)state;
	static const char *const lines[] = { "", "Location:\r\n", "Location: http://\r\n",
		"Location: ftp://x/\r\n", "Location: file:///etc/passwd\r\n",
		"Location: http://u:p@h/\r\n", "Location: javascript:x\r\n", "Location: /a.jpg\r\n",
		"Location: #x\r\n" };
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct err e;
		struct fetch_result r;
		char script[256];
		snprintf(script, sizeof(script), "HTTP/1.1 302 X\r\n%sContent-Length: 0\r\n\r\n",
			lines[i]);
		struct origin o = { .script = script };
		assert_err(get(&o, (struct fetch_request){ 0 }, &r, &e), ERR_FETCH_REDIRECT);
		assert_int_equal(e.source_status, 302);
		assert_int_equal(o.hits, 1);
	}
}

static void headers_of_the_caller_stay_at_his_origin(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	struct origin target = { .script = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" };
	assert_true(origin_start(&target));
	char script[256];
	snprintf(script, sizeof(script),
		"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:%d/b?secret=1\r\nContent-Length: 0\r\n\r\n",
		target.port);
	struct origin o = { .script = script };
	struct net_header own[] = { { "Authorization", "Bearer x" }, { "User-Agent", "mine" } };
	assert_ok(get(&o, (struct fetch_request){ .headers = own, .headers_n = 2 }, &r, &e));
	origin_stop(&target);
	close(r.fd);
	assert_non_null(strstr(o.request, "\r\nAuthorization: Bearer x\r\n"));
	assert_non_null(strstr(o.request, "\r\nUser-Agent: mine\r\n"));
	assert_null(strstr(o.request, "bulb/test"));
	assert_null(strstr(target.request, "Authorization"));
	assert_non_null(strstr(target.request, "\r\nUser-Agent: bulb/test"));
	assert_ptr_equal(strstr(target.request, "GET /b?secret=1 "), target.request);
	assert_non_null(strstr(r.final_url, "/b"));
	assert_null(strstr(r.final_url, "secret"));
}

static void a_redirect_to_an_address_that_is_not_public_is_refused(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	struct origin o = {
		.script = "HTTP/1.1 302 X\r\nLocation: http://169.254.169.254/latest\r\n"
			  "Content-Length: 0\r\n\r\n"
	};
	assert_err(get(&o, (struct fetch_request){ 0 }, &r, &e), ERR_FETCH_BLOCKED_ADDRESS);
	assert_non_null(strstr(r.final_url, "169.254.169.254"));
	assert_non_null(strstr(e.text, "--allow-address 169.254.169.254/32"));
}

static void a_source_that_is_not_on_the_list_is_refused(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	const char *sources[] = { "127.0.0.1" };
	open_lane(&(struct fetch_opts){ .sources = sources, .sources_n = 1 });
	struct origin o = { .script = "HTTP/1.1 302 X\r\nLocation: http://localhost:1/\r\n"
				      "Content-Length: 0\r\n\r\n" };
	assert_err(get(&o, (struct fetch_request){ 0 }, &r, &e), ERR_FETCH_BLOCKED_ADDRESS);
	assert_non_null(strstr(e.text, "--allow-source localhost"));
	assert_err(fetch_get(lane, &(struct fetch_request){ .url = "http://other.example/" }, &r,
			   &e),
		ERR_FETCH_BLOCKED_ADDRESS);
	assert_int_equal(e.source_status, 0);
}

static void another_scope_gets_connections_of_its_own(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	struct origin o = { .script = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" };
	open_lane(NULL);
	assert_true(origin_start(&o));
	for (int64_t scope = 1; scope <= 3; scope++) {
		struct fetch_request q = { .url = url_of(&o, "/"), .scope = scope };
		assert_ok(fetch_get(lane, &q, &r, &e));
		close(r.fd);
	}
	origin_stop(&o);
	assert_int_equal(o.hits, 3);
}

static void a_bad_url_is_refused(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	open_lane(NULL);
	assert_err(fetch_get(lane, &(struct fetch_request){ .url = "nonsense" }, &r, &e),
		ERR_REQUEST_INVALID);
	assert_err(fetch_get(lane, &(struct fetch_request){ .url = "http://a@b/" }, &r, &e),
		ERR_REQUEST_INVALID);
	assert_err(fetch_get(lane, &(struct fetch_request){ .url = "http://010.0.0.1/" }, &r, &e),
		ERR_FETCH_BLOCKED_ADDRESS);
	assert_int_equal(r.fd, -1);
}

static int init(void **state)
{
	(void)state;
	struct err e;
	return net_init(&e) != OK;
}

#define ONE(t) cmocka_unit_test_setup_teardown(t, init, close_lane)
static const struct CMUnitTest tests[] = {
	ONE(a_source_arrives_sealed_with_its_digest_and_validators),
	ONE(validators_make_the_request_conditional),
	ONE(a_304_that_nobody_asked_for_is_an_error),
	ONE(error_statuses_are_told_with_what_they_ask),
	ONE(a_status_counts_even_when_its_body_breaks),
	ONE(an_empty_source_is_no_image),
	ONE(a_declared_length_over_the_limit_is_refused_unread),
	ONE(a_length_not_declared_is_counted),
	ONE(an_encoding_that_is_not_undone_leaves_the_bytes_as_they_are),
	ONE(a_redirect_without_a_target_is_an_error),
	ONE(headers_of_the_caller_stay_at_his_origin),
	ONE(a_redirect_to_an_address_that_is_not_public_is_refused),
	ONE(a_source_that_is_not_on_the_list_is_refused),
	ONE(another_scope_gets_connections_of_its_own),
	ONE(a_bad_url_is_refused),
};
TEST_MAIN(tests)
