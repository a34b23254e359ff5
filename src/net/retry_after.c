/* SPDX-License-Identifier: MIT
 *
 * How long a server asks to be left alone. It may ask for years; nobody waits longer than a day.
 */
#include "base/clock.h"
#include "net/net.h"

#include <string.h>

int64_t net_retry_after(const char *value)
{
	size_t digits = strspn(value, "0123456789");
	int64_t ms = 0, when;
	if (digits > 0 && value[digits] == '\0') {
		for (size_t i = 0; i < digits && ms < NET_RETRY_AFTER_MAX_MS; i++)
			ms = ms * 10 + (value[i] - '0') * 1000;
	} else if (clock_parse_http(value, &when)) {
		ms = when - clock_wall_ms();
	}
	return ms < 0 ? 0 : ms > NET_RETRY_AFTER_MAX_MS ? NET_RETRY_AFTER_MAX_MS : ms;
}
