/* SPDX-License-Identifier: MIT
 *
 * Ways out of the jail, tried one by one by a process that has entered it as the children do. Each
 * must be refused with an error or be the process's death by SIGSYS. What a decoder needs must work.
 */
#include "lib/test.h"

#include "base/mem.h"
#include "darkroom/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* How the one who tries ends: with the errno that refused it, or one of these. */
enum { DONE = 200, NO_JAIL = 201 };

static pid_t parent; /* of the process in the jail */

/* Who tries: nobody's prisoner, a decoder, a decoder with a model, and a thread of that one as the
 * model's runtime makes them. */
enum kind { FREE, DECODER, MODEL, MODELS_THREAD, KINDS };

static void enter(enum kind kind)
{
	struct err e = { 0 };
	struct jail_report r;
	const struct jail_limits l = { .memory_bytes = 64 << 20,
		.cpu_s = 5,
		.file_bytes = 1 << 20,
		.parent = parent,
		.model = kind != DECODER };
	if (jail_enter(&l, &r, &e) == OK)
		return;
	fprintf(stderr, "%s\n", e.text);
	_exit(NO_JAIL);
}

struct attempt {
	int (*act)(void);
	int end;
};

static void *attempt(void *arg)
{
	struct attempt *a = arg;
	a->end = a->act() < 0 ? errno : DONE;
	return NULL;
}

NORETURN static void be_the_one_who_tries(int (*act)(void), enum kind kind)
{
	struct attempt a = { .act = act };
	pthread_t t;
	if (kind != FREE)
		enter(kind);
	if (kind != MODELS_THREAD)
		attempt(&a);
	else if (pthread_create(&t, NULL, attempt, &a) != 0 || pthread_join(t, NULL) != 0)
		_exit(NO_JAIL);
	_exit(a.end);
}

static int try(int (*act)(void), enum kind kind)
{
	parent = getpid();
	pid_t pid = fork();
	if (pid == 0)
		be_the_one_who_tries(act, kind);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* Held by the jail, and not failed for a reason of its own such as EBADF. */
static bool is_held(int status)
{
	static const int refusals[] = { EACCES, EPERM, ENOSYS, EFBIG, ENOMEM, EMFILE };
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (WEXITSTATUS(status) == refusals[i])
			return true;
	return false;
}

static int open_a_file(void)
{
	return open("/etc/passwd", O_RDONLY);
}
static int open_by_openat2(void)
{
	uint64_t how[3] = { O_RDONLY };
	return (int)syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof(how));
}
static int open_proc(void)
{
	return open("/proc/self/mem", O_RDWR);
}
static int open_the_parents_memory(void)
{
	autofree char *path = mem_printf("/proc/%d/mem", (int)parent);
	return open(path, O_RDONLY);
}
static int create_a_file(void)
{
	return open("/tmp/escaped", O_CREAT | O_WRONLY, 0600);
}
static int look_at_a_file(void)
{
	struct stat st;
	return stat("/etc/passwd", &st);
}
static int look_by_statx(void)
{
	struct statx st;
	return statx(AT_FDCWD, "/etc/passwd", 0, STATX_ALL, &st);
}
static int read_a_link(void)
{
	char to[100];
	return (int)readlink("/proc/self/exe", to, sizeof(to));
}
static int remove_a_file(void)
{
	return unlink("/tmp/escaped");
}
static int make_a_folder(void)
{
	return mkdir("/tmp/escaped", 0700);
}
static int make_a_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}
static int make_a_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}
static int make_a_netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}
static int make_a_socketpair(void)
{
	int p[2];
	return socketpair(AF_UNIX, SOCK_STREAM, 0, p);
}
static int connect_somewhere(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80) };
	return connect(0, (struct sockaddr *)&to, sizeof(to));
}
static int send_on_another_descriptor(void)
{
	struct msghdr h = { 0 };
	return (int)sendmsg(1, &h, 0);
}
static int run_a_program(void)
{
	char *const none[] = { NULL };
	return execve("/bin/true", none, none);
}
static int run_a_memfd(void)
{
	char *const none[] = { NULL };
	int fd = memfd_create("program", 0);
	return (int)syscall(SYS_execveat, fd, "", none, none, AT_EMPTY_PATH);
}
static int fork_oneself(void)
{
	return (int)syscall(SYS_fork);
}
static int fork_by_clone(void)
{
	return (int)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}
