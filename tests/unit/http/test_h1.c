/* SPDX-License-Identifier: MIT
 *
 * Requests out of bytes: what is understood, what is refused, and that neither depends on how the
 * bytes were cut into reads.
 */
#include "lib/test.h"

#include "http/h1.h"
#include "smuggling.h"

static struct h1_limits limits = { .max_body = 100, .bodies = { .max = 150, .share = 100 } };
static const struct ip nobody;

/* Feeds text in two pieces; returns the verdict, and with H1_WHOLE the message and what was used. */
static enum h1_result feed2(const char *text, size_t n, size_t cut, struct h1_message *m,
	size_t *ret_used, struct err *e)
{
	struct h1 *h = h1_new(&limits, &nobody);
	size_t used = 0;
	enum h1_result r = h1_feed(h, text, cut, &used, e);
	*ret_used = used;
	if (r == H1_MORE) {
		r = h1_feed(h, text + cut, n - cut, &used, e);
		*ret_used = cut + used;
	}
	if (r == H1_WHOLE)
		h1_take(h, m);
	h1_free(h);
	return r;
}

static void assert_all_refused(const struct shape *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t cut = 0; cut <= s[i].n; cut++) {
			struct err e = { 0 };
			struct h1_message m = { 0 };
			size_t used;
			if (feed2(s[i].bytes, s[i].n, cut, &m, &used, &e) != H1_REFUSED)
				fail_msg("%s, cut at %zu: not refused", s[i].name, cut);
			assert_int_equal(e.code, ERR_REQUEST_MALFORMED);
		}
	}
	assert_int_equal(limits.bodies.bytes, 0);
}

static void smuggling_shapes_that_strict_mode_catches_are_refused(void **state)
{
	(void)state;
	assert_all_refused(only_strict, ARRAY_LEN(only_strict));
}

static void smuggling_shapes_that_llhttp_lets_pass_are_refused(void **state)
{
	(void)state;
	assert_all_refused(only_ours, ARRAY_LEN(only_ours));
}

static void other_smuggling_shapes_are_refused(void **state)
{
	(void)state;
	assert_all_refused(others, ARRAY_LEN(others));
}

static void a_request_reads_the_same_however_it_is_cut(void **state)
{
	(void)state;
	static const char text[] =
		"\r\nPOST /a/b?c=d HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a:  2 \r\n"
		"Empty:\r\nTransfer-Encoding: Chunked\r\nX-Request-Id: id-1\r\n\r\n"
		"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET /next";
	size_t n = sizeof(text) - 1;
	for (size_t cut = 0; cut <= n; cut++) {
		struct err e = { 0 };
		struct h1_message m = { 0 };
		size_t used;
		assert_int_equal(feed2(text, n, cut, &m, &used, &e), H1_WHOLE);
		if (cut >= n - 9)
			assert_string_equal(text + used, "GET /next");
		assert_string_equal(m.method, "POST");
		assert_string_equal(m.path, "/a/b");
		assert_string_equal(m.query, "c=d");
		assert_string_equal(h1_header(&m, "X-a"), "1, 2");
		assert_string_equal(h1_header(&m, "empty"), "");
		assert_null(h1_header(&m, "none"));
		assert_string_equal(m.id, "id-1");
		assert_int_equal(m.body.len, 5);
		assert_memory_equal(m.body.data, "abcde", 5);
		assert_true(m.keep_alive);
		h1_message_done(&m, &limits);
	}
	assert_int_equal(limits.bodies.bytes, 0);
}

static void requests_follow_each_other_on_one_parser(void **state)
{
	(void)state;
	static const char text[] = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
				   "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"
				   "GET /3 HTTP/1.0\r\n\r\n";
	struct h1 *h = h1_new(&limits, &nobody);
	struct err e = { 0 };
	const char *at = text;
	static const char *const paths[] = { "/1", "/2", "/3" };
	for (int i = 0; i < 3; i++) {
		size_t used;
		struct h1_message m;
		assert_int_equal(h1_feed(h, at, strlen(at), &used, &e), H1_WHOLE);
		h1_take(h, &m);
		assert_string_equal(m.path, paths[i]);
		assert_int_equal(m.body.len, i == 1 ? 2 : 0);
		assert_int_equal(m.keep_alive, i < 2);
		h1_message_done(&m, &limits);
		at += used;
	}
	assert_string_equal(at, "");
	h1_free(h);
}

