/* SPDX-License-Identifier: MIT
 *
 * A scripted origin for unit tests: listens on a loopback port, reads a request's head, sends the
 * script, closes. One connection after the other, on a thread of its own.
 */
#ifndef BULB_TESTS_LIB_ORIGIN_H
#define BULB_TESTS_LIB_ORIGIN_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct origin {
	int fd, port;
	pthread_t thread;
	const char *script; /* the whole response */
	size_t script_n;
	bool hang;          /* say nothing and wait for the other side to give up */
	atomic_int hits;    /* connections */
	char request[4096]; /* the last one's head */
};

static inline void origin_answer(struct origin *o, int c)
{
	size_t n = 0;
	for (ssize_t got; n + 1 < sizeof(o->request); n += (size_t)got) {
		got = read(c, o->request + n, sizeof(o->request) - 1 - n);
		if (got <= 0)
			break;
		o->request[n + (size_t)got] = '\0';
		if (strstr(o->request, "\r\n\r\n") != NULL)
			break;
	}
	char rest;
	if (o->hang)
		while (read(c, &rest, 1) > 0)
			;
	else
		for (size_t at = 0; at < o->script_n;) {
			ssize_t put = send(c, o->script + at, o->script_n - at, MSG_NOSIGNAL);
			if (put <= 0)
				break;
			at += (size_t)put;
		}
}

static inline void *origin_run(void *arg)
{
	struct origin *o = arg;
	for (int c; (c = accept(o->fd, NULL, NULL)) >= 0; close(c)) {
		o->hits++;
		origin_answer(o, c);
	}
	return NULL;
}

static inline bool origin_start(struct origin *o)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(sa);
	o->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (o->script != NULL && o->script_n == 0)
		o->script_n = strlen(o->script);
	if (bind(o->fd, (struct sockaddr *)&sa, n) != 0 || listen(o->fd, 16) != 0 ||
		getsockname(o->fd, (struct sockaddr *)&sa, &n) != 0)
		return false;
	o->port = ntohs(sa.sin_port);
	return pthread_create(&o->thread, NULL, origin_run, o) == 0;
}

static inline void origin_stop(struct origin *o)
{
	shutdown(o->fd, SHUT_RDWR); /* accept returns */
	pthread_join(o->thread, NULL);
	close(o->fd);
}

#endif
