/* SPDX-License-Identifier: MIT
 *
 * Token buckets. One that has anything left lets a submit through, whatever its size, and is in debt
 * afterwards: a job larger than the bucket is possible, and in the long run the rate holds.
 */
#include "api/rates.h"

#include "base/clock.h"

#include <stdbool.h>

#define BURST_S 10 /* of its rate that a bucket holds */

static double rate_of(const struct limits *l, size_t i)
{
	return (double)l->most[i] / 1000;
}

static double capacity_of(const struct limits *l, size_t i)
{
	double n = rate_of(l, i) * BURST_S;

	return n < 1 ? 1 : n;
}

static void refill(struct rate_bucket *b, const struct limits *l, size_t i, int64_t now_us)
{
	double most = capacity_of(l, i);

	b->left += (double)(now_us - b->at_us) / 1e6 * rate_of(l, i);
	if (!b->at_us || b->left > most)
		b->left = most;
	b->at_us = now_us;
}

static int64_t seconds_up(double s)
{
	int64_t whole = (int64_t)s;

	return s > (double)whole ? whole + 1 : whole;
}

static struct rate state_of(const struct rate_bucket *b, const struct limits *l, size_t i)
{
	double left = b->left, most = capacity_of(l, i), rate = rate_of(l, i);
	int64_t wait = seconds_up((1 - left) / rate);

	return (struct rate){ .capacity = (int64_t)most,
		.left = left > 0 ? (int64_t)left : 0,
		.window_s = seconds_up(most / rate),
		.wait_s = wait > 1 ? wait : 1,
		.full_s = seconds_up((most - left) / rate) };
}

enum limit rates_take(struct rate_bucket b[RATES], const struct limits *l, int64_t urls,
	struct rate ret[RATES])
{
	const double wants[RATES] = { [LIMIT_JOBS_SECOND] = 1, [LIMIT_URLS_SECOND] = (double)urls };
	int64_t now_us = clock_mono_us();
	enum limit over = LIMIT_COUNT;

	for (size_t i = 0; i < RATES; i++) {
		if (l->most[i] < 0)
			continue;
		refill(&b[i], l, i, now_us);
		if (b[i].left < 1 && over == LIMIT_COUNT)
			over = (enum limit)i;
	}
	for (size_t i = 0; i < RATES; i++) {
		if (l->most[i] < 0)
			continue;
		if (over == LIMIT_COUNT)
			b[i].left -= wants[i];
		ret[i] = state_of(&b[i], l, i);
	}
	return over;
}
