/* SPDX-License-Identifier: MIT
 *
 * A function on AWS Lambda between its invocations: what is opened once and used again while the
 * environment is warm. One invocation at a time.
 */
#ifndef BULB_APP_FUNCTION_H
#define BULB_APP_FUNCTION_H

#include "app/engine.h"
#include "base/json.h"
#include "lambda/forward.h"
#include "lambda/invoke.h"
#include "lambda/runtime.h"
#include "lambda/tasks.h"

#include <pthread.h>

struct function {
	const struct conf *conf;
	struct runtime *runtime;
	struct server *server;   /* NULL: jobs are worked off here */
	struct invoker *invoker; /* NULL: not needed yet */
	struct engine engine;
	bool is_open; /* the engine */
	/* Of tasks: a worker with a feed of its own, where the last event's keys are. */
	char *place, *region; /* URL of the blobs; NULL: none yet */
	char **environment;   /* with that region; or NULL */
	struct blob *blob;    /* of place; the engine's where that is the same */
	struct tasks *tasks;
	struct worker *worker;
	/* Told by other threads. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int64_t job_no, newest; /* the batch that is waited for, and its last event */
	bool busy, stopping;
};

/* When the work of an invocation ends, monotonic; INT64_MAX where no deadline is known. */
struct function_times {
	int64_t soft; /* nothing is begun any more */
	int64_t hard; /* what runs is given up, and what is left handed on */
	int64_t last; /* the answer has to be on its way */
};
struct function_times function_times(const struct invocation *inv);

/* Opens the engine at the first call, with its blobs at the URL of the settings, or else at this one.
 * ERR_USAGE: neither says where. */
enum err_code function_open(struct function *f, const char *blob_url, struct err *e) MUST_CHECK;
/* Ends what is open. */
void function_close(struct function *f);
/* The environment ends: whatever waits for work hands the rest on. Any thread. */
void function_interrupt(struct function *f);
bool function_is_stopping(struct function *f);
/* Ask Lambda to invoke us once more, with this event. */
enum err_code function_continue(struct function *f, const json_t *event, const char *id,
	struct err *e) MUST_CHECK;

/* function_tasks.c: events of {"tasks": …} shape, side by side as far as their blobs are in one
 * place. */
struct task_event {
	const json_t *event;
	struct err why; /* it makes no sense, or could not be begun */
	struct tasks_counts counts;
	json_t *rest;    /* what is left to do, as an event; NULL: nothing */
	json_t *results; /* where no server is told; NULL else */
	bool begun;
	size_t no;
};
void function_tasks(struct function *f, const struct invocation *inv, struct task_event *v,
	size_t n);
void task_events_done(struct task_event *v, size_t n);
/* One such event that came by itself: what is left goes to another invocation. */
enum err_code function_task_event(struct function *f, const struct invocation *inv,
	const json_t *event, json_t **ret, struct err *e) MUST_CHECK;

/* function_batch.c: a job that no server knows, worked off into the bucket. job NULL: one that was
 * begun before. *ret is its manifest, and *ret_short says where that lies; not done yet: both say how
 * far it is, and *ret_rest is the event that goes on with it, else NULL. ERR_REQUEST_*. */
enum err_code function_batch(struct function *f, const struct invocation *inv, const char *id,
	const json_t *job, json_t **ret, json_t **ret_short, json_t **ret_rest, struct err *e)
	MUST_CHECK;

#endif
