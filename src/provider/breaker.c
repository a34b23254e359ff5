/* SPDX-License-Identifier: MIT
 *
 * A provider that fails again and again is left alone for a while: each call would cost its timeout
 * and, where the answer is lost, perhaps its price. When the time is over one call finds out; if it
 * fails too the time doubles.
 */
#include "provider/breaker.h"

void breaker_init(struct breaker *b, int failures_max, int64_t period_ms)
{
	*b = (struct breaker){ .failures_max = failures_max, .period_ms = period_ms };
	pthread_mutex_init(&b->lock, NULL);
}

void breaker_done(struct breaker *b)
{
	pthread_mutex_destroy(&b->lock);
}

/* How long a call would be refused for; 0: it would not. With the lock held. */
static int64_t refused_for(const struct breaker *b, int64_t now_ms)
{
	if (b->until_ms == 0)
		return 0;
	if (now_ms < b->until_ms)
		return b->until_ms - now_ms;
	return b->probing ? BREAKER_PROBE_MS : 0;
}

enum breaker_pass breaker_enter(struct breaker *b, int64_t now_ms, int64_t *ret_wait_ms)
{
	pthread_mutex_lock(&b->lock);
	enum breaker_pass pass = b->until_ms == 0 ? BREAKER_CLOSED : BREAKER_PROBE;
	int64_t wait = refused_for(b, now_ms);
	if (wait > 0) {
		pass = BREAKER_OPEN;
		*ret_wait_ms = wait;
	} else if (pass == BREAKER_PROBE) {
		b->probing = true;
	}
	pthread_mutex_unlock(&b->lock);
	return pass;
}

static void close_it(struct breaker *b)
{
	b->failures = b->openings = 0;
	b->until_ms = 0;
}

static void open_it(struct breaker *b, int64_t now_ms)
{
	int doublings = b->openings < BREAKER_DOUBLINGS_MAX ? b->openings : BREAKER_DOUBLINGS_MAX;
	b->until_ms = now_ms + (b->period_ms << doublings);
	b->openings++;
}

void breaker_leave(struct breaker *b, enum breaker_pass pass, enum breaker_news news,
	int64_t now_ms)
{
	pthread_mutex_lock(&b->lock);
	if (pass == BREAKER_PROBE)
		b->probing = false;
	if (news == BREAKER_GOOD)
		close_it(b);
	else if (news == BREAKER_BAD && b->failures < INT32_MAX)
		b->failures++;
	/* Calls that were under way when it opened are no further reason to. */
	bool news_of_now = pass == BREAKER_PROBE || b->until_ms == 0;
	if (news == BREAKER_BAD && news_of_now && b->failures_max > 0 &&
		b->failures >= b->failures_max)
		open_it(b, now_ms);
	pthread_mutex_unlock(&b->lock);
}

bool breaker_is_open(struct breaker *b, int64_t now_ms, int64_t *ret_wait_ms)
{
	pthread_mutex_lock(&b->lock);
	*ret_wait_ms = refused_for(b, now_ms);
	pthread_mutex_unlock(&b->lock);
	return *ret_wait_ms > 0;
}
