/* SPDX-License-Identifier: MIT
 *
 * An invocation event: what is taken has a JSON form that is taken again and says the same.
 */
#include "job/report.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	autojson *doc = NULL;
	struct err e = { 0 };
	struct event ev, again;
	if (json_parse((const char *)data, size, &doc, &e) != OK ||
		event_parse(doc, a, &ev, &e) != OK)
		return 0;
	assert(ev.n <= EVENT_TASKS_MAX);
	autojson *out = event_json(&ev);
	assert(event_parse(out, a, &again, &e) == OK);
	autojson *out_again = event_json(&again);
	assert(json_equal(out, out_again));
	return 0;
}
