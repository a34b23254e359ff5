/* SPDX-License-Identifier: MIT
 *
 * The local bus: who listens stands in a list, and the publisher calls them one after the other.
 *
 * There is no queue and no thread, because hints may be lost and listeners must not block: a
 * listener sets a flag and wakes its own loop. Publishers hold the lock for reading only, so lanes
 * that publish at the same moment do not wait for each other.
 */
#include "bus/bus.h"

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
};

enum err_code bus_open(const char *url, struct bus **ret, struct err *e)
{
	if (strcmp(url, "local:") != 0)
		return err_set(e, ERR_USAGE, "--bus '%s': this bulb has 'local:' only", url);
	struct bus *b = mem_new(struct bus);
	pthread_rwlock_init(&b->lock, NULL);
	*ret = b;
	return OK;
}

void bus_free(struct bus *b)
{
	if (b == NULL)
		return;
	pthread_rwlock_destroy(&b->lock);
	free(b->list);
	free(b);
}

void bus_publish(struct bus *b, const struct bus_hint *h)
{
	pthread_rwlock_rdlock(&b->lock);
	for (size_t i = 0; i < b->n; i++)
		b->list[i].fn(b->list[i].ctx, h);
	pthread_rwlock_unlock(&b->lock);
}

void bus_subscribe(struct bus *b, void (*fn)(void *ctx, const struct bus_hint *h), void *ctx)
{
	pthread_rwlock_wrlock(&b->lock);
	b->list = mem_realloc(b->list, b->n + 1, sizeof(*b->list));
	b->list[b->n++] = (struct subscriber){ .fn = fn, .ctx = ctx };
	pthread_rwlock_unlock(&b->lock);
}
