/* SPDX-License-Identifier: MIT
 *
 * For this room only: an invocation's tasks, and how one goes from waiting to told.
 */
#ifndef BULB_LAMBDA_TASKS_IMPL_H
#define BULB_LAMBDA_TASKS_IMPL_H

#include "lambda/courier.h"
#include "lambda/tasks.h"

#include <pthread.h>

enum entry_state {
	ENTRY_WAITING, /* to be lent, from `until_ms` on */
	ENTRY_LENT,
	ENTRY_TELLING, /* its report is on its way */
	ENTRY_ENDED,
	ENTRY_BACK, /* taken back */
};
struct entry {
	struct batch *of;
	struct event_task task;
	enum entry_state state;
	int64_t id, lease;
	int64_t until_ms; /* wall */
	int tries, crashes;
	const char *host;
	/* Without a server a fetch goes on as the make of its own variants. */
	struct original source;
	const char *etag, *last_modified;
	int64_t download_ms; /* -1 */
	struct entry *next;
};
/* One event. */
struct batch {
	struct event event;
	struct arena *arena;
	struct courier *courier; /* NULL: no server */
	struct report_result *results;
	size_t results_n, results_cap;
	struct tasks_counts counts;
	struct batch *next;
};
struct tasks {
	struct blob *blob;
	uint8_t seal_key[32];
	char *codecs;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct batch *batches;
	struct entry *entries, **last;
	int64_t next_id, give_up_ms;
	size_t open;    /* neither ended nor taken back */
	size_t telling; /* of those */
	bool stopped, closed, interrupted;
};

/* Under the lock. */
struct entry *tasks_enter(struct tasks *t, struct batch *b, const struct event_task *task,
	enum entry_state state);
void tasks_end(struct tasks *t, struct entry *x, enum entry_state state);
const char *prefix_of(const struct batch *b); /* of keys in documents; "" or "…/" */
/* Without a server the invocation's answer holds the results. What r points to lives as long as b. */
void batch_note(struct batch *b, const struct report_result *r);
/* The task's input as the worker reads it; the caller frees. */
char *entry_input(const struct entry *x, const uint8_t seal_key[32]);

#endif
