/* SPDX-License-Identifier: MIT
 *
 * Operations on their way into a commit.
 */
#include "store/commit_queue.h"

#include "base/metrics.h"

#include <stdlib.h>
#include <unistd.h>

#define GATHER_STEP_US 200 /* several callers: as long as each step brings another … */
#define GATHER_STEPS   8   /* … and no longer */

void commit_queue_init(struct commit_queue *q)
{
	*q = (struct commit_queue){ 0 };
	q->tail = &q->head;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->queued, NULL);
}

void commit_queue_done(struct commit_queue *q)
{
	pthread_cond_destroy(&q->queued);
	pthread_mutex_destroy(&q->lock);
}

void commit_queue_stop(struct commit_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->stopping = true;
	pthread_cond_broadcast(&q->queued);
	pthread_mutex_unlock(&q->lock);
}

/* ---- callers ---- */

static void enter(struct commit_queue *q, struct op *op)
{
	pthread_mutex_lock(&q->lock);
	*q->tail = op;
	q->tail = &op->next;
	q->queued_n++;
	q->under_way++;
	pthread_cond_signal(&q->queued);
	pthread_mutex_unlock(&q->lock);
}

static void leave(struct commit_queue *q)
{
	pthread_mutex_lock(&q->lock);
	if (--q->under_way == 0 && q->stopping)
		pthread_cond_broadcast(&q->queued);
	pthread_mutex_unlock(&q->lock);
}

enum err_code commit_queue_run(struct commit_queue *q, tx_fn fn, void *arg, struct err *e)
{
	struct op op = { .fn = fn, .arg = arg, .e = e };

	sem_init(&op.done, 0, 0);
	enter(q, &op);
	while (sem_wait(&op.done) != 0)
		;
	sem_destroy(&op.done);
	tx_done(&op.tx);
	free(op.locks);
	leave(q);
	return op.code;
}

/* ---- committing threads ---- */

/* Called with the lock held. One caller alone waits for nobody. */
static void wait_for_others(struct commit_queue *q)
{
	size_t before = 1;

	for (int i = 0; i < GATHER_STEPS && q->queued_n > before && !q->stopping; i++) {
		before = q->queued_n;
		pthread_mutex_unlock(&q->lock);
		usleep(GATHER_STEP_US);
		pthread_mutex_lock(&q->lock);
	}
}

/* Called with the lock held. */
static struct op *cut_off(struct commit_queue *q, size_t max)
{
	struct op *batch = q->head, **end = &q->head;

	for (size_t n = 0; *end && n < max; n++) {
		end = &(*end)->next;
		q->queued_n--;
	}
	q->head = *end;
	*end = NULL;
	if (!q->head)
		q->tail = &q->head;
	return batch;
}

struct op *commit_queue_take(struct commit_queue *q, size_t max, bool gather)
{
	struct op *batch = NULL;

	pthread_mutex_lock(&q->lock);
	while (!q->head && (q->under_way > 0 || !q->stopping))
		pthread_cond_wait(&q->queued, &q->lock);
	if (q->head && gather)
		wait_for_others(q);
	if (q->head)
		batch = cut_off(q, max);
	pthread_mutex_unlock(&q->lock);
	return batch;
}

/* Before all others: it has waited once. */
static void put_back(struct commit_queue *q, struct op *op)
{
	tx_done(&op->tx);
	pthread_mutex_lock(&q->lock);
	op->next = q->head;
	if (!q->head)
		q->tail = &op->next;
	q->head = op;
	q->queued_n++;
	pthread_cond_signal(&q->queued);
	pthread_mutex_unlock(&q->lock);
}

void commit_queue_answer(struct commit_queue *q, struct op *batch, enum err_code code,
	const struct err *e)
{
	double n = 0;

	for (struct op *op = batch, *next; op; op = next) {
		next = op->next; /* op belongs to its caller again once it is answered */
		if (code == OK && op->again) {
			put_back(q, op);
			continue;
		}
		n++;
		if (code != OK)
			op->code = err_set(op->e, code, "%s", e->text);
		else if (op->code == OK)
			tx_tell(&op->tx);
		sem_post(&op->done);
	}
	metric_add(METRIC_OPERATIONS, n, NULL, NULL, NULL);
}
