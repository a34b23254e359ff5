/* SPDX-License-Identifier: MIT
 *
 * Following references (RFC 3986 §5.2), dot segments, and percent-encoding of single values. A
 * reference is turned into the text of a whole URL and parsed like any other, so that a redirect
 * cannot carry anything that a request could not.
 */
#include "base/url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* §5.2.4 on an absolute path: segments are copied down over those that ".." takes back. */
void url_remove_dots(char *path)
{
	char *out = path;
	const char *in = path;
	while (*in) {
		size_t n = 1 + strcspn(in + 1, "/"); /* "/segment" */
		bool last = in[n] == '\0';
		bool one = n == 2 && in[1] == '.', two = n == 3 && in[1] == '.' && in[2] == '.';
		if (two)
			while (out > path && *--out != '/')
				;
		if (one || two) {
			if (last)
				*out++ = '/';
		} else {
			memmove(out, in, n);
			out += n;
		}
		in += n;
	}
	*out = '\0';
}

static bool has_scheme(const char *ref)
{
	if (!isalpha((unsigned char)*ref))
		return false;
	while (isalnum((unsigned char)*ref) || (*ref && strchr("+-.", *ref)))
		ref++;
	return *ref == ':';
}

/* scheme://host:port of the base */
static char *origin(const struct url *u, struct arena *a)
{
	if (u->port == 0)
		return arena_printf(a, "%s://", u->scheme);
	return arena_printf(a, u->host_is_ipv6 ? "%s://[%s]:%u" : "%s://%s:%u", u->scheme, u->host,
		u->port);
}

static char *absolute(const struct url *base, const char *ref, struct arena *a)
{
	const char *query = base->query;
	if (has_scheme(ref))
		return arena_strdup(a, ref);
	if (ref[0] == '/' && ref[1] == '/')
		return arena_printf(a, "%s:%s", base->scheme, ref);
	if (ref[0] == '/')
		return arena_printf(a, "%s%s", origin(base, a), ref);
	if (ref[0] == '?')
		return arena_printf(a, "%s%s%s", origin(base, a), base->path, ref);
	if (ref[0] == '\0' || ref[0] == '#')
		return arena_printf(a, "%s%s%s%s", origin(base, a), base->path, query ? "?" : "",
			query ? query : "");
	const char *slash = strrchr(base->path, '/');
	return arena_printf(a, "%s%.*s%s", origin(base, a), (int)(slash - base->path + 1),
		base->path, ref);
}

enum err_code url_resolve(const struct url *base, const char *ref, struct arena *a, struct url *ret,
	struct err *e)
{
	struct url u;
	if (strnlen(ref, URL_MAX + 1) > URL_MAX)
		return err_set(e, ERR_REQUEST_INVALID, "the URL is longer than %d bytes", URL_MAX);
	enum err_code code = url_parse(absolute(base, ref, a), a, &u, e);
	if (code != OK)
		return code;
	if (strcmp(u.scheme, "file") == 0 && strcmp(base->scheme, "file") != 0)
		return err_set(e, ERR_REQUEST_INVALID, "a redirect from %s to a file",
			base->scheme);
	url_remove_dots(u.path);
	*ret = u;
	return OK;
}

char *url_format(const struct url *u, struct arena *a)
{
	return arena_printf(a, "%s%s%s%s", origin(u, a), u->path, u->query ? "?" : "",
		u->query ? u->query : "");
}

char *url_for_log(const char *s, struct arena *a)
{
	size_t n = strcspn(s, "?#");
	size_t scheme = strcspn(s, ":/?#");
	const char *host = s[scheme] == ':' ? s + scheme + 1 : s;
	host += strspn(host, "/\\");
	/* Ill-formed text comes here too: an @ before the path hides a password in any case. */
	if (host > s + n)
		host = s + n;
	size_t authority = strcspn(host, "/\\?#");
	const char *at = memrchr(host, '@', authority);
	char *text = arena_printf(a, "%.*s%.*s", (int)(host - s > 200 ? 200 : host - s), s,
		(int)(n > URL_MAX ? URL_MAX : (size_t)(s + n - (at ? at + 1 : host))),
		at ? at + 1 : host);
	size_t len = strlen(text);
	if (len > 200) {
		len = 200;
		while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
			len--;
		text[len] = '\0';
	}
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7F)
			*p = '_';
	return text;
}

long url_decode(char *s, bool form)
{
	char *out = s;
	const char *in = s;
	for (; *in; in++) {
		if (*in == '+' && form) {
			*out++ = ' ';
		} else if (*in == '%') {
			int high = hex_value(in[1]);
			int low = high < 0 ? -1 : hex_value(in[2]);
			if (low < 0 || (high == 0 && low == 0))
				return -1;
			*out++ = (char)(high << 4 | low);
			in += 2;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
	return out - s;
}

char *url_encode(const char *s, bool keep_slash, struct arena *a)
{
	static const char hex[] = "0123456789ABCDEF";
	char *text = arena_alloc(a, strlen(s) * 3 + 1), *p = text;
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if ((c < 0x80 && isalnum(c)) || strchr("-._~", c) || (c == '/' && keep_slash)) {
			*p++ = (char)c;
		} else {
			*p++ = '%';
			*p++ = hex[c >> 4];
			*p++ = hex[c & 15];
		}
	}
	*p = '\0';
	return text;
}

char *url_query_get(const char *query, const char *name, struct arena *a)
{
	while (query) {
		size_t n = strcspn(query, "&"), eq = strcspn(query, "=&");
		char *key = arena_strndup(a, query, eq);
		if (url_decode(key, true) >= 0 && strcmp(key, name) == 0) {
			char *value = arena_strndup(a, query + eq + (eq < n), n - eq - (eq < n));
			return url_decode(value, true) < 0 ? NULL : value;
		}
		query = query[n] == '&' ? query + n + 1 : NULL;
	}
	return NULL;
}
