/* SPDX-License-Identifier: MIT
 *
 * URLs: what is refused, how they compare, and the examples of RFC 3986 §5.4.
 */
#include "lib/test.h"

#include "base/url.h"

static struct arena *a;

static int setup(void **state)
{
	(void)state;
	a = arena_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(a);
	return 0;
}

static struct url parsed(const char *s)
{
	struct url u;
	struct err e = { 0 };
	assert_ok(url_parse(s, a, &u, &e));
	return u;
}

static const char *normal(const char *s)
{
	struct url u = parsed(s);
	return url_normalise(&u, a);
}

static const char *identity(const char *s)
{
	struct url u = parsed(s);
	return url_identity(&u, a);
}

static void a_url_has_its_parts(void **state)
{
	(void)state;
	struct url u = parsed("HTTPS://us:pw@Example.COM:8443/a/b?x=1#frag");
	assert_string_equal(u.scheme, "https");
	assert_string_equal(u.host, "example.com");
	assert_int_equal(u.port, 8443);
	assert_true(u.has_userinfo);
	assert_string_equal(u.path, "/a/b");
	assert_string_equal(u.query, "x=1");
	u = parsed("http://[2001:DB8::0:1]");
	assert_string_equal(u.host, "2001:db8::1");
	assert_true(u.host_is_ipv6);
	assert_string_equal(u.path, "/");
	assert_int_equal(u.port, 80);
	assert_null(u.query);
	u = parsed("file:///tmp/a%20b");
	assert_string_equal(u.path, "/tmp/a%20b");
	assert_int_equal(u.port, 0);
}

static void ill_formed_urls_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "example.com", "//example.com/", "ftp://a/",
		"http:/a", "http:a", "http://", "http:///a", "http://:80/", "http://a:0/",
		"http://a:65536/", "http://a:99999999999/", "http://a:8x/", "http://a b/",
		"http://a/b c", "http://a/\tb", "http://a/\x7F", "http://a%41/", "http://a\\b/",
		"http://[::1/", "http://[::1]x/", "http://[::g]/", "http://[fe80::1%25eth0]/",
		"http://a..b/", "http://.a/", "http://a,b/", "http://b\xC3\xBC.de/",
		"file://host/x", "http://user@/", "http://a/\n", "javascript://a/%0a",
		"http://good.com\\@evil.com/", "http://[::1]@evil.com/", "http://a_b!/" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct url u;
		struct err e = { 0 };
		if (url_parse(bad[i], a, &u, &e) == OK)
			fail_msg("taken: '%s'", bad[i]);
		assert_int_equal(e.code, ERR_REQUEST_INVALID);
	}
}

static void the_host_is_what_stands_after_the_last_at(void **state)
{
	(void)state;
	assert_string_equal(parsed("http://good.com@evil.com/").host, "evil.com");
	assert_string_equal(parsed("http://a@b@evil.com/").host, "evil.com");
	assert_string_equal(parsed("http://good.com#@evil.com/").host, "good.com");
	assert_string_equal(parsed("http://good.com?@evil.com/").host, "good.com");
}

static void length_has_a_limit(void **state)
{
	(void)state;
	char s[URL_MAX + 2];
	struct url u;
	struct err e = { 0 };
	memset(s, 'a', sizeof(s));
	memcpy(s, "http://a/", 9);
	s[URL_MAX] = '\0';
	assert_ok(url_parse(s, a, &u, &e));
	s[URL_MAX] = 'a';
	s[URL_MAX + 1] = '\0';
	assert_err(url_parse(s, a, &u, &e), ERR_REQUEST_INVALID);
}