static void assert_verdict(const char *text, enum err_code code)
{
	struct err e = { 0 };
	struct h1_message m = { 0 };
	size_t used;
	enum h1_result r = feed2(text, strlen(text), 0, &m, &used, &e);
	assert_int_equal(r, code ? H1_REFUSED : H1_WHOLE);
	assert_int_equal(e.code, code);
	if (r == H1_WHOLE)
		h1_message_done(&m, &limits);
}

static void bodies_are_limited_one_by_one_and_together(void **state)
{
	(void)state;
	struct err e = { 0 };
	size_t used;
	struct h1 *first = h1_new(&limits, &nobody);
	static const char head[] = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n";
	char body[101];
	memset(body, 'b', 100);
	body[100] = '\0';
	assert_int_equal(h1_feed(first, head, sizeof(head) - 1, &used, &e), H1_MORE);
	assert_int_equal(h1_feed(first, body, 99, &used, &e), H1_MORE);
	assert_int_equal(limits.bodies.bytes, 99);
	assert_verdict("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n",
		ERR_REQUEST_TOO_LARGE);
	assert_verdict("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 52\r\n\r\n", ERR_OVERLOADED);
	assert_int_equal(h1_feed(first, body, 1, &used, &e), H1_WHOLE);
	h1_free(first);
	assert_int_equal(limits.bodies.bytes, 0);
}

/* Of 150 bytes for all, one may have 100. */
static void one_client_cannot_take_all_that_bodies_may_hold(void **state)
{
	(void)state;
	static const char head[] = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60\r\n\r\n";
	static const char chunked[] =
		"POST / HTTP/1.1\r\nHost: h\r\n"
		"Transfer-Encoding: chunked\r\n\r\n"
		"32\r\n..................................................\r\n";
	struct ip slow, neighbour, other;
	struct err e = { 0 };
	size_t used;
	assert_true(ip_parse("2001:db8::1", &slow));
	assert_true(ip_parse("2001:db8::2", &neighbour)); /* the same /64 */
	assert_true(ip_parse("192.0.2.1", &other));
	struct h1 *first = h1_new(&limits, &slow), *again = h1_new(&limits, &neighbour),
		  *drip = h1_new(&limits, &slow), *third = h1_new(&limits, &other);
	assert_int_equal(h1_feed(first, head, sizeof(head) - 1, &used, &e), H1_MORE);
	assert_int_equal(h1_feed(first, chunked, 59, &used, &e), H1_MORE);
	assert_int_equal(h1_feed(again, head, sizeof(head) - 1, &used, &e), H1_REFUSED);
	assert_int_equal(e.code, ERR_OVERLOADED);
	assert_non_null(strstr(e.text, "one client"));
	assert_int_equal(h1_feed(drip, chunked, sizeof(chunked) - 1, &used, &e), H1_REFUSED);
	assert_int_equal(e.code, ERR_OVERLOADED);
	assert_int_equal(h1_feed(third, head, sizeof(head) - 1, &used, &e), H1_MORE);
	h1_free(first);
	h1_free(again);
	h1_free(drip);
	h1_free(third);
	assert_int_equal(limits.bodies.bytes, 0);
}

static void an_expectation_is_met_only_when_the_body_is_still_to_come(void **state)
{
	(void)state;
	struct err e = { 0 };
	size_t used;
	static const char head[] =
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi";
	struct h1 *h = h1_new(&limits, &nobody);
	assert_int_equal(h1_feed(h, head, sizeof(head) - 3, &used, &e), H1_MORE);
	assert_int_equal(h1_phase(h), H1_BODY);
	assert_true(h1_continue(h));
	assert_false(h1_continue(h));
	h1_free(h);
	h = h1_new(&limits, &nobody);
	assert_int_equal(h1_feed(h, head, sizeof(head) - 1, &used, &e), H1_WHOLE);
	assert_false(h1_continue(h));
	h1_free(h);
	assert_verdict("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: x\r\n\r\n",
		ERR_REQUEST_EXPECTATION);
}

