/* SPDX-License-Identifier: MIT */
#include "tests/contract/pg_proxy.h"

#include "tests/lib/test.h"

#include "base/mem.h"
#include "pg/pg.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 64

struct pg_proxy {
	int fd, server_port;
	_Atomic int armed, breaks;
	_Atomic bool stopping;
	struct pg_stmt commit;
	pthread_t thread, connections[CONNECTIONS];
	size_t n;
};
struct connection {
	struct pg_proxy *p;
	int client, server;
	char data[65536]; /* of the client: what may be the beginning of a name, then what came */
	size_t kept;
};

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

/* COMMIT goes by its statement's name. */
static enum proxy_break breaks_here(struct pg_proxy *p, const char *data, size_t n)
{
	int armed = p->armed;

	if (armed == PROXY_WHOLE || !memmem(data, n, p->commit.name, strlen(p->commit.name)))
		return PROXY_WHOLE;
	if (!atomic_compare_exchange_strong(&p->armed, &armed, PROXY_WHOLE))
		return PROXY_WHOLE;
	p->breaks++;
	return (enum proxy_break)armed;
}

static bool send_all(int fd, const char *data, ssize_t n)
{
	for (ssize_t done = 0, k; done < n; done += k)
		if ((k = send(fd, data + done, (size_t)(n - done), MSG_NOSIGNAL)) <= 0)
			return false;
	return true;
}

/* false: the connection is over. */
static bool from_client(struct connection *c)
{
	char *came = c->data + c->kept;
	ssize_t n = recv(c->client, came, sizeof c->data - c->kept, 0);

	if (n <= 0)
		return false;
	size_t all = c->kept + (size_t)n, name = strlen(c->p->commit.name);
	enum proxy_break b = breaks_here(c->p, c->data, all);
	if (b == PROXY_BEFORE_COMMIT || !send_all(c->server, came, n))
		return false;
	if (b == PROXY_AFTER_COMMIT) /* its answer says that it has committed */
		(void)!recv(c->server, c->data, sizeof c->data, 0);
	c->kept = all < name ? all : name - 1; /* libpq sends 8 KB at a time, wherever that ends */
	memmove(c->data, c->data + all - c->kept, c->kept);
	return b == PROXY_WHOLE;
}

static void *connection_main(void *ctx)
{
	struct connection *c = ctx;
	struct pollfd p[] = { { c->client, POLLIN, 0 }, { c->server, POLLIN, 0 } };
	bool goes_on = true;

	while (goes_on && !c->p->stopping) {
		char data[65536];
		if (poll(p, 2, 100) <= 0)
			continue;
		if (p[0].revents)
			goes_on = from_client(c);
		if (!goes_on || !p[1].revents)
			continue;
		ssize_t n = recv(c->server, data, sizeof data, 0);
		goes_on = n > 0 && send_all(c->client, data, n);
	}
	close(c->client);
	close(c->server);
	free(c);
	return NULL;
}

static void *accept_main(void *ctx)
{
	struct pg_proxy *p = ctx;

	while (!p->stopping && p->n < CONNECTIONS) {
		struct pollfd wait = { p->fd, POLLIN, 0 };
		struct sockaddr_in to = loopback(p->server_port);
		if (poll(&wait, 1, 100) <= 0)
			continue;
		struct connection *c = mem_new(struct connection);
		*c = (struct connection){
			.p = p,
			.client = accept(p->fd, NULL, NULL),
			.server = socket(AF_INET, SOCK_STREAM, 0),
		};
		if (connect(c->server, (struct sockaddr *)&to, sizeof to) != 0 ||
			pthread_create(&p->connections[p->n], NULL, connection_main, c) != 0)
			abort();
		p->n++;
	}
	return NULL;
}

struct pg_proxy *proxy_start(int *ret_port)
{
	struct pg_proxy *p = mem_new(struct pg_proxy);
	struct sockaddr_in at = loopback(0);
	socklen_t len = sizeof at;

	pg_stmt_init(&p->commit, "COMMIT");
	p->server_port = atoi(getenv("TEST_POSTGRES_PORT"));
	p->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(p->fd, 64), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&at, &len), 0);
	*ret_port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&p->thread, NULL, accept_main, p), 0);
	return p;
}

void proxy_arm(struct pg_proxy *p, enum proxy_break what)
{
	p->armed = (int)what;
}

int proxy_breaks(const struct pg_proxy *p)
{
	return p->breaks;
}

void proxy_stop(struct pg_proxy *p)
{
	p->stopping = true;
	pthread_join(p->thread, NULL);
	for (size_t i = 0; i < p->n; i++)
		pthread_join(p->connections[i], NULL);
	close(p->fd);
	free(p);
}