static void equal_urls_have_one_spelling(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{ "HTTP://EXAMPLE.com:80", "http://example.com/" },
		{ "http://example.com:/", "http://example.com/" },
		{ "https://example.com:80/", "https://example.com:80/" },
		{ "http://a/%7euser/%c3%a9", "http://a/~user/%C3%A9" },
		{ "http://a/\xC3\xA9", "http://a/%C3%A9" },
		{ "http://a/b/../c/./d/..", "http://a/c/" },
		{ "http://a/%2e%2e/x", "http://a/x" },
		{ "http://a/../../x", "http://a/x" },
		{ "http://a/x%2Fy", "http://a/x%2Fy" },
		{ "http://u:p@a/x#f", "http://a/x" },
		{ "http://a/x?", "http://a/x?" },
		{ "http://a/x?b=2&a=%31", "http://a/x?b=2&a=1" },
		{ "http://a/100%", "http://a/100%25" },
		{ "http://a/?%%34%34", "http://a/?%2544" },
		{ "http://a/{x}|\"", "http://a/%7Bx%7D%7C%22" },
		{ "http://[::0001]/", "http://[::1]/" },
		{ "file:///a/../b", "file:///b" },
	};
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		assert_string_equal(normal(pairs[i][0]), pairs[i][1]);
		assert_string_equal(normal(pairs[i][1]), pairs[i][1]);
	}
}

static void signatures_do_not_count(void **state)
{
	(void)state;
	assert_string_equal(
		identity("https://b.s3.amazonaws.com/k?X-Amz-Date=1&v=2&X-Amz-Signature=3"),
		"https://b.s3.amazonaws.com/k?v=2");
	assert_string_equal(identity("https://g/k?x-goog-signature=a"), "https://g/k");
	assert_string_equal(identity("https://z/k?sv=1&st=2&se=3&sr=b&sp=r&sig=x&w=5"),
		"https://z/k?w=5");
	assert_string_equal(identity("https://z/k?sv=1&st=2"), "https://z/k?sv=1&st=2");
	assert_string_equal(identity("https://z/k?sig=1&sp=2"), "https://z/k?sig=1&sp=2");
	assert_string_equal(identity("https://z/k?"), "https://z/k?");
	assert_string_equal(identity("https://z/k?svx=1&sig=2&sv=3"), "https://z/k?svx=1");
	assert_string_equal(identity("https://z/k?%58-Amz-Date=1&a"), "https://z/k?a");
}

static void references_resolve_as_rfc_3986_shows(void **state)
{
	(void)state;
	static const char *const pairs[][2] = { { "g", "/b/c/g" }, { "./g", "/b/c/g" },
		{ "g/", "/b/c/g/" }, { "/g", "/g" }, { "?y", "/b/c/d;p?y" }, { "g?y", "/b/c/g?y" },
		{ "#s", "/b/c/d;p?q" }, { "g#s", "/b/c/g" }, { ";x", "/b/c/;x" },
		{ "", "/b/c/d;p?q" }, { ".", "/b/c/" }, { "./", "/b/c/" }, { "..", "/b/" },
		{ "../g", "/b/g" }, { "../..", "/" }, { "../../g", "/g" }, { "../../../g", "/g" },
		{ "/./g", "/g" }, { "/../g", "/g" }, { "g.", "/b/c/g." }, { ".g", "/b/c/.g" },
		{ "g..", "/b/c/g.." }, { "..g", "/b/c/..g" }, { "./../g", "/b/g" },
		{ "./g/.", "/b/c/g/" }, { "g/./h", "/b/c/g/h" }, { "g/../h", "/b/c/h" },
		{ "g;x=1/../y", "/b/c/y" }, { "g?y/../x", "/b/c/g?y/../x" } };
	struct url base = parsed("http://a/b/c/d;p?q");
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct url u;
		struct err e = { 0 };
		assert_ok(url_resolve(&base, pairs[i][0], a, &u, &e));
		assert_string_equal(u.host, "a");
		const char *got = arena_printf(a, "%s%s%s", u.path, u.query ? "?" : "",
			u.query ? u.query : "");
		assert_string_equal(got, pairs[i][1]);
	}
}

