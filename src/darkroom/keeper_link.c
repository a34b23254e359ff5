/* SPDX-License-Identifier: MIT
 *
 * Starting the keeper and asking it for children. posix_spawn and not fork: the worker has many
 * threads, and its memory holds secrets that no child may inherit. The keeper gets one socket and
 * /dev/null twice, an empty environment and a session of its own, so that Ctrl-C in a terminal
 * ends the server in its own way and not the darkroom under it.
 *
 * The keeper ends when its socket closes, which the kernel does for us whatever kills the worker.
 * (A parent-death signal would come too early: it is sent when the spawning *thread* ends.)
 */
#include "darkroom/keeper_link.h"

#include "base/io.h"
#include "base/mem.h"
#include "base/self.h"
#include "darkroom/child.h"
#include "darkroom/jail.h"
#include "darkroom/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 30000 /* loading libvips on a cold, busy disk */
#define FORK_MS  10000
#define END_MS   2000

struct keeper_link {
	pthread_mutex_t lock; /* one question at a time */
	char *exe, *runtime, *model;
	struct self *self;
	int sock; /* -1: no keeper */
	pid_t pid;
	bool broken; /* it ended, fell silent or answered nonsense */
};

static enum err_code spawn_actions(posix_spawn_file_actions_t *fa, int sock, struct err *e)
{
	int rc = posix_spawn_file_actions_adddup2(fa, sock, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(fa, 1, "/dev/null", O_RDWR, 0);
	if (rc == 0 && !JAIL_SANITIZED) /* a sanitizer's report is worth reading */
		rc = posix_spawn_file_actions_addopen(fa, 2, "/dev/null", O_RDWR, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(fa, 3);
	return rc == 0 ? OK : err_sys(e, ERR_DARKROOM, rc, "darkroom: spawn");
}

static enum err_code spawn_attributes(posix_spawnattr_t *at, struct err *e)
{
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	int rc = posix_spawnattr_setsigmask(at, &none);
	if (rc == 0)
		rc = posix_spawnattr_setsigdefault(at, &all);
	if (rc == 0)
		rc = posix_spawnattr_setflags(at,
			POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	return rc == 0 ? OK : err_sys(e, ERR_DARKROOM, rc, "darkroom: spawn");
}

/* The environment is empty, so what a keeper must know stands in its arguments. */
static enum err_code spawn(const struct keeper_link *k, int sock, pid_t *ret, struct err *e)
{
	char verb[] = "darkroom";
	char *const own[] = { verb, k->runtime, k->model, NULL }, *const envp[] = { NULL };
	char *argv[SELF_ARGUMENTS_MAX];
	memcpy(argv, k->self->arguments, (size_t)k->self->n * sizeof(*argv));
	memcpy(argv + k->self->n, own, sizeof(own));
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&at);
	enum err_code code = spawn_actions(&fa, sock, e);
	if (code == OK)
		code = spawn_attributes(&at, e);
	int rc = code == OK ? posix_spawn(ret, k->exe, &fa, &at, argv, envp) : 0;
	if (rc != 0)
		code = err_sys(e, ERR_DARKROOM, rc, "darkroom: start %s", k->exe);
	posix_spawnattr_destroy(&at);
	posix_spawn_file_actions_destroy(&fa);
	return code;
}

/* Wait for an answer of this type. A FAIL becomes the error that it carries, and breaks nothing. */
static enum err_code answer(struct keeper_link *k, enum wire_type type, int ms,
	struct wire_msg *ret, int fds[WIRE_FDS_MAX], struct err *e)
{
	struct pollfd p = { .fd = k->sock, .events = POLLIN };
	int n;
	do
		n = poll(&p, 1, ms);
	while (n < 0 && errno == EINTR);
	k->broken = true;
	if (n <= 0)
		return err_set(e, ERR_DARKROOM, "darkroom: no answer within %d ms", ms);
	enum err_code code = wire_recv(k->sock, ret, fds, e);
	if (code != OK)
		return err_wrap(e, "darkroom");
	if (ret->type == WIRE_END)
		return err_set(e, ERR_DARKROOM, "darkroom: it ended");
	k->broken = ret->type != type && ret->type != WIRE_FAIL;
	if (ret->type == WIRE_FAIL && ret->code == ERR_MATTE_UNAVAILABLE)
		return err_set(e, ERR_MATTE_UNAVAILABLE, "%s", ret->text);
	if (ret->type == WIRE_FAIL)
		return err_set(e, ERR_DARKROOM, "darkroom: %s", ret->text);
	if (ret->type == type)
		return OK;
	for (size_t i = 0; i < wire_fds(ret->type); i++)
		fd_close(&fds[i]);
	return err_set(e, ERR_DARKROOM, "darkroom: %s instead of %s", wire_name(ret->type),
		wire_name(type));
}

/* Close the socket, which ends it, and collect it; it has not long. */
static void stop(struct keeper_link *k)
{
	if (k->sock < 0)
		return;
	fd_close(&k->sock);
	autofd pidfd = (int)syscall(SYS_pidfd_open, k->pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	if (pidfd < 0 || poll(&p, 1, END_MS) <= 0)
		kill(k->pid, SIGKILL);
	while (waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
		;
	k->pid = -1;
}

static enum err_code start(struct keeper_link *k, struct err *e)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, ERR_DARKROOM, errno, "darkroom: socketpair");
	autofd theirs = pair[1];
	k->sock = pair[0];
	enum err_code code = spawn(k, theirs, &k->pid, e);
	if (code != OK) {
		fd_close(&k->sock);
		k->pid = -1;
		return code;
	}
	fd_close(&theirs);
	autofree struct wire_msg *m = mem_new(struct wire_msg);
	int fds[WIRE_FDS_MAX];
	code = answer(k, WIRE_HELLO, START_MS, m, fds, e);
	if (code != OK)
		stop(k);
	return code;
}

enum err_code keeper_link_new(const struct keeper_opts *o, struct keeper_link **ret, struct err *e)
{
	struct keeper_link *k = mem_new(struct keeper_link);
	pthread_mutex_init(&k->lock, NULL);
	k->exe = mem_strdup(o->exe ? o->exe : SELF_EXE);
	k->self = self_new();
	k->runtime = mem_strdup(o->runtime);
	k->model = mem_strdup(o->model);
	k->sock = k->pid = -1;
	enum err_code code = k->runtime ? OK : start(k, e);
	if (code != OK)
		keeper_link_free(k);
	else
		*ret = k;
	return code;
}

void keeper_link_free(struct keeper_link *k)
{
	if (!k)
		return;
	stop(k);
	pthread_mutex_destroy(&k->lock);
	self_free(k->self);
	free(k->exe);
	free(k->runtime);
	free(k->model);
	free(k);
}

static enum err_code ask(struct keeper_link *k, const struct child_order *o, struct child **ret,
	struct err *e)
{
	autofree struct wire_msg *m = mem_new(struct wire_msg);
	*m = (struct wire_msg){ .type = WIRE_FORK,
		.memory_bytes = o->memory_bytes,
		.cpu_s = o->cpu_s,
		.max_bytes_out = o->max_bytes_out,
		.threads = o->threads };
	int fds[WIRE_FDS_MAX] = { -1, -1 };
	enum err_code code = wire_send(k->sock, m, NULL, e);
	k->broken = code != OK;
	if (code == OK)
		code = answer(k, WIRE_FORKED, FORK_MS, m, fds, e);
	if (code == OK)
		*ret = child_new((pid_t)m->pid, fds[0], fds[1]);
	return code;
}

enum err_code keeper_link_fork(struct keeper_link *k, const struct child_order *o,
	struct child **ret, struct err *e)
{
	pthread_mutex_lock(&k->lock);
	enum err_code code = k->sock < 0 ? ERR_DARKROOM : ask(k, o, ret, e);
	if (code != OK && (k->sock < 0 || k->broken)) {
		stop(k);
		code = start(k, e);
		if (code == OK)
			code = ask(k, o, ret, e);
	}
	pthread_mutex_unlock(&k->lock);
	return code;
}

/* Has it hung up? What it says unasked is for the next question to find. */
static bool has_ended(const struct keeper_link *k)
{
	struct pollfd p = { .fd = k->sock };
	return k->sock < 0 || k->broken || (poll(&p, 1, 0) == 1 && (p.revents & POLLHUP));
}

enum err_code keeper_link_check(struct keeper_link *k, struct err *e)
{
	enum err_code code = OK;
	pthread_mutex_lock(&k->lock);
	if (has_ended(k)) {
		stop(k);
		code = start(k, e);
	}
	pthread_mutex_unlock(&k->lock);
	return code;
}

void keeper_link_stop(struct keeper_link *k)
{
	pthread_mutex_lock(&k->lock);
	stop(k);
	pthread_mutex_unlock(&k->lock);
}

pid_t keeper_link_pid(struct keeper_link *k)
{
	pthread_mutex_lock(&k->lock);
	pid_t pid = k->pid;
	pthread_mutex_unlock(&k->lock);
	return pid;
}
