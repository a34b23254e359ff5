/* SPDX-License-Identifier: MIT
 *
 * The text of limits: what is read, what is refused, and that printing and reading agree.
 */
#include "lib/test.h"

#include "base/mem.h"
#include "job/limits.h"

static void what_is_printed_is_read_back(void **state)
{
	struct limits l, back;
	struct err e;

	(void)state;
	limits_none(&l);
	limits_none(&back);
	assert_int_equal(limits_parse("jobs_per_second=0.5,urls_per_day=5k,stored_bytes=2g,"
				      "credits_per_month=12.125,cpu_seconds_per_day=90",
				 &l, &e),
		OK);
	assert_int_equal(l.most[LIMIT_JOBS_SECOND], 500);
	assert_int_equal(l.most[LIMIT_URLS_DAY], 5000);
	assert_int_equal(l.most[LIMIT_STORED], 2LL << 30);
	assert_int_equal(l.most[LIMIT_CREDITS_MONTH], 12125);
	assert_int_equal(l.most[LIMIT_CPU_DAY], 90000);
	assert_int_equal(l.most[LIMIT_JOBS_DAY], -1);
	autofree char *text = limits_text(&l);
	assert_string_equal(text,
		"jobs_per_second=0.500,urls_per_day=5000,cpu_seconds_per_day=90,"
		"stored_bytes=2147483648,credits_per_month=12.125");
	assert_int_equal(limits_parse(text, &back, &e), OK);
	assert_memory_equal(&l, &back, sizeof l);
}

static void a_limit_is_lifted_by_none_and_the_others_stand(void **state)
{
	struct limits l;
	struct err e;

	(void)state;
	limits_none(&l);
	assert_int_equal(limits_parse("jobs_per_day=3,urls_per_day=9", &l, &e), OK);
	assert_int_equal(limits_parse("jobs_per_day=none", &l, &e), OK);
	autofree char *text = limits_text(&l);
	assert_string_equal(text, "urls_per_day=9");
}

static void what_is_no_limit_is_refused_whole(void **state)
{
	static const char *const bad[] = { "jobs_per_day", "jobs=1",
		"jobs_per_day=", "jobs_per_day=x", "jobs_per_day=-1", "jobs_per_day=1.5",
		"jobs_per_second=0", "jobs_per_second=1.2345", "stored_bytes=1t",
		"stored_bytes=99999999999999999999", "stored_bytes=9999999g",
		"jobs_per_second=1." };
	struct limits l, before;
	struct err e;

	(void)state;
	limits_none(&l);
	before = l;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		autofree char *text = mem_printf("urls_per_day=5,%s", bad[i]);
		assert_int_equal(limits_parse(text, &l, &e), ERR_USAGE);
		assert_memory_equal(&l, &before, sizeof l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_printed_is_read_back),
		cmocka_unit_test(a_limit_is_lifted_by_none_and_the_others_stand),
		cmocka_unit_test(what_is_no_limit_is_refused_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