static int fork_by_clone3(void)
{
	uint64_t args[11] = { [4] = SIGCHLD };
	return (int)syscall(SYS_clone3, args, sizeof(args));
}
static int vfork_oneself(void)
{
	return (int)syscall(SYS_vfork);
}
static int clone_a_namespace(void)
{
	return (int)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
}
static int unshare_a_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}
static int trace_the_parent(void)
{
	return (int)ptrace(PTRACE_ATTACH, parent, NULL, NULL);
}
static int read_the_parents_memory(void)
{
	char here;
	struct iovec local = { &here, 1 }, remote = { &parent, 1 };
	return (int)process_vm_readv(parent, &local, 1, &remote, 1, 0);
}
static int kill_the_parent(void)
{
	return kill(parent, SIGTERM);
}
static int kill_everyone(void)
{
	return kill(-1, SIGTERM);
}
static int kill_a_thread_of_the_parent(void)
{
	return (int)syscall(SYS_tgkill, parent, parent, SIGTERM);
}
static int queue_a_signal(void)
{
	return (int)syscall(SYS_rt_sigqueueinfo, parent, SIGTERM, NULL);
}
static int open_a_pidfd(void)
{
	return (int)syscall(SYS_pidfd_open, parent, 0);
}
static int set_up_io_uring(void)
{
	struct io_uring_params p = { 0 };
	return (int)syscall(SYS_io_uring_setup, 4, &p);
}
static int load_bpf(void)
{
	union bpf_attr a = { 0 };
	return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a));
}
static int fault_from_user_space(void)
{
	return (int)syscall(SYS_userfaultfd, 0);
}
static int count_events(void)
{
	return (int)syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0);
}
static int ask_the_keyring(void)
{
	return (int)syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
}
static int mount_something(void)
{
	return mount("none", "/mnt", "tmpfs", 0, NULL);
}
static int change_the_root(void)
{
	return chroot("/");
}
static int change_the_folder(void)
{
	return chdir("/");
}
static int become_root(void)
{
	return setuid(0);
}
static int become_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1);
}
static int outlive_the_parent(void)
{
	return prctl(PR_SET_PDEATHSIG, 0);
}
static int add_another_filter(void)
{
	return (int)syscall(SYS_seccomp, 1, 0, NULL);
}
static int raise_a_limit(void)
{
	const struct rlimit r = { 1 << 20, 1 << 20 };
	return setrlimit(RLIMIT_NOFILE, &r);
}
static int map_executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0) == MAP_FAILED
		? -1
		: 0;
}
static int map_a_memfd_executable(void)
{
	int fd = memfd_create("code", 0);
	if (fd < 0 || ftruncate(fd, 4096) < 0)
		return 0;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0;
}
static int make_memory_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}
static int make_memory_executable_with_a_key(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return (int)syscall(SYS_pkey_mprotect, p, 4096, PROT_READ | PROT_EXEC, -1);
}
static int read_implies_exec(void)
{
	return (int)syscall(SYS_personality, 0x0400000);
}
static int share_memory_by_key(void)
{
	return (int)syscall(SYS_shmget, 1, 4096, 0600 | 01000);
}
static int push_into_a_terminal(void)
{
	return ioctl(0, TIOCSTI, "x");
}
#ifdef __x86_64__
static int ask_for_matrix_tiles(void)
{
	return (int)syscall(SYS_arch_prctl, 0x1023, 18); /* ARCH_REQ_XCOMP_PERM, XTILEDATA */
}
#endif
static int write_a_large_file(void)
{
	static const char block[1 << 16];
	signal(SIGXFSZ, SIG_IGN);
	int fd = memfd_create("large", 0);
	for (int i = 0; i < 17; i++)
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			return -1;
	return 0;
}
static int take_too_much_memory(void)
{
	return mmap(NULL, (size_t)1 << 32, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0) == MAP_FAILED
		? -1
		: 0;
}
static int open_many_descriptors(void)
{
	for (int i = 0; i < 100; i++)
		if (memfd_create("one more", 0) < 0)
			return -1;
	return 0;
}
#ifdef __x86_64__
static int call_as_32_bit(void)
{
	long rc; /* getpid of the 32-bit table, which the filter does not know */
	__asm__ volatile("int $0x80" : "=a"(rc) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
	return (int)rc;
}
static int call_as_x32(void)
{
	return (int)syscall(0x40000000 + SYS_getpid);
}
#endif

struct escape {
	const char *name;
	int (*act)(void);
};

static void escape(void **state)
{
	const struct escape *way = *state;
	if (JAIL_SANITIZED) {
		print_message("# %s: skipped, the filter of a sanitizer build is wide\n",
			way->name);
		return;
	}
	for (enum kind kind = DECODER; kind < KINDS; kind++) {
		int status = try(way->act, kind);
		if (!is_held(status))
			fail_msg("%s got out (kind %d): wait status %#x", way->name, (int)kind,
				(unsigned)status);
		print_message("# %s: %s\n", way->name,
			WIFSIGNALED(status) ? "SIGSYS" : strerrorname_np(WEXITSTATUS(status)));
	}
}

static void without_the_jail_they_get_out(void **state)
{
	(void)state;
	int (*const acts[])(void) = { open_a_file, look_at_a_file, read_a_link, make_a_socket,
		make_a_socketpair, fork_by_clone, map_executable_memory, map_a_memfd_executable,
		make_memory_executable, write_a_large_file, open_many_descriptors };
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		int status = try(acts[i], FREE);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != DONE)
			fail_msg("act %zu: wait status %#x", i, (unsigned)status);
	}
}

