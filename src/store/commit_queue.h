/* SPDX-License-Identifier: MIT
 *
 * The way into a commit: callers queue an operation each and wait; whoever commits takes what has
 * queued up, and answers it. Used by every store that has committing threads of its own.
 */
#ifndef BULB_STORE_COMMIT_QUEUE_H
#define BULB_STORE_COMMIT_QUEUE_H

#include "store/tx.h"

#include <pthread.h>
#include <semaphore.h>

/* An operation that its caller waits for; it lives on the caller's stack. */
struct op {
	struct op *next;
	tx_fn fn;
	void *arg;
	struct tx tx;
	enum err_code code;
	struct err *e;
	sem_t done;
	/* Of stores that many processes share: */
	bool again;     /* undone, and to be run in another transaction, */
	int tries;      /* for the so-many-th time, */
	int64_t *locks; /* with these jobs locked first: heap, ascending */
	size_t locks_n;
};
struct commit_queue {
	pthread_mutex_t lock;
	pthread_cond_t queued;
	struct op *head, **tail;
	size_t queued_n;
	size_t under_way; /* callers that are not back yet */
	bool stopping;
};
void commit_queue_init(struct commit_queue *q);
void commit_queue_done(struct commit_queue *q);

/* The caller's side: blocks until the operation is answered. */
enum err_code commit_queue_run(struct commit_queue *q, tx_fn fn, void *arg, struct err *e);

/* The committing thread's side. Blocks; at most `max` operations. NULL: the queue was stopped and
 * every caller is back. gather: where there are several callers, wait a moment for the others. */
struct op *commit_queue_take(struct commit_queue *q, size_t max, bool gather);
/* What was taken was committed (OK), or nothing of it was (code, with e's text). Those with `again`
 * go back to the head of the queue. */
void commit_queue_answer(struct commit_queue *q, struct op *batch, enum err_code code,
	const struct err *e);
void commit_queue_stop(struct commit_queue *q); /* the threads end when all callers are back */

#endif
