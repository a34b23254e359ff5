/* SPDX-License-Identifier: MIT
 *
 * sigtimedwait(2) instead of handlers: no code of ours runs in signal context.
 */
#include "app/signals.h"

#include "app/cmd.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

static sigset_t stopping(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	return set;
}

void signals_setup(void)
{
	sigset_t set = stopping();
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

void signals_default(void)
{
	sigset_t set = stopping();
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int signals_wait(int64_t ms)
{
	sigset_t set = stopping();
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	int sig;
	do {
		sig = ms < 0 ? sigwaitinfo(&set, NULL) : sigtimedwait(&set, NULL, &t);
	} while (sig < 0 && errno == EINTR);
	return sig < 0 ? 0 : sig;
}

static void *set_flag(void *arg)
{
	(void)signals_wait(-1);
	atomic_store((atomic_bool *)arg, true);
	(void)signals_wait(-1);
	_exit(EXIT_INTERRUPTED);
}

void signals_stop_flag(atomic_bool *stop)
{
	pthread_t t;
	if (pthread_create(&t, NULL, set_flag, stop) == 0)
		pthread_detach(t);
}
