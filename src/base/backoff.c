/* SPDX-License-Identifier: MIT */
#include "base/backoff.h"

#include "base/id.h"

#define BACKOFF_MAX_MS ((int64_t)60 * 1000)

int64_t backoff_ms(int64_t base, int n)
{
	int64_t ms = base > 0 ? base : 1;
	for (int i = 0; i < n && ms < BACKOFF_MAX_MS; i++)
		ms *= 4;
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	return ms / 2 + (int64_t)random_below((uint64_t)ms + 1);
}