static void a_reference_may_change_host_but_not_become_a_file(void **state)
{
	(void)state;
	struct url base = parsed("https://a:444/b"), six = parsed("http://[::1]:81/"), u;
	struct err e = { 0 };
	assert_ok(url_resolve(&base, "//g/x", a, &u, &e));
	assert_string_equal(u.host, "g");
	assert_int_equal(u.port, 443);
	assert_ok(url_resolve(&base, "x", a, &u, &e));
	assert_int_equal(u.port, 444);
	assert_true(url_same_origin(&base, &u));
	assert_ok(url_resolve(&base, "http://a:444/b", a, &u, &e));
	assert_false(url_same_origin(&base, &u));
	assert_ok(url_resolve(&six, "/x", a, &u, &e));
	assert_true(url_same_origin(&six, &u));
	assert_err(url_resolve(&base, "file:///etc/passwd", a, &u, &e), ERR_REQUEST_INVALID);
	assert_err(url_resolve(&base, "gopher://x/", a, &u, &e), ERR_REQUEST_INVALID);
	assert_err(url_resolve(&base, "a b", a, &u, &e), ERR_REQUEST_INVALID);
}

static void logs_see_no_secret(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{ "https://u:pw@h/p?sig=s#f", "https://h/p" },
		{ "https://h/p", "https://h/p" },
		{ "u:pw@h/p", "u:h/p" },
		{ "http:\\\\u:pw@h/p", "http:\\\\h/p" },
		{ "//u:pw@h", "//h" },
		{ "", "" },
		{ "?x", "" },
		{ "ht\ntp://h/\x01", "ht_tp://h/_" },
	};
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		assert_string_equal(url_for_log(pairs[i][0], a), pairs[i][1]);
	char s[1000];
	memset(s, 'x', sizeof(s));
	s[999] = '\0';
	assert_int_equal(strlen(url_for_log(s, a)), 200);
}

static void single_values_are_decoded_and_encoded(void **state)
{
	(void)state;
	char s[] = "a%20b+c%2F", form[] = "a%20b+c", bad1[] = "%4", bad2[] = "%zz", nul[] = "a%00";
	assert_int_equal(url_decode(s, false), 6);
	assert_string_equal(s, "a b+c/");
	assert_int_equal(url_decode(form, true), 5);
	assert_string_equal(form, "a b c");
	assert_int_equal(url_decode(bad1, false), -1);
	assert_int_equal(url_decode(bad2, false), -1);
	assert_int_equal(url_decode(nul, false), -1);
	assert_string_equal(url_encode("a/b c~\xC3\xA9", true, a), "a/b%20c~%C3%A9");
	assert_string_equal(url_encode("a/b", false, a), "a%2Fb");
}

static void query_values_are_found_by_name(void **state)
{
	(void)state;
	const char *q = "a=1&bb=2%203&c&d=&%65=x+y&f=%zz&a=9";
	assert_string_equal(url_query_get(q, "a", a), "1");
	assert_string_equal(url_query_get(q, "bb", a), "2 3");
	assert_string_equal(url_query_get(q, "c", a), "");
	assert_string_equal(url_query_get(q, "d", a), "");
	assert_string_equal(url_query_get(q, "e", a), "x y");
	assert_null(url_query_get(q, "f", a));
	assert_null(url_query_get(q, "b", a));
	assert_null(url_query_get(NULL, "a", a));
}

static void a_split_url_is_written_as_it_was(void **state)
{
	(void)state;
	static const char *const urls[] = { "http://a/b?c", "https://[::1]:8443/",
		"http://a:81/x%20y?", "file:///tmp/x" };
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct url u = parsed(urls[i]), again = parsed(url_format(&u, a));
		assert_true(url_same_origin(&u, &again));
		assert_string_equal(u.path, again.path);
		assert_true((u.query == NULL) == (again.query == NULL));
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
	T(a_url_has_its_parts),
	T(ill_formed_urls_are_refused),
	T(the_host_is_what_stands_after_the_last_at),
	T(length_has_a_limit),
	T(equal_urls_have_one_spelling),
	T(signatures_do_not_count),
	T(references_resolve_as_rfc_3986_shows),
	T(a_reference_may_change_host_but_not_become_a_file),
	T(logs_see_no_secret),
	T(single_values_are_decoded_and_encoded),
	T(query_values_are_found_by_name),
	T(a_split_url_is_written_as_it_was),
};
TEST_MAIN(tests)
