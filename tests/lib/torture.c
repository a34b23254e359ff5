/* SPDX-License-Identifier: MIT
 *
 * A library for LD_PRELOAD that makes one thing fail, which no test can arrange otherwise.
 *
 *   TORTURE=alloc:N   the Nth malloc, calloc, realloc or aligned allocation has no memory
 *   TORTURE=call:N    the Nth of the system calls below fails, each with an error of its kind
 *   TORTURE=disk:N    from the Nth write to a file on, the disk is full
 *
 * Counting begins when main does: what the loader and the libraries' constructors do is theirs.
 * TORTURE_LOG names a file, which gets one line at the first failure: what failed, called from where;
 * or, when N was never reached, "end" and the count. Writes to pipes and eventfds do not fail, they
 * cannot in life; nor does what the C library does inside itself, nor libuv's first pipe, without
 * which libuv ends the process itself.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { NOTHING, ALLOC, CALL, DISK };

static enum kind kind;
static long nth;
static const char *log_path;
static atomic_long count;
static atomic_bool begun, told;

static void tell(const char *text)
{
	if (log_path == NULL || atomic_exchange(&told, true))
		return;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	syscall(SYS_write, fd, text, strlen(text));
	syscall(SYS_close, fd);
}

static void tell_failure(const char *name, const void *caller)
{
	char text[512];
	Dl_info d = { 0 };
	dladdr(caller, &d);
	snprintf(text, sizeof(text), "%s from %s+0x%lx\n", name, d.dli_fname ? d.dli_fname : "?",
		(unsigned long)((const char *)caller - (const char *)d.dli_fbase));
	tell(text);
}

/* Is it this one's turn? */
static bool strikes(enum kind k, const char *name, const void *caller)
{
	if (k != kind || !atomic_load_explicit(&begun, memory_order_relaxed))
		return false;
	long n = atomic_fetch_add(&count, 1) + 1;
	if (kind == DISK ? n < nth : n != nth)
		return false;
	tell_failure(name, caller);
	return true;
}

static void end(void)
{
	char text[64];
	snprintf(text, sizeof(text), "end %ld\n", atomic_load(&count));
	tell(text);
}

static int (*real_main)(int, char **, char **);

static int main_begins(int argc, char **argv, char **envp)
{
	const char *what = getenv("TORTURE");
	log_path = getenv("TORTURE_LOG");
	const char *colon = what ? strchr(what, ':') : NULL;
	if (colon != NULL) {
		nth = strtol(colon + 1, NULL, 10);
		kind = what[0] == 'a' ? ALLOC : what[0] == 'c' ? CALL : DISK;
		atexit(end);
		atomic_store(&begun, true);
	}
	return real_main(argc, argv, envp);
}

#define EXPORT     __attribute__((visibility("default")))
#define CALLER     __builtin_return_address(0)
#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);
	if (p == NULL)
		abort();
	return p;
}

typedef int main_fn(int, char **, char **);
EXPORT int __libc_start_main(main_fn *m, int argc, char **argv, void (*init)(void),
	void (*fini)(void), void (*rtld_fini)(void), void *stack_end);
int __libc_start_main(main_fn *m, int argc, char **argv, void (*init)(void), void (*fini)(void),
	void (*rtld_fini)(void), void *stack_end)
{
	real_main = m;
	return REAL(__libc_start_main)(main_begins, argc, argv, init, fini, rtld_fini, stack_end);
}

/* ---- memory --------------------------------------------------------------------------------- */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

EXPORT void *malloc(size_t n)
{
	return strikes(ALLOC, "malloc", CALLER) ? no_memory() : __libc_malloc(n);
}

EXPORT void *calloc(size_t n, size_t size)
{
	return strikes(ALLOC, "calloc", CALLER) ? no_memory() : __libc_calloc(n, size);
}

EXPORT void *realloc(void *p, size_t n)
{
	return strikes(ALLOC, "realloc", CALLER) ? no_memory() : __libc_realloc(p, n);
}

EXPORT void *aligned_alloc(size_t align, size_t n)
{
	return strikes(ALLOC, "aligned_alloc", CALLER) ? no_memory() : __libc_memalign(align, n);
}

EXPORT int posix_memalign(void **ret, size_t align, size_t n)
{
	void *p = strikes(ALLOC, "posix_memalign", CALLER) ? NULL : __libc_memalign(align, n);
	if (p == NULL)
		return ENOMEM;
	*ret = p;
	return 0;
}

/* ---- system calls --------------------------------------------------------------------------- */

static mode_t type_of(int fd)
{
	struct stat st;
	return syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) == 0 ? st.st_mode & S_IFMT : 0;
}

