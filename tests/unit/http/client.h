/* SPDX-License-Identifier: MIT
 *
 * The other end of a server in this process, on blocking sockets.
 */
#ifndef BULB_TESTS_UNIT_HTTP_CLIENT_H
#define BULB_TESTS_UNIT_HTTP_CLIENT_H

#include "lib/test.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

static inline void ask(int fd, uint16_t port, const char *text)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static inline int dial(uint16_t port, const char *text)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ask(fd, port, text);
	return fd;
}

/* Reads until `until` has come or the other side has ended; the whole text. */
static inline void read_until(int fd, const char *until, struct buf *all)
{
	char block[4096];
	while (!until || !memmem(buf_str(all), all->len, until, strlen(until))) {
		ssize_t n = recv(fd, block, sizeof(block), 0);
		if (n <= 0)
			return;
		buf_add(all, block, (size_t)n);
	}
}

static inline void assert_answer(int fd, const char *end)
{
	struct buf all = BUF_INIT(1 << 20);
	read_until(fd, end, &all);
	if (!memmem(buf_str(&all), all.len, end, strlen(end)))
		fail_msg("no '%s' in '%s'", end, buf_str(&all));
	buf_done(&all);
}

/* Spins politely until the loop's thread has done what it was told. */
static inline void await(_Atomic int *what, int at_least)
{
	for (int i = 0; *what < at_least && i < 20000; i++)
		usleep(500);
	assert_true(*what >= at_least);
}

#endif
