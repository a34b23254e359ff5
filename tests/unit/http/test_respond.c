/* SPDX-License-Identifier: MIT */
#include "lib/test.h"

#include "http/http_impl.h"

static void entity_tags_compare_weakly_and_in_lists(void **state)
{
	(void)state;
	assert_true(etag_matches("\"a\"", "\"a\""));
	assert_true(etag_matches("W/\"a\"", "\"a\""));
	assert_true(etag_matches("\"a\"", "W/\"a\""));
	assert_true(etag_matches("\"x\",\"a\"", "\"a\""));
	assert_true(etag_matches("\"x, y\" , \"a\"", "\"a\""));
	assert_true(etag_matches("*", "\"a\""));
	assert_false(etag_matches("\"x,\"a\"", "\"a\""));
	assert_false(etag_matches("a", "\"a\""));
	assert_false(etag_matches("\"A\"", "\"a\""));
	assert_false(etag_matches("\"a", "\"a\""));
	assert_false(etag_matches("", "\"a\""));
	assert_false(etag_matches(NULL, "\"a\""));
	assert_false(etag_matches("W/", "\"a\""));
}

static void addresses_to_listen_on_are_understood(void **state)
{
	(void)state;
	struct err e = { 0 };
	char url[128];
	static const char *const good[] = { "127.0.0.1:0", "localhost:0", ":0" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		int fd = -1;
		assert_ok(http_listen(good[i], &fd, url, &e));
		assert_memory_equal(url, "http://", 7);
		assert_true(fd >= 0);
		fd_close(&fd);
	}
	static const char *const bad[] = { "", "8080", "127.0.0.1", "127.0.0.1:", "::1:80",
		"1.2.3.4:x", "127.0.0.1:99999999" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int fd = -1;
		assert_err(http_listen(bad[i], &fd, url, &e), ERR_USAGE);
		assert_int_equal(fd, -1);
	}
}

static void a_port_in_use_is_named(void **state)
{
	(void)state;
	struct err e = { 0 };
	char url[128], other[128];
	int fd = -1, second = -1;
	assert_ok(http_listen("127.0.0.1:0", &fd, url, &e));
	assert_err(http_listen(url + 7, &second, other, &e), ERR_SYSTEM);
	assert_non_null(strstr(e.text, url + 7));
	fd_close(&fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(entity_tags_compare_weakly_and_in_lists),
	cmocka_unit_test(addresses_to_listen_on_are_understood),
	cmocka_unit_test(a_port_in_use_is_named),
};
TEST_MAIN(tests)
