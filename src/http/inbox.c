/* SPDX-License-Identifier: MIT
 *
 * A lock instead of a lock-free list: it is held for a few instructions, and it lets `closed` and
 * the wake-up be decided in the same place, so that a stream which is woken while the server ends
 * never reaches a loop that is gone.
 */
#include "http/inbox.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>

struct inbox {
	pthread_mutex_t lock;
	_Atomic unsigned refs;
	struct post *head, **end;
	bool closed;
	void (*wake)(void *ctx);
	void *ctx;
};

struct inbox *inbox_new(void (*wake)(void *ctx), void *ctx)
{
	struct inbox *b = mem_new(struct inbox);
	pthread_mutex_init(&b->lock, NULL);
	b->refs = 1;
	b->end = &b->head;
	b->wake = wake;
	b->ctx = ctx;
	return b;
}

struct inbox *inbox_ref(struct inbox *b)
{
	atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void inbox_unref(struct inbox *b)
{
	if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_destroy(&b->lock);
	free(b);
}

bool inbox_post(struct inbox *b, struct post *p)
{
	pthread_mutex_lock(&b->lock);
	bool open = !b->closed;
	if (open) {
		bool was_empty = !b->head;
		p->next = NULL;
		*b->end = p;
		b->end = &p->next;
		if (was_empty)
			b->wake(b->ctx);
	}
	pthread_mutex_unlock(&b->lock);
	return open;
}

void inbox_run(struct inbox *b)
{
	pthread_mutex_lock(&b->lock);
	struct post *p = b->head;
	b->head = NULL;
	b->end = &b->head;
	pthread_mutex_unlock(&b->lock);
	while (p) {
		struct post *next = p->next; /* fn may free p or post it again */
		p->fn(p);
		p = next;
	}
}

void inbox_close(struct inbox *b)
{
	pthread_mutex_lock(&b->lock);
	b->closed = true;
	pthread_mutex_unlock(&b->lock);
}
