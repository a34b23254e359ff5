/* SPDX-License-Identifier: MIT
 *
 * The system-call filter, as three tables: what is allowed, what is allowed with certain arguments,
 * and what gets an error because libraries try it and go on without. Everything else ends the
 * process. It is made anew in each child (0.2 ms) because one rule holds the child's own id.
 *
 * The allowed ones are what glibc, libvips and the codecs were seen to need for the formats that
 * bulb reads and writes, and the wire's own. clone3 gives ENOSYS because a filter cannot read its
 * flags; glibc then falls back to clone, whose flags are looked at.
 */
#include "darkroom/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* clang-format off */
static const char *const allowed[] = {
	/* descriptors that we have; the memfds of results */
	"read", "write", "close", "lseek", "fstat", "ftruncate", "memfd_create",
	/* memory */
	"munmap", "mremap", "brk", "madvise",
	/* threads */
	"futex", "futex_time64", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity",
	"rt_sigprocmask", "rt_sigaction", "rt_sigreturn", "gettid", "getpid", "getppid", "exit",
	"exit_group", "restart_syscall",
	/* time and chance */
	"clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
	"getrandom",
	/* TIFF asks how much memory there is */
	"sysinfo",
};
/* clang-format on */

/* Looked up by path, by a library that can do without. */
/* clang-format off */
static const char *const no_access[] = {
	"open", "openat", "openat2", "creat", "stat", "lstat", "newfstatat", "statx", "access",
	"faccessat", "faccessat2", "readlink", "readlinkat", "statfs", "getcwd", "chdir", "mkdir",
	"mkdirat", "unlink", "unlinkat", "rename", "renameat", "renameat2",
};
/* clang-format on */
/* Asked for by libraries out of curiosity. */
/* clang-format off */
static const char *const not_permitted[] = {
	"getrlimit", "setrlimit", "kill", "tkill", "ioctl",
	"sched_getattr", "sched_setattr", "sched_setaffinity", "sched_setscheduler", "setpriority",
	"uname", "umask", "getrusage", "times", "sigaltstack",
};
/* clang-format on */
/* Asked for by a model's runtime when it looks at the processor: matrix tiles. Without an answer it goes on without. Only where a model is loaded. */
static const char *const not_for_models[] = { "arch_prctl" };
static const char *const not_there[] = { "clone3" };

/* Where even the wide filter of a sanitizer build says no. */
/* clang-format off */
static const char *const ways_out[] = {
	"execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev",
	"socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "io_uring_setup",
	"io_uring_enter", "io_uring_register", "bpf", "mount", "unshare", "setns", "keyctl",
	"add_key", "perf_event_open", "userfaultfd", "kexec_load", "init_module", "finit_module",
};
/* clang-format on */

static int add_names(scmp_filter_ctx f, uint32_t action, const char *const *names, size_t n)
{
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);
		if (nr >= 0) /* one that this machine has */
			rc = seccomp_rule_add(f, action, nr, 0);
	}
	return rc;
}

/* A thread of this process with nothing else of its own. */
#define CLONE_APART                                                                                \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
		CLONE_NEWPID | CLONE_NEWNET | CLONE_PTRACE | CLONE_VFORK | CLONE_PARENT)
#define CLONE_OURS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)

static int add_threads(scmp_filter_ctx f)
{
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_OURS | CLONE_APART, CLONE_OURS));
}

/* Memory is never made executable. */
static int add_memory(scmp_filter_ctx f)
{
	const int calls[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect) };
	int rc = 0;
	for (size_t i = 0; i < 2 && rc == 0; i++) {
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
		if (rc == 0)
			rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), calls[i], 1,
				SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
	}
	return rc;
}

/* One socket, signals to nobody else, a thread's name. */
static int add_own(scmp_filter_ctx f)
{
	const struct {
		int call;
		scmp_datum_t first; /* argument */
	} own[] = {
		{ SCMP_SYS(sendmsg), 0 },
		{ SCMP_SYS(recvmsg), 0 },
		{ SCMP_SYS(tgkill), (scmp_datum_t)getpid() },
		{ SCMP_SYS(prctl), PR_SET_NAME },
	};
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(own) && rc == 0; i++) {
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, own[i].call, 1,
			SCMP_A0(SCMP_CMP_EQ, own[i].first));
		if (rc == 0)
			rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), own[i].call, 1,
				SCMP_A0(SCMP_CMP_NE, own[i].first));
	}
	return rc;
}

/* The limit on its own address space, which it lowers for each picture; never above the hard one. */
static int add_limit(scmp_filter_ctx f)
{
	const int call = SCMP_SYS(prlimit64);
	int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 2, SCMP_A0(SCMP_CMP_EQ, 0),
		SCMP_A1(SCMP_CMP_EQ, RLIMIT_AS));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), call, 1, SCMP_A0(SCMP_CMP_NE, 0));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), call, 1,
			SCMP_A1(SCMP_CMP_NE, RLIMIT_AS));
	return rc;
}

#define NAMES(list) list, ARRAY_LEN(list)

static int fill_narrow(scmp_filter_ctx f, bool model)
{
	int rc = add_names(f, SCMP_ACT_ALLOW, NAMES(allowed));
	if (rc == 0)
		rc = add_memory(f);
	if (rc == 0)
		rc = add_threads(f);
	if (rc == 0)
		rc = add_own(f);
	if (rc == 0)
		rc = add_limit(f);
	if (rc == 0)
		rc = add_names(f, SCMP_ACT_ERRNO(EACCES), NAMES(no_access));
	if (rc == 0)
		rc = add_names(f, SCMP_ACT_ERRNO(EPERM), NAMES(not_permitted));
	if (rc == 0 && model)
		rc = add_names(f, SCMP_ACT_ERRNO(EPERM), NAMES(not_for_models));
	if (rc == 0)
		rc = add_names(f, SCMP_ACT_ERRNO(ENOSYS), NAMES(not_there));
	return rc;
}

static int load(scmp_filter_ctx f, bool model)
{
	int rc = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc == 0 && !JAIL_SANITIZED)
		rc = fill_narrow(f, model);
	if (rc == 0 && JAIL_SANITIZED)
		rc = add_names(f, SCMP_ACT_KILL_PROCESS, NAMES(ways_out));
	if (rc == 0)
		rc = seccomp_load(f);
	return rc;
}

enum err_code jail_filter_load(bool model, struct err *e)
{
	scmp_filter_ctx f = seccomp_init(JAIL_SANITIZED ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS);
	int rc = f ? load(f, model) : -ENOMEM;
	seccomp_release(f);
	if (rc != 0)
		return err_sys(e, ERR_DARKROOM, -rc, "jail: seccomp filter");
	return OK;
}
