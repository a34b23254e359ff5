/* SPDX-License-Identifier: MIT
 *
 * Keys: one that was made is read back, and nothing that only looks like one.
 */
#include "lib/test.h"

#include "base/mem.h"
#include "job/key.h"

static void a_key_that_was_made_is_read_back(void **state)
{
	struct key made, read;

	(void)state;
	key_make(&made);
	assert_int_equal(strlen(made.text), KEY_MAX - 1);
	assert_true(key_parse(made.text, &read));
	assert_string_equal(read.id, made.id);
	assert_memory_equal(read.hash, made.hash, sizeof made.hash);
}

static void two_keys_differ_in_both_parts(void **state)
{
	struct key a, b;

	(void)state;
	key_make(&a);
	key_make(&b);
	assert_string_not_equal(a.id, b.id);
	assert_memory_not_equal(a.hash, b.hash, sizeof a.hash);
}

static void another_secret_has_another_hash(void **state)
{
	struct key made, read;

	(void)state;
	key_make(&made);
	char *last = &made.text[KEY_MAX - 2];
	*last = *last == 'x' ? 'y' : 'x';
	assert_true(key_parse(made.text, &read));
	assert_memory_not_equal(read.hash, made.hash, sizeof made.hash);
}

static void what_only_looks_like_a_key_is_none(void **state)
{
	static const char *const cuts[] = { "", "bulb_", "Bulb_000000000000_",
		"bulb_00000000000_" };
	struct key made, read;

	(void)state;
	for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
		assert_false(key_parse(cuts[i], &read));
	key_make(&made);
	autofree char *longer = mem_printf("%sx", made.text);
	assert_false(key_parse(longer, &read));
	made.text[KEY_MAX - 2] = 0;
	assert_false(key_parse(made.text, &read));
	key_make(&made);
	made.text[6] = '\'';
	assert_false(key_parse(made.text, &read));
}

static void scopes_have_names(void **state)
{
	(void)state;
	autofree char *all = key_scopes_text(KEY_ALL), *none = key_scopes_text(0);
	assert_string_equal(all, "read,write,admin");
	assert_string_equal(none, "");
	assert_int_equal(key_scope_parse("write"), KEY_WRITE);
	assert_int_equal(key_scope_parse("root"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_that_was_made_is_read_back),
		cmocka_unit_test(two_keys_differ_in_both_parts),
		cmocka_unit_test(another_secret_has_another_hash),
		cmocka_unit_test(what_only_looks_like_a_key_is_none),
		cmocka_unit_test(scopes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
