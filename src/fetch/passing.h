/* SPDX-License-Identifier: MIT
 *
 * What may pass and when. Private to fetch; fetch_may_pass is in fetch.h.
 */
#ifndef BULB_FETCH_PASSING_H
#define BULB_FETCH_PASSING_H

#include <stdint.h>

#define RETRY_AFTER_MAX_MS ((int64_t)24 * 3600 * 1000)

/* Retry-After (RFC 9110 §10.2.3), seconds or a date, as milliseconds from now, at most
 * RETRY_AFTER_MAX_MS; 0 when it is past or ill-formed. */
int64_t retry_after_parse(const char *value);

#endif
