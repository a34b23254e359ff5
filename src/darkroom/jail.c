/* SPDX-License-Identifier: MIT
 *
 * Entering the jail, one wall after another. The order matters: limits before the user changes,
 * the death signal after it (a change of user clears it), the filter last because it refuses all
 * the calls that the others need.
 */
#include "darkroom/jail.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Descriptors: the socket, two of /dev/null, one picture, one result; the rest is slack for
 * descriptors on their way, which count for the user and not for the process. */
#define MAX_FDS      16
#define MAX_THREADS  1024 /* of the user; fork is refused anyway, and stacks count as memory */
#define MEMORY_SLACK ((int64_t)512 << 20) /* thread stacks, malloc's arenas, the picture itself */

static enum err_code limit(int what, const char *name, int64_t soft, int64_t hard, struct err *e)
{
	struct rlimit r = { (rlim_t)soft, (rlim_t)hard }, now;
	if (getrlimit((__rlimit_resource_t)what, &now) == 0 && now.rlim_max < r.rlim_max) {
		r.rlim_max = now.rlim_max;
		r.rlim_cur = r.rlim_cur < r.rlim_max ? r.rlim_cur : r.rlim_max;
	}
	if (setrlimit((__rlimit_resource_t)what, &r) < 0)
		return err_sys(e, ERR_DARKROOM, errno, "jail: limit %s", name);
	return OK;
}

/* What the process takes already, libraries included. */
static int64_t address_space(void)
{
	long pages = 0;
	char text[64];
	FILE *f = fopen("/proc/self/statm", "re");
	if (f) {
		if (fgets(text, sizeof(text), f))
			pages = strtol(text, NULL, 10);
		fclose(f);
	}
	return pages > 0 ? (int64_t)pages * sysconf(_SC_PAGESIZE) : (int64_t)1 << 30;
}

static int64_t size_at_entry;

static enum err_code limit_all(const struct jail_limits *l, struct err *e)
{
	enum err_code code = limit(RLIMIT_CORE, "CORE", 0, 0, e);
	if (code == OK)
		code = limit(RLIMIT_CPU, "CPU", l->cpu_s, l->cpu_s + 2, e);
	if (code == OK)
		code = limit(RLIMIT_FSIZE, "FSIZE", l->file_bytes, l->file_bytes, e);
	if (code == OK)
		code = limit(RLIMIT_NOFILE, "NOFILE", MAX_FDS, MAX_FDS, e);
	/* As anyone but root we share the user, and the count of its threads, with others. */
	if (code == OK && geteuid() == 0)
		code = limit(RLIMIT_NPROC, "NPROC", MAX_THREADS, MAX_THREADS, e);
	int64_t room;
	size_at_entry = address_space();
	if (__builtin_add_overflow(size_at_entry + MEMORY_SLACK, l->memory_bytes, &room))
		room = INT64_MAX;
	if (code == OK && !JAIL_SANITIZED)
		code = limit(RLIMIT_AS, "AS", room, room, e);
	return code;
}

void jail_limit_memory(int64_t bytes)
{
	struct rlimit r;
	rlim_t room = (rlim_t)(size_at_entry + MEMORY_SLACK + bytes);
	if (JAIL_SANITIZED || bytes < 0 || getrlimit(RLIMIT_AS, &r) < 0)
		return;
	r.rlim_cur = room < r.rlim_max ? room : r.rlim_max;
	(void)setrlimit(RLIMIT_AS, &r);
}

/* Best effort: in a container root may lack the right or the mapping, and the filter stands. */
static void drop_user(void)
{
	if (geteuid() == 0) {
		int ignored = setgroups(0, NULL);
		ignored |= setresgid(JAIL_UID, JAIL_UID, JAIL_UID);
		ignored |= setresuid(JAIL_UID, JAIL_UID, JAIL_UID);
		(void)ignored;
	}
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
	syscall(SYS_capset, &h, none);
}

/* When the machine runs out of memory, a decoder goes before the server does. Best effort. */
static void go_first(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "we");
	if (!f)
		return;
	fputs("500", f);
	fclose(f);
}

static enum err_code end_with(pid_t parent, struct err *e)
{
	if (parent == 0)
		return OK;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(e, ERR_DARKROOM, errno, "jail: death signal");
	if (getppid() != parent)
		return err_set(e, ERR_DARKROOM, "jail: the keeper is gone");
	return OK;
}

enum err_code jail_enter(const struct jail_limits *l, struct jail_report *ret, struct err *e)
{
	int abi = 0;
	enum err_code code = limit_all(l, e);
	if (code != OK)
		return code;
	go_first();
	drop_user();
	code = end_with(l->parent, e);
	if (code != OK)
		return code;
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_sys(e, ERR_DARKROOM, errno, "jail: not dumpable");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, ERR_DARKROOM, errno, "jail: no_new_privs");
	code = landlock_deny_all(&abi, e);
	if (code != OK)
		return code;
	uid_t uid = geteuid();
	code = jail_filter_load(l->model, e);
	if (code != OK)
		return code;
	*ret = (struct jail_report){ .landlock = abi, .uid = uid };
	return OK;
}

bool jail_unshare(void)
{
	int apart = CLONE_NEWNET | CLONE_NEWIPC;
	/* A user namespace makes the others free to anyone; root needs none and keeps its ids. */
	if (geteuid() != 0)
		apart |= CLONE_NEWUSER;
	return unshare(apart) == 0;
}
