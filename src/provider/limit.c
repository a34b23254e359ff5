/* SPDX-License-Identifier: MIT
 *
 * A token bucket kept as one number, the time when it will be full again. It holds a tenth of a
 * minute's allowance and fills with nine tenths a minute, so that no minute, whenever it begins,
 * sees more than the whole. A picture larger than the bucket goes when the bucket is full, alone,
 * and leaves a debt that those behind it wait for.
 *
 * Tokens are taken when a picture goes, not when it comes to the gate: one that the ledger stops
 * there has used nothing.
 */
#include "provider/limit.h"

#include "base/clock.h"

#define MINUTE_MS 60000
#define BURST     0.1

static const double bucket_ms = MINUTE_MS * BURST / (1 - BURST);

void limit_init(struct limit *l, double megapixels_per_minute, int64_t (*clock_ms)(void))
{
	*l = (struct limit){ .clock_ms = clock_ms };
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->moved, NULL);
	if (megapixels_per_minute > 0)
		l->ms_per_megapixel = MINUTE_MS / (megapixels_per_minute * (1 - BURST));
}

void limit_done(struct limit *l)
{
	pthread_cond_destroy(&l->moved);
	pthread_mutex_destroy(&l->lock);
}

int64_t limit_ms_to_wait(const struct limit *l, double megapixels, int64_t now)
{
	double cost = megapixels * l->ms_per_megapixel;
	double at = l->settled_ms + (cost < bucket_ms ? cost : bucket_ms) - bucket_ms;
	int64_t wait = at > (double)now ? (int64_t)(at - (double)now + 0.999) : 0; /* rounded up */
	int64_t held = l->not_before_ms - now;
	return held > wait ? held : wait;
}

static void look_again_in(struct limit *l, int64_t ms)
{
	struct timespec t = clock_deadline(ms < LIMIT_LOOK_MS ? ms : LIMIT_LOOK_MS);
	pthread_cond_clockwait(&l->moved, &l->lock, CLOCK_MONOTONIC, &t);
}

/* With the lock held. */
static enum err_code wait_for_turn(struct limit *l, double megapixels, atomic_bool *cancel,
	struct err *e)
{
	for (;;) {
		int64_t now = l->clock_ms();
		int64_t held = l->not_before_ms - now;
		int64_t wait = l->taken ? LIMIT_LOOK_MS : limit_ms_to_wait(l, megapixels, now);
		if (cancel != NULL && atomic_load(cancel))
			return err_set(e, ERR_CANCELED, "canceled before the provider was asked");
		if (held > LIMIT_WAIT_MAX_MS) {
			enum err_code rc = err_set(e, ERR_MATTE_PROVIDER,
				"the provider asked not to be called for another %lld s",
				(long long)(held / 1000));
			if (e != NULL)
				e->retry_after_ms = held;
			return rc;
		}
		if (wait <= 0)
			return OK;
		look_again_in(l, wait);
	}
}

enum err_code limit_enter(struct limit *l, double megapixels, atomic_bool *cancel, struct err *e)
{
	pthread_mutex_lock(&l->lock);
	enum err_code rc = wait_for_turn(l, megapixels, cancel, e);
	if (rc == OK)
		l->taken = true;
	pthread_mutex_unlock(&l->lock);
	return rc;
}

void limit_leave(struct limit *l, double megapixels, bool went)
{
	pthread_mutex_lock(&l->lock);
	double now = (double)l->clock_ms();
	if (went && now > l->settled_ms)
		l->settled_ms = now;
	if (went)
		l->settled_ms += megapixels * l->ms_per_megapixel;
	l->taken = false;
	pthread_cond_broadcast(&l->moved);
	pthread_mutex_unlock(&l->lock);
}

void limit_hold(struct limit *l, int64_t ms)
{
	pthread_mutex_lock(&l->lock);
	int64_t until = l->clock_ms() + ms;
	if (until > l->not_before_ms)
		l->not_before_ms = until;
	pthread_mutex_unlock(&l->lock);
}
