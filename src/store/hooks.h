/* SPDX-License-Identifier: MIT
 *
 * Webhooks, as the store remembers them. A hook is a reader with a position in its job's log: what the
 * job wants told becomes a delivery, one an event, made behind the job's back by whoever follows
 * (store_hooks_follow), so that nothing waits for it. A delivery is lent to who tries it; the newest
 * lease writes, and one that vanished is followed by another: an event is sent at least once.
 *
 * As in store.h: every call may block and is thread-safe, rows live in the caller's arena, and
 * ERR_STORE_UNAVAILABLE may always come.
 */
#ifndef BULB_STORE_HOOKS_H
#define BULB_STORE_HOOKS_H

#include "store/store.h"

/* In the store: never renumber. */
enum delivery_state {
	DELIVERY_PENDING = 0,
	DELIVERY_SUCCEEDED = 1,
	DELIVERY_FAILED = 2,  /* given up */
	DELIVERY_DISABLED = 3 /* its hook answered 410 */
};
struct delivery {
	int64_t no, tenant, job_no;
	const char *job; /* public id */
	int64_t seq;     /* of the event */
	enum event_type type;
	const char *url, *host;
	enum delivery_state state;
	bool lent;       /* it is being tried */
	int tries;       /* that ended, all in all, */
	int step;        /* and since it was asked for the last time */
	int64_t next_ms; /* of a pending one that is not lent */
	int64_t lease;
	int64_t created_ms, last_ms; /* last_ms: of the last try; 0: none */
	int status;                  /* that it was answered with; 0: no answer */
	const char *detail;          /* what was wrong, or NULL */
	const struct job_row *of;    /* the job; of store_deliveries_claim only */
};

/* Is there anything to follow, and when is the next delivery due (INT64_MAX: none is pending)? Reads only. */
enum err_code store_hooks_look(struct store *s, bool *ret_behind, int64_t *ret_next_ms,
	struct err *e) MUST_CHECK;
/* Make deliveries of some of the events that hooks have not seen. *ret_more: there are others. */
enum err_code store_hooks_follow(struct store *s, bool *ret_more, struct err *e) MUST_CHECK;

#define DELIVERY_HOST_MAX 300
/* How many are being tried at a host at this moment, by the caller. */
struct delivery_host {
	char host[DELIVERY_HOST_MAX];
	size_t n;
};
struct delivery_claim {
	size_t max;
	size_t per_host; /* at most so many at one host, those under way included */
	const struct delivery_host *busy;
	size_t busy_n;
	const char *after; /* hosts take turns: the first one looked at comes after this; "": any */
	int64_t lease_ms;
};
/* Lend what is due, host by host, so that a slow one with much to come keeps nobody waiting. */
enum err_code store_deliveries_claim(struct store *s, const struct delivery_claim *c,
	struct arena *a, struct delivery **ret, size_t *ret_n, struct err *e) MUST_CHECK;

/* What became of a try. */
struct delivery_end {
	int64_t no, job_no, lease;
	enum delivery_state state; /* DELIVERY_DISABLED: all of this hook that are pending, too */
	int64_t wait_ms;           /* of DELIVERY_PENDING: until the next */
	bool untried;              /* given back: nothing was sent */
	int status;                /* 0: no answer */
	const char *detail;        /* or NULL */
};
/* Nothing, where the lease has moved on. */
enum err_code store_delivery_end(struct store *s, const struct delivery_end *d, struct err *e)
	MUST_CHECK;

struct delivery_query {
	int64_t tenant;
	int state;         /* enum delivery_state or -1 */
	const char *job;   /* public id, or NULL */
	int64_t before_no; /* 0: from the newest */
	size_t max;
};
enum err_code store_deliveries(struct store *s, const struct delivery_query *q, struct arena *a,
	struct delivery **ret, size_t *ret_n, struct err *e) MUST_CHECK;
/* Due now, from the first pause on, whatever became of it; a hook that was disabled goes on from where it
 * stopped. ERR_NOT_FOUND. */
enum err_code store_redeliver(struct store *s, int64_t tenant, const char *job, int64_t seq,
	struct arena *a, struct delivery **ret, struct err *e) MUST_CHECK;

#endif
