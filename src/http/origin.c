/* SPDX-License-Identifier: MIT
 *
 * Two places where it may stand: the fields that were collected so far, and the bytes that came
 * with the fault, which nobody will parse any more. Whoever sends something that only looks like an
 * Origin has the refusal's text shown to a page that was allowed anyway.
 */
#include "http/origin.h"

#include <string.h>
#include <strings.h>

#define ORIGIN_MAX 300 /* bytes; none that is allowed is longer */

static const char *kept(const char *value, size_t n, struct arena *a)
{
	while (n && (*value == ' ' || *value == '\t')) {
		value++;
		n--;
	}
	while (n && (value[n - 1] == ' ' || value[n - 1] == '\t'))
		n--;
	return n && n <= ORIGIN_MAX ? arena_strndup(a, value, n) : NULL;
}

const char *origin_in_fields(const char *text, size_t n, struct arena *a)
{
	bool is_value = false;
	const char *end;
	for (size_t i = 0; n && (end = memchr(text, '\0', n)) != NULL; i++) {
		size_t len = (size_t)(end - text);
		if (is_value)
			return kept(text, len, a);
		is_value = i % 2 == 1 && strcasecmp(text, "origin") == 0;
		text = end + 1;
		n -= len + 1;
	}
	return NULL;
}

static const char *next_line(const char *at, const char *end)
{
	const char *lf = memchr(at, '\n', (size_t)(end - at));
	return lf ? lf + 1 : NULL;
}

const char *origin_in_lines(const char *data, size_t n, bool in_line, struct arena *a)
{
	static const char name[] = "origin:";
	const size_t len = sizeof(name) - 1;
	const char *end = data + n, *at = in_line ? next_line(data, end) : data, *stop;
	while (at && (stop = memchr(at, '\r', (size_t)(end - at))) != NULL) {
		if ((size_t)(stop - at) > len && strncasecmp(at, name, len) == 0)
			return kept(at + len, (size_t)(stop - at) - len, a);
		at = next_line(at, end);
	}
	return NULL;
}
