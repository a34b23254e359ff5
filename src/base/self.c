/* SPDX-License-Identifier: MIT
 *
 * ld.so(8) takes its options, each with a value in an argument of its own or after '=', then the
 * program. The kernel keeps them all in /proc/self/cmdline.
 */
#include "base/self.h"

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#define COMMAND_MAX (64 << 10)

static bool is_loader(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	return strncmp(name, "ld-linux", 8) == 0 || strncmp(name, "ld.so", 5) == 0;
}

static bool runs_in_loader(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink(SELF_EXE, path, sizeof(path) - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	return is_loader(path);
}

/* Does the value of this option stand in the next argument? */
static bool takes_value(const char *option)
{
	static const char *const options[] = { "--library-path", "--argv0", "--preload", "--audit",
		"--inhibit-rpath", "--glibc-hwcaps-prepend", "--glibc-hwcaps-mask" };
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (strcmp(option, options[i]) == 0)
			return true;
	return false;
}

/* Everything up to the program; nothing when it makes no sense. */
static void take_arguments(struct self *s, const char *p, const char *end)
{
	bool is_value = true; /* the loader's own name */
	for (; p < end && s->n < SELF_ARGUMENTS_MAX - 5; p += strlen(p) + 1) {
		bool is_program = !is_value && p[0] != '-';
		s->arguments[s->n++] = mem_strdup(p);
		if (is_program)
			return;
		is_value = !is_value && takes_value(p);
	}
	while (s->n > 0)
		free(s->arguments[--s->n]);
}

struct self *self_new(void)
{
	struct self *s = mem_new(struct self);
	struct buf command = BUF_INIT(COMMAND_MAX);
	struct err ignored;
	if (runs_in_loader() &&
		io_read_file("/proc/self/cmdline", COMMAND_MAX, &command, &ignored) == OK)
		take_arguments(s, buf_str(&command), buf_str(&command) + command.len);
	if (s->n == 0)
		s->arguments[s->n++] = mem_strdup("bulb");
	buf_done(&command);
	return s;
}

void self_free(struct self *s)
{
	if (!s)
		return;
	while (s->n > 0)
		free(s->arguments[--s->n]);
	free(s);
}
