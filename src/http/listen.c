/* SPDX-License-Identifier: MIT
 *
 * From "127.0.0.1:8080" to a listening socket.
 */
#include "http/http_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096

/* "host:port", "[v6]:port", ":port" in their two parts; host "" is every address. */
static enum err_code split(const char *s, char host[256], const char **ret_port, struct err *e)
{
	const char *colon = strrchr(s, ':');
	char *end = NULL;
	if (!colon || colon[1] < '0' || colon[1] > '9' || strtoul(colon + 1, &end, 10) > 65535 ||
		*end)
		return err_set(e, ERR_USAGE, "listen address '%.200s': no port from 0 to 65535", s);
	size_t n = (size_t)(colon - s);
	if (n && s[0] == '[' && colon[-1] == ']') {
		s++;
		n -= 2;
	} else if (memchr(s, ':', n)) {
		return err_set(e, ERR_USAGE,
			"listen address '%.200s': an IPv6 address needs [brackets]", s);
	}
	if (n > 255)
		return err_set(e, ERR_USAGE, "listen address: the host name is too long");
	memcpy(host, s, n);
	host[n] = '\0';
	*ret_port = colon + 1;
	return OK;
}

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static int open_socket(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (ai->ai_family == AF_INET6)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int open_first(const struct addrinfo *list)
{
	int fd = -1;
	for (const struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next)
		fd = open_socket(ai);
	return fd;
}

static void format_url(int fd, char out[128])
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);
	char host[64] = "", port[16] = "";
	getsockname(fd, (struct sockaddr *)&ss, &n);
	getnameinfo((struct sockaddr *)&ss, n, host, sizeof(host), port, sizeof(port),
		NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(out, 128, strchr(host, ':') ? "http://[%s]:%s" : "http://%s:%s", host, port);
}

enum err_code http_listen_fd(int fd, char ret_url[128], struct err *e)
{
	int listens = 0, domain = 0;
	socklen_t n = sizeof(listens), m = sizeof(domain);
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) != 0 || !listens ||
		getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &m) != 0 ||
		(domain != AF_INET && domain != AF_INET6))
		return err_set(e, ERR_USAGE, "descriptor %d is not a TCP socket that listens", fd);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		return err_sys(e, ERR_SYSTEM, errno, "descriptor %d", fd);
	format_url(fd, ret_url);
	return OK;
}

bool http_listens_on_loopback(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &n) != 0)
		return false;
	if (ss.ss_family == AF_INET)
		return ntohl(((struct sockaddr_in *)&ss)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	const struct in6_addr *v6 = &((struct sockaddr_in6 *)&ss)->sin6_addr;
	return ss.ss_family == AF_INET6 &&
		(IN6_IS_ADDR_LOOPBACK(v6) ||
			(IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == IN_LOOPBACKNET));
}

enum err_code http_listen(const char *addr_port, int *ret_fd, char ret_url[128], struct err *e)
{
	char host[256] = { 0 };
	const char *port = NULL;
	if (split(addr_port, host, &port, e))
		return e->code;
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
		.ai_family = host[0] ? AF_UNSPEC : AF_INET6 };
	struct addrinfo *list = NULL;
	/* RFC 6761: localhost is loopback, whether /etc/hosts says so or is not there. */
	const char *name = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
	int bad = getaddrinfo(host[0] ? name : NULL, port, &hints, &list);
	if (bad)
		return err_set(e, ERR_USAGE, "listen address '%.200s': %s", addr_port,
			gai_strerror(bad));
	int fd = open_first(list);
	int error = errno;
	freeaddrinfo(list);
	if (fd < 0 && !host[0] && error == EAFNOSUPPORT) { /* a kernel without IPv6 */
		char v4[32];
		snprintf(v4, sizeof(v4), "0.0.0.0:%.8s", port);
		return http_listen(v4, ret_fd, ret_url, e);
	}
	if (fd < 0)
		return err_sys(e, ERR_SYSTEM, error, "listen on '%.200s'", addr_port);
	format_url(fd, ret_url);
	*ret_fd = fd;
	return OK;
}
