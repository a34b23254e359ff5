/* SPDX-License-Identifier: MIT
 *
 * The gate as a line of waiters, each with a condition of its own on its caller's stack: who leaves
 * lets in from the head as many as fit and wakes just those. The amount is booked by the one who
 * lets in, not by the one who wakes, so nobody can slip in between.
 */
#include "darkroom/admit.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>

#define CANCEL_LOOK_MS 50

struct waiter {
	int64_t amount;
	bool admitted;
	pthread_cond_t cond;
	struct waiter *next;
};

struct gate {
	pthread_mutex_t lock;
	int64_t capacity, used;
	struct waiter *head, **tail;
};

struct gate *gate_new(int64_t capacity)
{
	struct gate *g = mem_new(struct gate);
	pthread_mutex_init(&g->lock, NULL);
	g->capacity = capacity;
	g->tail = &g->head;
	return g;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	assert(!g->head);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static void admit(struct gate *g)
{
	for (struct waiter *w; (w = g->head) && w->amount <= g->capacity - g->used;) {
		g->used += w->amount;
		g->head = w->next;
		if (!g->head)
			g->tail = &g->head;
		w->admitted = true;
		pthread_cond_signal(&w->cond);
	}
}

static void leave_line(struct gate *g, struct waiter *w)
{
	struct waiter **p = &g->head;
	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	if (!*p)
		g->tail = p;
	admit(g);
}

static bool is_canceled(atomic_bool *cancel)
{
	return cancel && atomic_load(cancel);
}

enum err_code gate_enter(struct gate *g, int64_t amount, atomic_bool *cancel, struct err *e)
{
	assert(amount >= 0 && amount <= g->capacity);
	struct waiter w = { .amount = amount, .cond = PTHREAD_COND_INITIALIZER };
	pthread_mutex_lock(&g->lock);
	*g->tail = &w;
	g->tail = &w.next; /* cppcheck-suppress autoVariables ; it leaves the line before it ends */
	admit(g);
	while (!w.admitted && !is_canceled(cancel)) {
		struct timespec until = clock_deadline(CANCEL_LOOK_MS);
		pthread_cond_clockwait(&w.cond, &g->lock, CLOCK_MONOTONIC, &until);
	}
	if (!w.admitted)
		leave_line(g, &w);
	pthread_mutex_unlock(&g->lock);
	pthread_cond_destroy(&w.cond);
	return w.admitted ? OK : err_set(e, ERR_CANCELED, "canceled while waiting for its turn");
}

void gate_leave(struct gate *g, int64_t amount)
{
	pthread_mutex_lock(&g->lock);
	g->used -= amount;
	assert(g->used >= 0);
	admit(g);
	pthread_mutex_unlock(&g->lock);
}

int64_t gate_used(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	int64_t used = g->used;
	pthread_mutex_unlock(&g->lock);
	return used;
}
