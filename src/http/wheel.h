/* SPDX-License-Identifier: MIT
 *
 * A timer wheel: thousands of deadlines that are mostly moved before they come, for the price of
 * one ticking timer. Deadlines are rounded up to a tick. One thread at a time.
 */
#ifndef BULB_HTTP_WHEEL_H
#define BULB_HTTP_WHEEL_H

#include <stdint.h>

#define WHEEL_TICK_MS 50
#define WHEEL_SLOTS   1024

struct timer {
	struct timer *next, **link; /* link: what points here; NULL when not in a wheel */
	int64_t due_ms;
};
struct wheel {
	struct timer *slots[WHEEL_SLOTS];
	struct timer *firing;
	int64_t tick;
};

void wheel_init(struct wheel *w, int64_t now_ms);
void wheel_add(struct wheel *w, struct timer *t, int64_t due_ms); /* or move it there */
void wheel_remove(struct timer *t);                               /* fine when it is in none */
/* Take out one timer whose time has come, NULL when there is none (any more). */
struct timer *wheel_pop(struct wheel *w, int64_t now_ms);
struct timer *wheel_pop_any(struct wheel *w);
/* Call fn once for each timer; it may move any timer by wheel_add. */
void wheel_each(struct wheel *w, void (*fn)(struct timer *t, void *ctx), void *ctx);

#endif
