/* SPDX-License-Identifier: MIT
 *
 * Whether it makes sense to call at all. Times are the caller's. Thread-safe. Private to provider.
 */
#ifndef BULB_PROVIDER_BREAKER_H
#define BULB_PROVIDER_BREAKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define BREAKER_DOUBLINGS_MAX 4 /* 16 times as long */
#define BREAKER_PROBE_MS      1000

struct breaker {
	pthread_mutex_t lock;
	int failures_max; /* 0: it never opens */
	int64_t period_ms;
	int failures;     /* in a row */
	int openings;     /* in a row */
	int64_t until_ms; /* open; 0: closed */
	bool probing;     /* one call finds out whether it may close */
};
void breaker_init(struct breaker *b, int failures_max, int64_t period_ms);
void breaker_done(struct breaker *b);

enum breaker_pass {
	BREAKER_CLOSED, /* go */
	BREAKER_PROBE,  /* go, and the answer decides */
	BREAKER_OPEN,
};
enum breaker_news {
	BREAKER_GOOD, /* it answers */
	BREAKER_BAD,
	BREAKER_NONE, /* it was not called */
};
/* BREAKER_OPEN: *ret_wait_ms says when to ask again. Otherwise breaker_leave in any case. */
enum breaker_pass breaker_enter(struct breaker *b, int64_t now_ms, int64_t *ret_wait_ms);
void breaker_leave(struct breaker *b, enum breaker_pass pass, enum breaker_news news,
	int64_t now_ms);
/* Whether breaker_enter would say BREAKER_OPEN, and the same time to wait. */
bool breaker_is_open(struct breaker *b, int64_t now_ms, int64_t *ret_wait_ms);

#endif
