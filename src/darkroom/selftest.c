/* SPDX-License-Identifier: MIT
 *
 * What protects here, found out by starting a real child and looking at it from outside: the
 * kernel's own word in /proc, not what our code meant to do.
 */
#include "base/io.h"
#include "base/mem.h"
#include "darkroom/child.h"
#include "darkroom/jail.h"
#include "darkroom/keeper_link.h"

#include <dirent.h>
#include <string.h>

/* The number after "Name:" in a status file of /proc; -1 when there is none. */
static long status_in(const char *path, const char *name)
{
	struct err ignored;
	struct buf text = BUF_INIT(65536);
	autofree char *line = mem_printf("\n%s:", name);
	long n = -1;
	if (io_read_file(path, text.max, &text, &ignored) == OK) {
		const char *at = strstr(buf_str(&text), line);
		if (at)
			n = strtol(at + strlen(line), NULL, 10);
	}
	buf_done(&text);
	return n;
}

static long status_of(pid_t pid, const char *name)
{
	autofree char *path = mem_printf("/proc/%d/status", (int)pid);
	return status_in(path, name);
}

static enum err_code describe(const struct child *c, struct buf *ret, struct err *e)
{
	long seccomp = status_of(c->pid, "Seccomp"), no_new = status_of(c->pid, "NoNewPrivs");
	if (seccomp != -1 && (seccomp != 2 || no_new != 1))
		return err_set(e, ERR_DARKROOM,
			"the child says it is jailed, but /proc shows "
			"Seccomp: %ld, NoNewPrivs: %ld",
			seccomp, no_new);
	buf_printf(ret, "seccomp: filter in force%s\n",
		JAIL_SANITIZED ? " (wide: a sanitizer build)" : "");
	buf_puts(ret, "no_new_privs: yes\n");
	if (c->landlock)
		buf_printf(ret, "landlock: ABI %d, everything denied\n", c->landlock);
	else
		buf_puts(ret, "landlock: not in this kernel; the seccomp filter stands alone\n");
	buf_printf(ret, "user: %u%s\n", (unsigned)c->uid,
		c->uid == JAIL_UID    ? " (nobody)"
			: c->uid == 0 ? " (root, without capabilities)"
				      : "");
	buf_printf(ret, "network: %s\n",
		c->alone ? "an empty namespace of its own" : "no sockets, by the seccomp filter");
	buf_printf(ret, "limits: %sprocessor time, file size, descriptors, no core\n",
		JAIL_SANITIZED ? "" : "address space, ");
	return OK;
}

/* Each thread of the model's stands under the filter of the one that made it; the kernel shows each. */
static enum err_code describe_threads(const struct child *c, struct buf *ret, struct err *e)
{
	autofree char *folder = mem_printf("/proc/%d/task", (int)c->pid);
	DIR *d = opendir(folder);
	int threads = 0, free = 0;
	for (struct dirent *f; d && (f = readdir(d));) {
		if (f->d_name[0] == '.')
			continue;
		autofree char *path = mem_printf("%s/%s/status", folder, f->d_name);
		threads++;
		free += status_in(path, "Seccomp") != 2;
	}
	if (d)
		closedir(d);
	if (free > 0)
		return err_set(e, ERR_DARKROOM, "%d of %d threads are not jailed", free, threads);
	buf_printf(ret, "model: loaded within the jail, all %d threads under the filter\n", threads);
	return OK;
}

static enum err_code selftest(const struct keeper_opts *o, int threads, struct buf *ret,
	struct err *e)
{
	struct keeper_link *k = NULL;
	struct child *c = NULL;
	const struct child_order order = { .memory_bytes = (int64_t)256 << 20,
		.cpu_s = 5,
		.max_bytes_out = 1 << 20,
		.threads = threads };
	enum err_code code = keeper_link_new(o, &k, e);
	if (code == OK)
		code = keeper_link_fork(k, &order, &c, e);
	if (code == OK)
		code = child_await(c, e);
	if (code == OK)
		code = describe(c, ret, e);
	if (code == OK && threads > 0)
		code = describe_threads(c, ret, e);
	child_free(c);
	keeper_link_free(k);
	return code;
}

enum err_code darkroom_selftest(const char *exe, struct buf *ret, struct err *e)
{
	return selftest(&(struct keeper_opts){ .exe = exe }, 0, ret, e);
}

enum err_code darkroom_selftest_matte(const char *exe, const char *runtime, const char *model,
	int threads, struct buf *ret, struct err *e)
{
	return selftest(&(struct keeper_opts){ exe, runtime, model }, threads, ret, e);
}