static void *nothing(void *arg)
{
	return arg;
}

static int what_a_decoder_needs(void)
{
	pthread_t t;
	struct timespec now;
	char block[64] = { 0 };
	void *p = malloc(8 << 20), *back;
	if (!p || pthread_create(&t, NULL, nothing, p) != 0 || pthread_join(t, &back) != 0)
		return -1;
	prctl(PR_SET_NAME, "decoder");
	free(p);
	int fd = memfd_create("result", MFD_ALLOW_SEALING);
	if (fd < 0 || write(fd, block, sizeof(block)) != (ssize_t)sizeof(block) || close(fd) < 0)
		return -1;
	return back == p && clock_gettime(CLOCK_REALTIME, &now) == 0 ? 0 : -1;
}

static void a_decoder_can_work_in_the_jail(void **state)
{
	(void)state;
	for (enum kind kind = DECODER; kind < KINDS; kind++) {
		int status = try(what_a_decoder_needs, kind);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != DONE)
			fail_msg("it could not: wait status %#x", (unsigned)status);
	}
}

static bool can_map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p != MAP_FAILED && munmap(p, bytes) == 0;
}

/* The jail is entered with 64 MiB (and 512 for stacks and the like); a small picture does not get
 * them, the large one after it does, and none gets more. */
static int take_turns_at_memory(void)
{
	const size_t large = (size_t)550 << 20, larger = (size_t)700 << 20;
	bool before = can_map(large);
	jail_limit_memory(1 << 20);
	bool small = can_map(large);
	jail_limit_memory(1 << 30);
	return before && !small && can_map(large) && !can_map(larger) ? 0 : -1;
}

static int raise_the_hard_limit(void)
{
	const struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };
	return setrlimit(RLIMIT_AS, &r);
}

