/* SPDX-License-Identifier: MIT */
#include "fetch/allow.h"
#include "lib/test.h"

static bool allowed(const char *source, const char *url)
{
	struct err e;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct url u;
	assert_ok(url_parse(url, a, &u, &e));
	return source_allowed(&source, 1, &u, a);
}

static void without_a_list_every_source_is_allowed(void **state)
{
	(void)state;
	struct err e;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct url u;
	assert_ok(url_parse("http://any.example/", a, &u, &e));
	assert_true(source_allowed(NULL, 0, &u, a));
}

static void a_host_allows_exactly_that_host(void **state)
{
	(void)state;
	assert_true(allowed("img.example.com", "https://img.example.com/a.jpg"));
	assert_true(allowed("IMG.example.com", "http://img.example.com:8080/"));
	assert_false(allowed("img.example.com", "https://example.com/"));
	assert_false(allowed("img.example.com", "https://a.img.example.com/"));
	assert_false(allowed("img.example.com", "https://img.example.com.evil.example/"));
	assert_false(allowed("img.example.com", "https://evil.example/img.example.com"));
	assert_false(allowed("img.example.com", "https://img.example.com@evil.example/"));
	assert_false(allowed("", "https://img.example.com/"));
}

static void a_prefix_allows_what_begins_with_it_at_that_origin(void **state)
{
	(void)state;
	static const char shop[] = "https://img.example.com/shop/";
	assert_true(allowed(shop, "https://img.example.com/shop/a.jpg"));
	assert_true(allowed(shop, "https://IMG.example.com:443/shop/a.jpg?x=1"));
	assert_true(allowed(shop, "https://img.example.com/x/../shop/a.jpg"));
	assert_false(allowed(shop, "http://img.example.com/shop/a.jpg"));
	assert_false(allowed(shop, "https://img.example.com:444/shop/a.jpg"));
	assert_false(allowed(shop, "https://img.example.com/shopping/a.jpg"));
	assert_false(allowed(shop, "https://img.example.com/shop/../private/a.jpg"));
	assert_false(allowed(shop, "https://img.example.com/shop/%2e%2e/private/a.jpg"));
	assert_false(allowed("https://img.example.com", "https://img.example.com.evil.example/"));
	assert_false(allowed("https://img.example.com", "https://img.example.com@evil.example/"));
	assert_true(allowed("https://img.example.com", "https://img.example.com/any"));
	assert_false(allowed("nonsense://x", "https://img.example.com/any"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(without_a_list_every_source_is_allowed),
	cmocka_unit_test(a_host_allows_exactly_that_host),
	cmocka_unit_test(a_prefix_allows_what_begins_with_it_at_that_origin),
};
TEST_MAIN(tests)
