/* SPDX-License-Identifier: MIT
 *
 * --help is complete, and the table behind it is sound.
 */
#include "lib/test.h"

#include "base/buf.h"
#include "conf/table.h"

static char *help_of(enum command c)
{
	struct buf b = BUF_INIT(1 << 20);
	conf_help(c, &b);
	assert_false(b.full);
	return buf_take(&b);
}

static void help_lists_exactly_the_settings_of_a_command(void **state)
{
	(void)state;
	for (int c = 0; c < COMMAND_COUNT; c++) {
		autofree char *text = help_of((enum command)c);
		for (int i = 0; i < CONF_COUNT; i++) {
			const struct setting *s = &conf_settings[i];
			char flag[64], line[80];
			setting_flag_name(s, flag);
			snprintf(line, sizeof(line), "--%s%s", flag,
				s->type == TYPE_BOOL ? "\n" : " ");
			bool there = strstr(text, line) != NULL;
			if (there != setting_serves(s, (enum command)c))
				fail_msg("bulb %s --help and --%s", conf_commands[c].name, flag);
		}
	}
}

static void the_overview_lists_every_command(void **state)
{
	(void)state;
	autofree char *text = help_of(COMMAND_COUNT);
	for (int c = 0; c < COMMAND_COUNT; c++) {
		assert_non_null(strstr(text, conf_commands[c].name));
		assert_non_null(strstr(text, conf_commands[c].summary));
	}
}

static void help_fits_eighty_columns(void **state)
{
	(void)state;
	autofree char *text = help_of(COMMAND_SERVE);
	for (const char *p = text; *p; p += strcspn(p, "\n") + 1)
		assert_in_range(strcspn(p, "\n"), 0, 80);
}

static void names_are_distinct_and_short_letters_too(void **state)
{
	(void)state;
	for (int i = 0; i < CONF_COUNT; i++)
		for (int k = 0; k < i; k++) {
			const struct setting *a = &conf_settings[i], *b = &conf_settings[k];
			assert_string_not_equal(a->name, b->name);
			assert_false(a->letter && a->letter == b->letter);
		}
}

static void every_setting_serves_a_command_and_says_what_it_is(void **state)
{
	(void)state;
	for (int i = 0; i < CONF_COUNT; i++) {
		const struct setting *s = &conf_settings[i];
		assert_true(s->commands != 0 && *s->help);
		assert_true(s->type == TYPE_BOOL || *s->metavar);
		assert_int_equal(strspn(s->name, "abcdefghijklmnopqrstuvwxyz0123456789-"),
			strlen(s->name));
		char flag[64];
		setting_flag_name(s, flag);
		assert_int_equal(setting_find(flag), i);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(help_lists_exactly_the_settings_of_a_command),
	cmocka_unit_test(the_overview_lists_every_command),
	cmocka_unit_test(help_fits_eighty_columns),
	cmocka_unit_test(names_are_distinct_and_short_letters_too),
	cmocka_unit_test(every_setting_serves_a_command_and_says_what_it_is),
};
TEST_MAIN(tests)
