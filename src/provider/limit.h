/* SPDX-License-Identifier: MIT
 *
 * When the next picture may go: so many megapixels a minute, and not before the provider asked to
 * be called again. One caller at a time stands at the gate; what waits behind it waits for it.
 * Times are on the caller's clock. Thread-safe. Private to provider.
 */
#ifndef BULB_PROVIDER_LIMIT_H
#define BULB_PROVIDER_LIMIT_H

#include "base/err.h"

#include <pthread.h>
#include <stdatomic.h>

#define LIMIT_WAIT_MAX_MS 60000 /* that a caller waits because the provider asked */
#define LIMIT_LOOK_MS     100   /* at most so long between two looks at cancel */

struct limit {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	int64_t (*clock_ms)(void);
	double ms_per_megapixel; /* 0: no limit */
	double settled_ms;       /* by then the bucket is full again */
	int64_t not_before_ms;   /* the provider's wish */
	bool taken;              /* somebody stands at the gate */
};
void limit_init(struct limit *l, double megapixels_per_minute, int64_t (*clock_ms)(void));
void limit_done(struct limit *l);

/* Wait until the picture may go, and stand at the gate: limit_leave in any case after OK.
 * ERR_CANCELED; ERR_MATTE_PROVIDER when the provider wants to be left alone for longer than
 * LIMIT_WAIT_MAX_MS, e->retry_after_ms says how long. */
enum err_code limit_enter(struct limit *l, double megapixels, atomic_bool *cancel, struct err *e)
	MUST_CHECK;
/* The next may come to the gate. went: the picture is sent and counts. */
void limit_leave(struct limit *l, double megapixels, bool went);
/* How long a picture waits for tokens and the provider's wish, nobody else being about. */
int64_t limit_ms_to_wait(const struct limit *l, double megapixels, int64_t now_ms);
/* Nobody goes before so long from now. */
void limit_hold(struct limit *l, int64_t ms);

#endif
