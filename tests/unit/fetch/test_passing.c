/* SPDX-License-Identifier: MIT */
#include "fetch/fetch.h"
#include "lib/test.h"

static bool passes(enum err_code code, int status)
{
	return fetch_may_pass(&(struct err){ .code = code, .source_status = status });
}

static void what_may_pass_is_told_by_code_and_status(void **state)
{
	(void)state;
	static const int may[] = { 408, 425, 429, 500, 502, 503, 504, 507, 520, 599 };
	static const int never[] = { 100, 201, 206, 304, 400, 401, 403, 404, 406, 410, 451, 501,
		505 };
	for (size_t i = 0; i < ARRAY_LEN(may); i++)
		assert_true(passes(ERR_FETCH_STATUS, may[i]));
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		assert_false(passes(ERR_FETCH_STATUS, never[i]));
	assert_true(passes(ERR_FETCH_DNS, 0));
	assert_true(passes(ERR_FETCH_CONNECT, 200));
	assert_true(passes(ERR_FETCH_TIMEOUT, 0));
	assert_false(passes(ERR_FETCH_TLS, 0));
	assert_false(passes(ERR_FETCH_TOO_LARGE, 200));
	assert_false(passes(ERR_FETCH_BLOCKED_ADDRESS, 0));
	assert_false(passes(ERR_FETCH_REDIRECT, 302));
	assert_false(passes(ERR_CANCELED, 0));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_may_pass_is_told_by_code_and_status),
};
TEST_MAIN(tests)
