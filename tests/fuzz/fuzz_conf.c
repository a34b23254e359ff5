/* SPDX-License-Identifier: MIT
 *
 * The first line chooses a command by its first byte and gives flags between spaces; the rest is a
 * configuration file. A refusal must say something, with its place for a file.
 */
#include "base/mem.h"
#include "conf/source.h"
#include "conf/table.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct conf c = { 0 }, f = { .arena = a };
	struct err e = { 0 };
	char *rest = arena_strndup(a, (const char *)data, size), *words = strsep(&rest, "\n"),
	     *argv[32];
	enum command cmd = (enum command)((unsigned char)*words % COMMAND_COUNT);
	int argc = 0;
	for (char *w; argc < 32 && (w = strsep(&words, " "));)
		if (!strstr(w, "-file") &&
			!strstr(w, "config")) /* these would open what they name */
			argv[argc++] = w;
	if (argc > 0 && conf_parse(cmd, argc - 1, argv + 1, NULL, &c, &e) != OK)
		must(e.code == ERR_USAGE && *e.text);
	conf_done(&c);
	if (rest && !strstr(rest, "-file") && source_text(&f, cmd, "file", rest, &e) != OK)
		must(e.code == ERR_USAGE && strncmp(e.text, "file:", 5) == 0);
	return 0;
}
