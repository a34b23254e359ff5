/* SPDX-License-Identifier: MIT
 *
 * Garbage is collected beside a running server, on a thread of its own.
 */
#ifndef BULB_APP_GC_TIMER_H
#define BULB_APP_GC_TIMER_H

#include "blob/blob.h"
#include "results/results.h"
#include "store/store.h"

struct gc_timer;
/* A first time after first_ms and then every every_ms; a run that fails is logged. NULL when there
 * is no thread to be had. */
struct gc_timer *gc_timer_new(struct store *s, struct blob *b, struct results *r, int64_t first_ms,
	int64_t every_ms);
void gc_timer_free(struct gc_timer *t); /* waits for a run under way; NULL is fine */
/* For the first: soon after the start, because a server that is restarted often may never live for
 * every_ms, and not at once, nor many servers at the same moment. */
int64_t gc_first_ms(int64_t every_ms);

#endif
