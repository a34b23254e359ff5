/* SPDX-License-Identifier: MIT
 *
 * Sends tasks to functions: claims what is ready, cuts it into chunks, and invokes a function with each,
 * asynchronously. What comes of it is reported to a server (room results), and a lease that ends
 * without a word lends the task anew. Nothing is kept here but how many are under way at most: the
 * store knows which.
 */
#ifndef BULB_DISPATCH_DISPATCH_H
#define BULB_DISPATCH_DISPATCH_H

#include "job/report.h"
#include "job/task.h"

/* A task that is lent to a function. */
struct flying {
	struct task_name name;
	int64_t until_ms;
	const char *host;  /* of a fetch; NULL else */
	const char *owner; /* the invocation */
};
/* Where tasks come from. Every call may block; thread-safe. */
struct dispatch_feed {
	void *ctx;
	/* As in struct feed. */
	enum err_code (*plan)(void *ctx, size_t lanes, bool *ret_more, struct err *e);
	enum err_code (*tick)(void *ctx, int64_t *ret_next_ms, struct err *e);
	enum err_code (*claim)(void *ctx, const struct claim *c, struct arena *a, struct task **ret,
		size_t *ret_n, struct err *e);
	/* Put back untouched until a time. A lease that has moved on is no error. */
	enum err_code (
		*later)(void *ctx, const struct task_name *name, int64_t until_ms, struct err *e);
	/* An attempt at it failed with `why`: another one later, but not for ever. */
	enum err_code (*failed)(void *ctx, const struct task_name *name, const struct err *why,
		struct err *e);
	/* Give those still held to this owner for so long from now. */
	enum err_code (*hand)(void *ctx, const struct task_name *names, size_t n, const char *owner,
		int64_t lease_ms, struct err *e);
	/* What a function is told of it; *ret_held false: it has moved on. */
	enum err_code (*describe)(void *ctx, const struct task_name *name, int64_t deadline_ms,
		struct arena *a, struct event_task *ret, bool *ret_held, struct err *e);
	/* All that functions hold, by whomever they were sent, the lease that ends next first. */
	enum err_code (*flying)(void *ctx, struct arena *a, struct flying **ret, size_t *ret_n,
		struct err *e);
	/* Reports that were left where nobody answered: of one lease, and all. */
	enum err_code (*find)(void *ctx, const struct task_name *name, struct err *e);
	enum err_code (*collect)(void *ctx, struct err *e);
};

struct dispatch;
struct dispatch_opts {
	struct dispatch_feed feed;
	const char *function;                 /* name, name:version or ARN; copied */
	char *const *environment;             /* AWS_*; outlives it */
	const char *report_url;               /* copied */
	const char *bucket, *region, *prefix; /* where blobs go; outlive it */
	const char *owner;                    /* what owners' names begin with; a literal */
	int64_t lease_ms;                     /* how long a function has */
	size_t concurrency, batch;            /* invocations under way; tasks of one */
	size_t per_host;                      /* tasks of one host under way; 0: no limit */
	int64_t poll_ms;                      /* longest sleep without a hint */
};
/* ERR_USAGE: no region. */
enum err_code dispatch_new(const struct dispatch_opts *o, struct dispatch **ret, struct err *e)
	MUST_CHECK;
void dispatch_wake(struct dispatch *d); /* a hint: there may be work, or room; any thread */
void dispatch_stop(
	struct dispatch *d); /* sends nothing new; what is under way goes on without us */
void dispatch_free(struct dispatch *d); /* NULL is fine */

#endif
