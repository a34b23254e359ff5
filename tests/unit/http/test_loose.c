/* SPDX-License-Identifier: MIT
 *
 * The room's parser over an llhttp that was built without LLHTTP_STRICT_MODE: it takes requests that
 * test_h1.c demands to be refused. So that test fails as soon as the flag is lost.
 */
#include "lib/test.h"

#include "http/h1.h"
#include "smuggling.h"

static enum h1_result verdict(const struct shape *s)
{
	struct h1_limits limits = { .max_body = 100, .bodies = { .max = 150, .share = 100 } };
	struct err e = { 0 };
	size_t used;
	struct h1 *h = h1_new(&limits, &(struct ip){ { 0 } });
	enum h1_result r = h1_feed(h, s->bytes, s->n, &used, &e);
	h1_free(h);
	return r;
}

static void without_strict_mode_smuggling_shapes_pass(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(only_strict); i++) {
		if (verdict(&only_strict[i]) != H1_WHOLE)
			fail_msg("%s: refused without strict mode too", only_strict[i].name);
	}
}

static void what_our_own_guard_refuses_does_not_depend_on_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(only_ours); i++)
		assert_int_equal(verdict(&only_ours[i]), H1_REFUSED);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (strcmp(others[i].name, "space before the colon of a length") != 0)
			assert_int_equal(verdict(&others[i]), H1_REFUSED);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(without_strict_mode_smuggling_shapes_pass),
	cmocka_unit_test(what_our_own_guard_refuses_does_not_depend_on_it),
};
TEST_MAIN(tests)
