/* SPDX-License-Identifier: MIT
 *
 * The first line is a URL, the rest a reference. A normalised URL must parse to itself and to the
 * same host, and nothing that a log shows may hold what stood before an '@' or after a '?'.
 */
#include "base/url.h"

#include "base/ip.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check(const struct url *u, struct arena *a)
{
	struct url again;
	struct err e = { 0 };
	char *text = url_normalise(u, a);
	if (url_parse(text, a, &again, &e) != OK) {
		must(strlen(text) > URL_MAX); /* escapes make it longer */
		return;
	}
	must(strcmp(url_normalise(&again, a), text) == 0);
	must(url_same_origin(u, &again) && !again.has_userinfo && u->path[0] == '/');
	(void)url_identity(u, a);
	if (u->query) {
		(void)url_query_get(u->query, "a", a);
		(void)url_decode(arena_strdup(a, u->query), true);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	char *text = arena_strndup(a, (const char *)data, size);
	char *ref = strchr(text, '\n');
	struct url u, to;
	struct err e = { 0 };
	if (ref)
		*ref++ = '\0';
	const char *shown = url_for_log(text, a);
	must(strlen(shown) <= 200 && !strpbrk(shown, "?#\n"));
	(void)ip_is_odd_quad(text);
	if (url_parse(text, a, &u, &e) != OK)
		return 0;
	must(!strchr(url_for_log(text, a), '@') || strchr(u.path, '@') || u.host[0] == '\0');
	check(&u, a);
	if (ref && url_resolve(&u, ref, a, &to, &e) == OK) {
		must(strcmp(to.scheme, "file") != 0 || strcmp(u.scheme, "file") == 0);
		check(&to, a);
	}
	return 0;
}