/* The reason stands in a log line, between quotes. */
static void no_words_of_a_stranger_are_in_a_refusals_reason(void **state)
{
	(void)state;
	static const char *const fields[] = { "Expect: %s\r\n", "Transfer-Encoding: %s\r\n",
		"Host: %s\r\n", "Content-Length: %s\r\n", "%s\r\n", "%s : x\r\n" };
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		autofree char *field = mem_printf(fields[i], "tea\" code=forged \xff");
		autofree char *text =
			mem_printf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n%s\r\n",
				field);
		struct err e = { 0 };
		struct h1_message m = { 0 };
		size_t used;
		assert_int_equal(feed2(text, strlen(text), 0, &m, &used, &e), H1_REFUSED);
		assert_true(e.text[0]);
		assert_null(strstr(e.text, "tea"));
		assert_null(strchr(e.text, '"'));
	}
}

static void a_head_that_never_ends_is_refused(void **state)
{
	(void)state;
	static const char *const starts[] = { "", "\r\n", "GET /",
		"GET / HTTP/1.1\r\nHost: h\r\n" };
	static const char *const more[] = { "\r\n", "a", "a: b\r\n" };
	for (size_t s = 0; s < ARRAY_LEN(starts); s++) {
		for (size_t i = 0; i < ARRAY_LEN(more); i++) {
			struct h1 *h = h1_new(&limits, &nobody);
			struct err e = { 0 };
			size_t used, fed = 0;
			enum h1_result r = h1_feed(h, starts[s], strlen(starts[s]), &used, &e);
			while (r == H1_MORE && fed < 100000) {
				r = h1_feed(h, more[i], strlen(more[i]), &used, &e);
				fed += strlen(more[i]);
			}
			assert_true(r != H1_MORE);
			h1_free(h);
		}
	}
}

static void the_origin_of_a_refused_request_is_known_however_it_was_cut(void **state)
{
	(void)state;
	static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\nX-Origin: no\r\n"
				   "ORIGIN:  https://a.example \r\nBad Name: 1\r\n\r\n";
	size_t n = sizeof(text) - 1;
	for (size_t cut = 0; cut <= n; cut++) {
		struct h1 *h = h1_new(&limits, &nobody);
		struct err e = { 0 };
		size_t used;
		enum h1_result r = h1_feed(h, text, cut, &used, &e);
		if (r == H1_MORE)
			r = h1_feed(h, text + cut, n - cut, &used, &e);
		assert_int_equal(r, H1_REFUSED);
		const char *origin = h1_origin(h);
		assert_string_equal(origin ? origin : "(none)", "https://a.example");
		h1_free(h);
	}
}

static void tokens_are_found_in_lists(void **state)
{
	(void)state;
	assert_true(h1_list_has("keep-alive, Upgrade", "upgrade"));
	assert_true(h1_list_has(",, upgrade\t,x", "upgrade"));
	assert_false(h1_list_has("upgrades", "upgrade"));
	assert_false(h1_list_has("up grade", "upgrade"));
	assert_false(h1_list_has("", "upgrade"));
	assert_false(h1_list_has(NULL, "upgrade"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(smuggling_shapes_that_strict_mode_catches_are_refused),
	cmocka_unit_test(smuggling_shapes_that_llhttp_lets_pass_are_refused),
	cmocka_unit_test(other_smuggling_shapes_are_refused),
	cmocka_unit_test(a_request_reads_the_same_however_it_is_cut),
	cmocka_unit_test(requests_follow_each_other_on_one_parser),
	cmocka_unit_test(bodies_are_limited_one_by_one_and_together),
	cmocka_unit_test(one_client_cannot_take_all_that_bodies_may_hold),
	cmocka_unit_test(an_expectation_is_met_only_when_the_body_is_still_to_come),
	cmocka_unit_test(no_words_of_a_stranger_are_in_a_refusals_reason),
	cmocka_unit_test(a_head_that_never_ends_is_refused),
	cmocka_unit_test(the_origin_of_a_refused_request_is_known_however_it_was_cut),
	cmocka_unit_test(tokens_are_found_in_lists),
};
TEST_MAIN(tests)
