/* SPDX-License-Identifier: MIT
 *
 * A scripted origin for unit tests: listens on a loopback port, reads a request, sends the script,
 * closes. One connection after the other, on a thread of its own.
 */
#ifndef BULB_TESTS_LIB_ORIGIN_H
#define BULB_TESTS_LIB_ORIGIN_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct origin {
	int fd, port;
	pthread_t thread;
	const char *script; /* the whole response */
	size_t script_n;
	const char *later; /* or NULL; the response from the later_from-th connection on */
	int later_from;
	bool hang;          /* say nothing and wait for the other side to give up */
	bool hasty;         /* do not wait for the request's body */
	bool reset;         /* reset the connection when the request is there */
	bool keep;          /* leave connections open, and reset one when it is used again */
	atomic_int again;   /* how often that was */
	atomic_int hits;    /* connections */
	char request[4096]; /* the last one's head, and as much of its body as fits */
	size_t request_n;
	size_t body_n; /* of the last one's body, as it came */
};

/* The body whose length the head tells. */
static inline void origin_read_body(struct origin *o, int c)
{
	char rest[4096];
	const char *length = strstr(o->request, "\r\nContent-Length: ");
	const char *head_end = strstr(o->request, "\r\n\r\n");
	size_t want = length != NULL ? strtoul(length + 18, NULL, 10) : 0;
	o->body_n = head_end != NULL ? o->request_n - (size_t)(head_end + 4 - o->request) : 0;
	while (o->body_n < want) {
		ssize_t got = read(c, rest, sizeof(rest));
		if (got <= 0)
			break;
		size_t room = sizeof(o->request) - 1 - o->request_n;
		size_t keep = (size_t)got < room ? (size_t)got : room;
		memcpy(o->request + o->request_n, rest, keep);
		o->request_n += keep;
		o->request[o->request_n] = '\0';
		o->body_n += (size_t)got;
	}
}

static inline void origin_reset(int c)
{
	setsockopt(c, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
		sizeof(struct linger));
}

static inline void origin_answer(struct origin *o, int c)
{
	size_t n = 0;
	while (n + 1 < sizeof(o->request)) {
		ssize_t got = read(c, o->request + n, sizeof(o->request) - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
		o->request[n] = '\0';
		if (strstr(o->request, "\r\n\r\n") != NULL)
			break;
	}
	o->request_n = n;
	if (!o->hasty)
		origin_read_body(o, c);
	char rest;
	if (o->reset)
		origin_reset(c);
	else if (o->hang)
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

/* Until it is used again, or another connection comes. */
static inline void origin_keep(struct origin *o, int c)
{
	char some[4096];
	struct pollfd fds[] = { { .fd = c, .events = POLLIN }, { .fd = o->fd, .events = POLLIN } };
	poll(fds, 2, -1);
	if (fds[0].revents == 0 || read(c, some, sizeof(some)) <= 0)
		return;
	o->again++;
	origin_reset(c);
}

static inline void *origin_run(void *arg)
{
	struct origin *o = arg;
	for (int c; (c = accept(o->fd, NULL, NULL)) >= 0; close(c)) {
		if (++o->hits == o->later_from) {
			o->script = o->later;
			o->script_n = strlen(o->later);
		}
		origin_answer(o, c);
		if (o->keep)
			origin_keep(o, c);
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
