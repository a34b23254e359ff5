/* SPDX-License-Identifier: MIT
 *
 * The keeper: a process that has loaded the libraries and seen no picture, so that a child forked
 * from it costs milliseconds and starts clean. It has one thread, because a fork copies only the
 * thread that calls it, and libraries with others would hang in the child.
 *
 * Each child has a line, a socket between keeper and worker. The keeper writes the child's wait
 * status to it; the worker hangs up to have the child killed. Nobody needs to name a process by its
 * number, so nobody can hit a stranger that got the number next.
 */
#include "inside/inside.h"

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "darkroom/jail.h"
#include "darkroom/wire.h"
#include "image/image.h"
#include "inside/child.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WARDS_MAX 256 /* living children, and dead ones whose line was not yet closed */
#define CONTROL   0

struct ward {
	pid_t pid;
	int line;
	bool hung_up; /* killed at the worker's wish; only its end is awaited */
};
struct keeper {
	int children_fd; /* signalfd of SIGCHLD */
	bool alone;
	struct ward wards[WARDS_MAX];
	size_t n;
	bool has_model;
	struct held_model model;
	struct wire_msg m;
};

/* Only SIGKILL and a closed socket end the darkroom: a supervisor's SIGTERM to the whole group must
 * not take the pictures from a server that drains. */
static void set_signals(void)
{
	const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2,
		SIGXFSZ };
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
}

static int watch_children(void)
{
	sigset_t chld;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	return signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
}

NORETURN static void be_child(struct keeper *k, int sock, const struct jail_limits *l)
{
	sigset_t none;
	sigemptyset(&none);
	if (dup2(sock, 0) < 0)
		_exit(1);
	closefrom(3);
	sigprocmask(SIG_SETMASK, &none, NULL);
	child_main(l, k->alone, k->has_model ? &k->model : NULL, (int)k->m.threads);
}

static enum err_code make_pairs(int sock[2], int line[2], struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return err_sys(e, ERR_DARKROOM, errno, "socketpair");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) < 0) {
		int why = errno;
		fd_close(&sock[0]);
		fd_close(&sock[1]);
		return err_sys(e, ERR_DARKROOM, why, "socketpair");
	}
	return OK;
}

static enum err_code fork_child(struct keeper *k, struct err *e)
{
	if (k->n == WARDS_MAX)
		return err_set(e, ERR_DARKROOM, "%d children already", WARDS_MAX);
	if (k->has_model != (k->m.threads > 0))
		return err_set(e, ERR_DARKROOM, "a child of another kind");
	int64_t model_bytes = k->has_model ? (int64_t)k->model.manifest.peak_mb << 20 : 0;
	struct jail_limits l = { .memory_bytes = k->m.memory_bytes + model_bytes,
		.cpu_s = k->m.cpu_s,
		.file_bytes = k->m.max_bytes_out,
		.parent = getpid(),
		.model = k->has_model };
	int pair[2] = { -1, -1 }, lines[2] = { -1, -1 };
	enum err_code code = make_pairs(pair, lines, e);
	if (code != OK)
		return code;
	autofd ours = pair[0], theirs = pair[1], near = lines[0], far = lines[1];
	pid_t pid = fork();
	if (pid < 0)
		return err_sys(e, ERR_DARKROOM, errno, "fork");
	if (pid == 0)
		be_child(k, theirs, &l);
	k->wards[k->n++] = (struct ward){ .pid = pid, .line = fd_take(&near) };
	k->m = (struct wire_msg){ .type = WIRE_FORKED, .pid = pid };
	return wire_send(CONTROL, &k->m, (int[]){ ours, far }, e);
}

/* The worker's question. false: it has closed. */
static bool answer(struct keeper *k)
{
	int fds[WIRE_FDS_MAX];
	struct err e = { 0 }, ignored;
	enum err_code code = wire_recv(CONTROL, &k->m, fds, &e);
	if (code != OK || k->m.type != WIRE_FORK)
		return false;
	code = fork_child(k, &e);
	return code == OK || wire_send_fail(CONTROL, &e, FORMAT_NONE, &ignored) == OK;
}

static void reap(struct keeper *k)
{
	struct signalfd_siginfo news[8];
	while (read(k->children_fd, news, sizeof(news)) > 0)
		; /* signals merge; waitpid has them all */
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		for (size_t i = 0; i < k->n; i++) {
			if (k->wards[i].pid != pid)
				continue;
			int32_t told = status;
			ssize_t ignored = send(k->wards[i].line, &told, sizeof(told), MSG_NOSIGNAL);
			(void)ignored;
			fd_close(&k->wards[i].line);
			k->wards[i] = k->wards[--k->n];
			break;
		}
	}
}

/* Wait for news and act on it. false: the worker is gone. */
static bool turn(struct keeper *k)
{
	struct pollfd p[2 + WARDS_MAX] = {
		{ .fd = CONTROL, .events = POLLIN },
		{ .fd = k->children_fd, .events = POLLIN },
	};
	for (size_t i = 0; i < k->n; i++)
		p[2 + i] = (struct pollfd){ .fd = k->wards[i].hung_up ? -1 : k->wards[i].line,
			.events = POLLIN };
	if (poll(p, 2 + k->n, -1) < 0)
		return errno == EINTR;
	for (size_t i = 0; i < k->n; i++) {
		if (p[2 + i].revents == 0)
			continue;
		kill(k->wards[i].pid, SIGKILL);
		k->wards[i].hung_up = true;
	}
	if (p[1].revents != 0)
		reap(k);
	return p[0].revents == 0 || answer(k);
}

static enum err_code prepare(struct keeper *k, char *const *files, struct err *e)
{
	prctl(PR_SET_NAME, "bulb-darkroom");
	set_signals();
	mallopt(M_ARENA_MAX, 2);
	json_object_seed(0); /* reads /dev/urandom, which no child can */
	k->alone = jail_unshare();
	k->children_fd = watch_children();
	if (k->children_fd < 0)
		return err_sys(e, ERR_DARKROOM, errno, "signalfd");
	enum err_code code = image_init(e);
	k->has_model = files[0] != NULL;
	if (code == OK && k->has_model)
		code = held_model_load(files[0], files[1], &k->model, e);
	return code;
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
/* ThreadSanitizer knows of libvips its calls of memcpy and free, but not the atomics that order them.
 * Our environment is empty, so this cannot be said there. A child cannot start a symbolizer: it would die
 * of that before it says anything (addr2line reads the report). */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "ignore_noninstrumented_modules=1:symbolize=0:external_symbolizer_path=";
}
#endif
#endif

NORETURN void inside_main(int argc, char *const *argv)
{
	struct keeper *k = mem_new(struct keeper);
	struct err e = { 0 };
	if (JAIL_SANITIZED)
		fprintf(stderr,
			"darkroom: a sanitizer build: children run without RLIMIT_AS and leak "
			"check, and with a wider system-call filter\n");
	char *const files[2] = { argc == 2 ? argv[0] : NULL, argc == 2 ? argv[1] : NULL };
	enum err_code code = prepare(k, files, &e);
	if (code == OK) {
		k->m = (struct wire_msg){ .type = WIRE_HELLO };
		code = wire_send(CONTROL, &k->m, NULL, &e);
	} else {
		_exit(wire_send_fail(CONTROL, &e, FORMAT_NONE, &e) == OK ? 1 : 2);
	}
	while (code == OK && turn(k))
		;
	for (size_t i = 0; i < k->n; i++)
		kill(k->wards[i].pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	_exit(0);
}