static void a_picture_gets_the_memory_it_was_let_in_with(void **state)
{
	(void)state;
	if (JAIL_SANITIZED)
		skip();
	int status = try(take_turns_at_memory, DECODER);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == DONE);
	status = try(raise_the_hard_limit, DECODER);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != DONE);
}

static int give_up(void)
{
	abort();
}

static void an_abort_shows_as_one(void **state)
{
	(void)state;
	int status = try(give_up, DECODER);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void the_jail_needs_its_keeper(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		struct err e = { 0 };
		struct jail_report r;
		const struct jail_limits l = { .memory_bytes = 64 << 20,
			.cpu_s = 5,
			.file_bytes = 1 << 20,
			.parent = 1 << 30 };
		_exit(jail_enter(&l, &r, &e) == ERR_DARKROOM && strstr(e.text, "keeper") ? DONE
											 : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), DONE);
}

#define ESCAPE(act)                                                                                \
	{                                                                                          \
#act, escape, NULL, NULL, &(struct escape)                                         \
		{                                                                                  \
#act, act                                                                  \
		}                                                                                  \
	}
static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_decoder_can_work_in_the_jail),
	cmocka_unit_test(a_picture_gets_the_memory_it_was_let_in_with),
	cmocka_unit_test(an_abort_shows_as_one),
	cmocka_unit_test(the_jail_needs_its_keeper),
	cmocka_unit_test(without_the_jail_they_get_out),
	ESCAPE(open_a_file),
	ESCAPE(open_by_openat2),
	ESCAPE(open_proc),
	ESCAPE(open_the_parents_memory),
	ESCAPE(create_a_file),
	ESCAPE(look_at_a_file),
	ESCAPE(look_by_statx),
	ESCAPE(read_a_link),
	ESCAPE(remove_a_file),
	ESCAPE(make_a_folder),
	ESCAPE(make_a_socket),
	ESCAPE(make_a_unix_socket),
	ESCAPE(make_a_netlink_socket),
	ESCAPE(make_a_socketpair),
	ESCAPE(connect_somewhere),
	ESCAPE(send_on_another_descriptor),
	ESCAPE(run_a_program),
	ESCAPE(run_a_memfd),
	ESCAPE(fork_oneself),
	ESCAPE(fork_by_clone),
	ESCAPE(fork_by_clone3),
	ESCAPE(vfork_oneself),
	ESCAPE(clone_a_namespace),
	ESCAPE(unshare_a_namespace),
	ESCAPE(trace_the_parent),
	ESCAPE(read_the_parents_memory),
	ESCAPE(kill_the_parent),
	ESCAPE(kill_everyone),
	ESCAPE(kill_a_thread_of_the_parent),
	ESCAPE(queue_a_signal),
	ESCAPE(open_a_pidfd),
	ESCAPE(set_up_io_uring),
	ESCAPE(load_bpf),
	ESCAPE(fault_from_user_space),
	ESCAPE(count_events),
	ESCAPE(ask_the_keyring),
	ESCAPE(mount_something),
	ESCAPE(change_the_root),
	ESCAPE(change_the_folder),
	ESCAPE(become_root),
	ESCAPE(become_dumpable),
	ESCAPE(outlive_the_parent),
	ESCAPE(add_another_filter),
	ESCAPE(raise_a_limit),
	ESCAPE(map_executable_memory),
	ESCAPE(map_a_memfd_executable),
	ESCAPE(make_memory_executable),
	ESCAPE(make_memory_executable_with_a_key),
	ESCAPE(read_implies_exec),
	ESCAPE(share_memory_by_key),
	ESCAPE(push_into_a_terminal),
	ESCAPE(write_a_large_file),
	ESCAPE(take_too_much_memory),
	ESCAPE(open_many_descriptors),
#ifdef __x86_64__
	ESCAPE(ask_for_matrix_tiles),
	ESCAPE(call_as_32_bit),
	ESCAPE(call_as_x32),
#endif
};
TEST_MAIN(tests)
