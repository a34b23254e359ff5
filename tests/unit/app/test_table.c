/* SPDX-License-Identifier: MIT */
#include "lib/test.h"

#include "app/table.h"

#include <stdlib.h>

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
	(void)state;
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	struct table *t = table_new(3);
	table_cell(t, "NAME");
	table_cell(t, "N");
	table_cell(t, "LAST");
	table_cell(t, "\xc3\xa9t\xc3\xa9\x1b[2J");
	table_number(t, "%d", 12345);
	table_cell(t, "x");
	table_print(t, out);
	table_free(t);
	fclose(out);
	assert_string_equal(text, "NAME     N      LAST\n\xc3\xa9t\xc3\xa9?[2J  12345  x\n");
	free(text);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
		columns_are_as_wide_as_their_widest_cell) };
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
