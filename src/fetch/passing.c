/* SPDX-License-Identifier: MIT
 *
 * Which failures of a download may pass by themselves. A status is the origin's word on it; for the
 * rest the error table says.
 */
#include "fetch/passing.h"

#include "base/clock.h"
#include "fetch/fetch.h"

#include <string.h>

int64_t retry_after_parse(const char *value)
{
	size_t digits = strspn(value, "0123456789");
	int64_t ms = 0, when;
	if (digits > 0 && value[digits] == '\0') {
		for (size_t i = 0; i < digits && ms < RETRY_AFTER_MAX_MS; i++)
			ms = ms * 10 + (value[i] - '0') * 1000;
	} else if (clock_parse_http(value, &when)) {
		ms = when - clock_wall_ms();
	}
	return ms < 0 ? 0 : ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : ms;
}

bool fetch_may_pass(const struct err *e)
{
	if (e->code != ERR_FETCH_STATUS)
		return err_retryable(e->code);
	switch (e->source_status) {
	case 408: /* request timeout */
	case 425: /* too early */
	case 429: /* too many requests */
		return true;
	case 501: /* not implemented */
	case 505: /* HTTP version not supported */
		return false;
	default:
		return e->source_status >= 500;
	}
}
