/* SPDX-License-Identifier: MIT
 *
 * The rates of a tenant: how fast it may submit.
 */
#ifndef BULB_API_RATES_H
#define BULB_API_RATES_H

#include "job/limits.h"

#include <stdint.h>

#define RATES 2 /* the first limits: LIMIT_JOBS_SECOND, LIMIT_URLS_SECOND */

/* All zero: never used, and full. */
struct rate_bucket {
	double left;
	int64_t at_us; /* monotonic */
};
/* The state of a rate after a submit, in jobs or URLs and seconds. */
struct rate {
	int64_t capacity, left, window_s; /* capacity 0: not limited */
	int64_t wait_s;                   /* until one would be let through, 1 at least */
	int64_t full_s;                   /* until all of it is there again */
};
/* Take a submit of so many URLs. The limit that stands in the way, or LIMIT_COUNT; then nothing was
 * taken. Entries of ret for what is not limited are left alone. */
enum limit rates_take(struct rate_bucket b[RATES], const struct limits *l, int64_t urls,
	struct rate ret[RATES]);

#endif
