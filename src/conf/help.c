/* SPDX-License-Identifier: MIT
 *
 * --help: for people in a terminal 80 columns wide, so options stand on a line of their own with
 * their text wrapped below.
 */
#include "conf/table.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS 78
#define INDENT  8

static void put_wrapped(struct buf *out, const char *text)
{
	size_t column = 0;
	while (*text) {
		size_t n = strcspn(text, " ");
		if (column && column + 1 + n > COLUMNS - INDENT) {
			buf_putc(out, '\n');
			column = 0;
		}
		if (column)
			buf_putc(out, ' ');
		else
			buf_printf(out, "%*s", INDENT, "");
		buf_add(out, text, n);
		column += n + (column > 0);
		text += n + (text[n] == ' ');
	}
	buf_putc(out, '\n');
}

static void put_setting(struct buf *out, const struct setting *s)
{
	char flag[64];
	bool on_off = s->type == TYPE_BOOL;
	setting_flag_name(s, flag);
	buf_puts(out, "  ");
	if (s->letter)
		buf_printf(out, "-%c, ", s->letter);
	buf_printf(out, "--%s%s%s", flag, on_off ? "" : " ", on_off ? "" : s->metavar);
	if (*s->dflt && !on_off)
		buf_printf(out, "  [%s]", s->dflt);
	buf_putc(out, '\n');
	put_wrapped(out, s->help);
}

static void put_group(struct buf *out, enum command c, enum conf_group g)
{
	bool titled = false;
	for (int i = 0; i < CONF_COUNT; i++) {
		const struct setting *s = &conf_settings[i];
		if (s->group != g || !setting_serves(s, c))
			continue;
		if (!titled)
			buf_printf(out, "\n%s:\n", conf_group_title(g));
		titled = true;
		put_setting(out, s);
	}
}

static void put_overview(struct buf *out)
{
	buf_puts(out,
		"usage: bulb COMMAND [OPTION]... [ARGUMENT]...\n\n"
		"Makes variants of pictures in batches that outlast any gateway's time limit.\n\n");
	for (int c = 0; c < COMMAND_COUNT; c++)
		buf_printf(out, "  %-10s  %s\n", conf_commands[c].name, conf_commands[c].summary);
	buf_puts(out,
		"\n`bulb COMMAND --help` lists the options of one, `bulb --version` says which "
		"bulb this is.\n");
}

void conf_help(enum command c, struct buf *out)
{
	if (c >= COMMAND_COUNT) {
		put_overview(out);
		return;
	}
	const struct command_row *row = &conf_commands[c];
	buf_printf(out, "usage: bulb %s [OPTION]...%s%s\n\n%s\n", row->name,
		*row->arguments ? " " : "", row->arguments, row->summary);
	for (int g = 0; g < GROUP_COUNT; g++)
		put_group(out, c, (enum conf_group)g);
	buf_puts(out,
		"\nGeneral:\n  -h, --help\n        print this and end\n  --version\n"
		"        print the version and end\n\n"
		"An option may also stand in the environment as BULB_NAME, or in the file that\n"
		"--config names as 'name = value'. The command line wins over the environment,\n"
		"and that over the file.\n");
}
