/* SPDX-License-Identifier: MIT
 *
 * Prefixes are compared part by part, not as text: "https://img.example.com" must not let
 * https://img.example.com.evil.example or https://img.example.com@evil.example through, nor
 * "/shop/" a path that leaves it again by dot segments.
 */
#include "fetch/allow.h"

#include <string.h>
#include <strings.h>

static bool prefix_allows(const char *source, const struct url *u, struct arena *a)
{
	struct url prefix;
	struct err ignored;
	if (url_parse(source, a, &prefix, &ignored) != OK || !url_same_origin(&prefix, u))
		return false;
	const char *begin = url_normalise(&prefix, a);
	return strncmp(begin, url_normalise(u, a), strlen(begin)) == 0;
}

bool source_allowed(const char *const *sources, size_t n, const struct url *u, struct arena *a)
{
	for (size_t i = 0; i < n; i++) {
		if (strstr(sources[i], "://") != NULL ? prefix_allows(sources[i], u, a)
						      : strcasecmp(sources[i], u->host) == 0)
			return true;
	}
	return n == 0;
}
