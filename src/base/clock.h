/* SPDX-License-Identifier: MIT
 *
 * Time in int64 milliseconds: wall time since 1970 UTC for what is stored and shown, monotonic
 * time for waiting. Thread-safe.
 */
#ifndef BULB_BASE_CLOCK_H
#define BULB_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

int64_t clock_wall_ms(void);
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
/* An absolute CLOCK_MONOTONIC timespec `ms` from now, for pthread_cond_clockwait. */
struct timespec clock_deadline(int64_t ms);

#define CLOCK_RFC3339_MAX 32
/* "2026-11-23T05:47:00.123Z" (RFC 3339, UTC, always three decimals). */
void clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_MAX]);
/* "Mon, 23 Nov 2026 05:47:00 GMT" (RFC 9110 IMF-fixdate). */
void clock_format_http(int64_t wall_ms, char out[CLOCK_RFC3339_MAX]);
/* IMF-fixdate only; false when it is not one. */
bool clock_parse_http(const char *s, int64_t *ret_wall_ms);
/* RFC 3339 in UTC ("…Z"), to the second. */
bool clock_parse_rfc3339(const char *s, int64_t *ret_wall_ms);

#endif
