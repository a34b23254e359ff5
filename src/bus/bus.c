/* SPDX-License-Identifier: MIT
 *
 * The local bus: who listens stands in a list, and the publisher calls them one after the other. A
 * remote bus is this one too, for its own process: its hints do not wait for a network.
 *
 * There is no queue and no thread here, because hints may be lost and listeners must not block: a
 * listener sets a flag and wakes its own loop. Publishers hold the lock for reading only, so lanes
 * that publish at the same moment do not wait for each other.
 */
#include "bus/bus_impl.h"

#include "base/mem.h"

#include <pthread.h>
#include <string.h>

struct subscriber {
	void (*fn)(void *ctx, const struct bus_hint *h);
	void *ctx;
};
struct bus {
	pthread_rwlock_t lock;
	struct subscriber *list;
	size_t n;
	struct bus_remote *remote; /* NULL: local */
};

static const struct {
	const char *scheme;
	const struct bus_carrier *carrier;
} carriers[] = {
	{ "nats:", &bus_nats },
	{ "tls:", &bus_nats },
	{ "postgres:", &bus_pg },
	{ "postgresql:", &bus_pg },
};

static const struct bus_carrier *find_carrier(const char *url)
{
	for (size_t i = 0; i < ARRAY_LEN(carriers); i++)
		if (strncmp(url, carriers[i].scheme, strlen(carriers[i].scheme)) == 0)
			return carriers[i].carrier;
	return NULL;
}

enum err_code bus_open(const struct bus_opts *o, struct bus **ret, struct err *e)
{
	const struct bus_carrier *c = find_carrier(o->url);
	if (!c && strcmp(o->url, "local:") != 0)
		return err_set(e, ERR_USAGE,
			"--bus '%.*s:…': none of local:, postgres: and nats://HOST",
			(int)strcspn(o->url, ":"), o->url);
	struct bus *b = mem_new(struct bus);
	pthread_rwlock_init(&b->lock, NULL);
	if (c && bus_remote_new(c, o, b, &b->remote, e) != OK) {
		bus_free(b);
		return e->code;
	}
	*ret = b;
	return OK;
}

void bus_free(struct bus *b)
{
	if (b == NULL)
		return;
	bus_remote_free(b->remote);
	pthread_rwlock_destroy(&b->lock);
	free(b->list);
	free(b);
}

bool bus_is_remote(const struct bus *b)
{
	return b->remote != NULL;
}

enum err_code bus_wait_up(struct bus *b, int64_t ms, struct err *e)
{
	return b->remote ? bus_remote_wait_up(b->remote, ms, e) : OK;
}

void bus_deliver(struct bus *b, const struct bus_hint *h)
{
	pthread_rwlock_rdlock(&b->lock);
	for (size_t i = 0; i < b->n; i++)
		b->list[i].fn(b->list[i].ctx, h);
	pthread_rwlock_unlock(&b->lock);
}

void bus_publish(struct bus *b, const struct bus_hint *h)
{
	bus_deliver(b, h);
	if (b->remote)
		bus_remote_publish(b->remote, h);
}

void bus_subscribe(struct bus *b, void (*fn)(void *ctx, const struct bus_hint *h), void *ctx)
{
	pthread_rwlock_wrlock(&b->lock);
	b->list = mem_realloc(b->list, b->n + 1, sizeof(*b->list));
	b->list[b->n++] = (struct subscriber){ .fn = fn, .ctx = ctx };
	pthread_rwlock_unlock(&b->lock);
}