static bool write_strikes(int fd, const char *name, const void *caller)
{
	mode_t type = type_of(fd);
	if (type == S_IFREG && (strikes(CALL, name, caller) || strikes(DISK, name, caller))) {
		errno = ENOSPC;
		return true;
	}
	if (type == S_IFSOCK && strikes(CALL, name, caller)) {
		errno = ECONNRESET;
		return true;
	}
	return false;
}

static bool read_strikes(int fd, const char *name, const void *caller)
{
	mode_t type = type_of(fd);
	if ((type != S_IFREG && type != S_IFSOCK) || !strikes(CALL, name, caller))
		return false;
	errno = type == S_IFREG ? EIO : ECONNRESET;
	return true;
}

/* Of a memfd, which no folder names, it only reads memory. */
static bool stat_strikes(int fd, const char *name, const void *caller)
{
	struct stat st;
	if (syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) != 0 || st.st_nlink == 0)
		return false;
	errno = EIO;
	return strikes(CALL, name, caller);
}

/* A call with its parameters as declared and as passed, and the error that it fails with. */
#define WRAP(type, name, params, args, errnum)                                                     \
	EXPORT type name params                                                                    \
	{                                                                                          \
		if (strikes(CALL, #name, CALLER)) {                                                \
			errno = errnum;                                                            \
			return (type)-1;                                                           \
		}                                                                                  \
		return REAL(name) args;                                                            \
	}
#define WRAP_FD(which, type, name, params, args)                                                   \
	EXPORT type name params                                                                    \
	{                                                                                          \
		return which##_strikes(fd, #name, CALLER) ? (type)-1 : REAL(name) args;            \
	}
/* These return their error. */
#define WRAP_RETURN(name, params, args, errnum)                                                    \
	EXPORT int name params                                                                     \
	{                                                                                          \
		return strikes(CALL, #name, CALLER) ? (errnum) : REAL(name) args;                  \
	}
#define WRAP_OPEN(name, before, names)                                                             \
	EXPORT int name before                                                                     \
	{                                                                                          \
		va_list ap;                                                                        \
		va_start(ap, flags);                                                               \
		mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;            \
		va_end(ap);                                                                        \
		if (strikes(CALL, #name, CALLER)) {                                                \
			errno = EMFILE;                                                            \
			return -1;                                                                 \
		}                                                                                  \
		return REAL(name) names;                                                           \
	}

WRAP_OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
WRAP_OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
WRAP_OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
WRAP_OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))

WRAP_FD(write, ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP_FD(write, ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
WRAP_FD(write, ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at))
WRAP_FD(write, int, ftruncate64, (int fd, off64_t n), (fd, n))
WRAP_FD(write, int, fallocate64, (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n))
WRAP_FD(write, ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags))
WRAP_FD(write, ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
WRAP_FD(write, ssize_t, sendfile64, (int fd, int from, off64_t *at, size_t n), (fd, from, at, n))
WRAP_FD(read, ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))
WRAP_FD(read, ssize_t, pread64, (int fd, void *p, size_t n, off64_t at), (fd, p, n, at))
WRAP_FD(read, ssize_t, recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags))
WRAP_FD(read, ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags))
WRAP_FD(stat, int, fstat64, (int fd, struct stat64 *st), (fd, st))

WRAP(int, fsync, (int fd), (fd), EIO)
WRAP(int, fdatasync, (int fd), (fd), EIO)
WRAP(int, syncfs, (int fd), (fd), EIO)
WRAP(int, stat64, (const char *path, struct stat64 *st), (path, st), EIO)
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), ENOSPC)
WRAP(int, mkdirat, (int at, const char *path, mode_t mode), (at, path, mode), ENOSPC)
WRAP(int, unlink, (const char *path), (path), EIO)
WRAP(int, unlinkat, (int at, const char *path, int flags), (at, path, flags), EIO)
WRAP(int, link, (const char *from, const char *to), (from, to), EMLINK)
WRAP(int, rename, (const char *from, const char *to), (from, to), EIO)
WRAP(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), EIO)
WRAP(void *, mmap64, (void *p, size_t n, int prot, int flags, int fd, off64_t at),
	(p, n, prot, flags, fd, at), ENOMEM)
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), EMFILE)
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol), EMFILE)
WRAP(int, socketpair, (int domain, int type, int protocol, int fds[2]),
	(domain, type, protocol, fds), EMFILE)
WRAP(int, accept4, (int fd, struct sockaddr *sa, socklen_t *n, int flags), (fd, sa, n, flags),
	EMFILE)
WRAP_RETURN(pthread_create,
	(pthread_t * t, const pthread_attr_t *at, void *(*fn)(void *), void *arg), (t, at, fn, arg),
	EAGAIN)
WRAP_RETURN(posix_spawn,
	(pid_t * pid, const char *path, const posix_spawn_file_actions_t *fa,
		const posix_spawnattr_t *at, char *const argv[], char *const envp[]),
	(pid, path, fa, at, argv, envp), EAGAIN)
