/* SPDX-License-Identifier: MIT
 *
 * How long to wait before another try. Jitter keeps what failed together from coming back together.
 */
#ifndef BULB_BASE_BACKOFF_H
#define BULB_BASE_BACKOFF_H

#include <stdint.h>

/* base × 4^n, at most a minute, and up to half of it more or less; n: tries that failed before. Milliseconds. */
int64_t backoff_ms(int64_t base, int n);

#endif
