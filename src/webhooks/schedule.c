/* SPDX-License-Identifier: MIT
 *
 * The pauses between tries, as an operator writes them.
 */
#include "webhooks/webhooks.h"

#include <stdlib.h>
#include <string.h>

#define PAUSE_MAX_MS (30ll * 24 * 3600 * 1000)

static int64_t pause_of(const char *text)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
		{ "d", 86400000 } };
	char *end;
	long long v = strtoll(text, &end, 10);

	if (*text < '0' || *text > '9' || v > PAUSE_MAX_MS)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (strcmp(end, units[i].name) == 0 && v <= PAUSE_MAX_MS / units[i].ms)
			return v * units[i].ms;
	return -1;
}

enum err_code webhooks_schedule_parse(const char *const *texts, size_t n,
	struct webhooks_schedule *ret, struct err *e)
{
	if (n == 0 || n > WEBHOOKS_STEPS_MAX)
		return err_set(e, ERR_USAGE, "--webhook-schedule: from 1 to %d pauses",
			WEBHOOKS_STEPS_MAX);
	for (size_t i = 0; i < n; i++) {
		ret->ms[i] = pause_of(texts[i]);
		if (ret->ms[i] < 0)
			return err_set(e, ERR_USAGE,
				"--webhook-schedule: '%s' is not a time such as 5s, 30m or 24h",
				texts[i]);
	}
	ret->n = n;
	return OK;
}
