/* SPDX-License-Identifier: MIT
 *
 * What every unit test starts with: cmocka, a main that takes a name pattern, and checks that print
 * the error text when they fail.
 */
#ifndef BULB_TESTS_LIB_TEST_H
#define BULB_TESTS_LIB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"

#include <stdio.h>
#include <string.h>

/* The call succeeds; on failure its error text is printed. */
#define assert_ok(call)                                                                            \
	do {                                                                                       \
		enum err_code code_ = (call);                                                      \
		if (code_ != OK)                                                                   \
			fail_msg("%s: %s: %s", #call, err_name(code_), e.text);                    \
	} while (0)
/* The call fails with this code. `struct err e` is in scope. */
#define assert_err(call, code)                                                                     \
	do {                                                                                       \
		enum err_code code_ = (call);                                                      \
		if (code_ != (code))                                                               \
			fail_msg("%s: %s instead of %s: %s", #call, err_name(code_),               \
				err_name(code), e.text);                                           \
	} while (0)

#define TEST_MAIN(tests) TEST_MAIN_WITH(tests, NULL)
/* With what is done once before them all, or NULL. */
#define TEST_MAIN_WITH(tests, start)                                                               \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		if (argc > 1)                                                                      \
			cmocka_set_test_filter(argv[1]);                                           \
		return cmocka_run_group_tests(tests, start, NULL);                                 \
	}

#endif
