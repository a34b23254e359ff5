/* SPDX-License-Identifier: MIT
 *
 * Splitting and comparing URLs. The split is the only one in the program: what the address guard
 * judges and what the client connects to come from the same struct, so no two parsers can disagree
 * about the host. Bytes that RFC 3986 does not allow but browsers take in paths and queries (UTF-8,
 * quotes, braces) are percent-encoded on the way in; in an authority they are refused.
 */
#include "base/url.h"

#include "base/ip.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char hex_upper[] = "0123456789ABCDEF";

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_unreserved(char c)
{
	return is_alnum(c) || (c != '\0' && strchr("-._~", c));
}

static enum err_code wrong(struct err *e, const char *what)
{
	return err_set(e, ERR_REQUEST_INVALID, "%s", what);
}

static uint16_t default_port(const char *scheme)
{
	return strcmp(scheme, "https") == 0 ? 443 : strcmp(scheme, "http") == 0 ? 80 : 0;
}

/* ---- parsing ---- */

static enum err_code parse_scheme(const char **s, struct url *u, struct err *e)
{
	static const char *const known[] = { "http", "https", "file" };
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		size_t n = strlen(known[i]);
		if (strncasecmp(*s, known[i], n) == 0 && strncmp(*s + n, "://", 3) == 0) {
			snprintf(u->scheme, sizeof(u->scheme), "%s", known[i]);
			*s += n + 3;
			return OK;
		}
	}
	return wrong(e, "a URL must start with http:// or https://");
}

static enum err_code parse_port(const char *s, size_t n, struct url *u, struct err *e)
{
	unsigned port = 0;
	if (n == 0)
		return OK; /* "host:" is the default port */
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9' || port > 65535)
			return wrong(e, "the URL's port is not a number from 1 to 65535");
		port = port * 10 + (unsigned)(s[i] - '0');
	}
	if (port == 0 || port > 65535)
		return wrong(e, "the URL's port is not a number from 1 to 65535");
	u->port = (uint16_t)port;
	return OK;
}

/* The address in its one canonical spelling, so that equal hosts compare equal. */
static enum err_code parse_ipv6(const char *s, size_t n, struct arena *a, struct url *u,
	struct err *e)
{
	struct in6_addr addr;
	char text[INET6_ADDRSTRLEN];
	if (inet_pton(AF_INET6, arena_strndup(a, s, n), &addr) != 1)
		return wrong(e, "the URL's host is not an IPv6 address");
	u->host = arena_strdup(a, inet_ntop(AF_INET6, &addr, text, sizeof(text)));
	u->host_is_ipv6 = true;
	return OK;
}

static enum err_code parse_name(const char *s, size_t n, struct arena *a, struct url *u,
	struct err *e)
{
	if (n == 0)
		return wrong(e, "the URL has no host");
	if (n > 254)
		return wrong(e, "the URL's host is too long");
	size_t label = 0;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)s[i] >= 0x80)
			return wrong(e, "the URL's host is not ASCII: write it in its xn-- form");
		if (!is_alnum(s[i]) && !strchr("-._", s[i]))
			return wrong(e, "the URL's host holds a character that no host name has");
		label = s[i] == '.' ? 0 : label + 1;
		if (label > 63 || (s[i] == '.' && (i == 0 || s[i - 1] == '.')))
			return wrong(e, "the URL's host has an empty or overlong part");
	}
	u->host = arena_strndup(a, s, n);
	for (char *p = u->host; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return OK;
}

static enum err_code parse_host_port(const char *s, size_t n, struct arena *a, struct url *u,
	struct err *e)
{
	enum err_code code;
	if (n > 0 && *s == '[') {
		const char *close = memchr(s, ']', n);
		if (!close)
			return wrong(e, "the URL's host has a [ without its ]");
		code = parse_ipv6(s + 1, (size_t)(close - s) - 1, a, u, e);
		n -= (size_t)(close + 1 - s);
		s = close + 1;
		if (code == OK && n > 0 && *s != ':')
			return wrong(e, "the URL's port is not a number from 1 to 65535");
	} else {
		const char *colon = memchr(s, ':', n);
		size_t len = colon ? (size_t)(colon - s) : n;
		code = parse_name(s, len, a, u, e);
		s += len;
		n -= len;
	}
	if (code != OK || n == 0)
		return code;
	return parse_port(s + 1, n - 1, u, e);
}

/* Other programs read some of these as the end of the host: refused, so that nobody can differ. */
static bool is_userinfo(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] >= 0x80 || strchr("\"<>\\^`{|}[]", s[i]))
			return false;
	return true;
}

static enum err_code parse_authority(const char *s, size_t n, struct arena *a, struct url *u,
	struct err *e)
{
	const char *at = memrchr(s, '@', n);
	u->port = default_port(u->scheme);
	if (strcmp(u->scheme, "file") == 0) {
		u->host = arena_strdup(a, "");
		return n == 0 ? OK : wrong(e, "a file URL has no host: file:///path");
	}
	if (at) {
		if (!is_userinfo(s, (size_t)(at - s)))
			return wrong(e,
				"the URL's user holds a character that may not stand there");
		u->has_userinfo = true;
		n -= (size_t)(at + 1 - s);
		s = at + 1;
	}
	return parse_host_port(s, n, a, u, e);
}

/* Does a percent-encoded byte stand at s, of which n bytes are left? */
static bool is_escape(const char *s, size_t n)
{
	return n >= 3 && s[0] == '%' && hex_value(s[1]) >= 0 && hex_value(s[2]) >= 0;
}

/* A copy with the bytes encoded that may not stand in a path or query; a '%' that begins no escape
 * is one of them. */
static char *copy_allowed(const char *s, size_t n, struct arena *a)
{
	char *copy = arena_alloc(a, n * 3 + 1), *p = copy;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c < 0x80 && (c == '%' ? is_escape(s + i, n - i) : !strchr("\"<>\\^`{|}", c))) {
			*p++ = (char)c;
		} else {
			*p++ = '%';
			*p++ = hex_upper[c >> 4];
			*p++ = hex_upper[c & 15];
		}
	}
	*p = '\0';
	return copy;
}

enum err_code url_parse(const char *s, struct arena *a, struct url *ret, struct err *e)
{
	struct url u = { 0 };
	if (strnlen(s, URL_MAX + 1) > URL_MAX)
		return err_set(e, ERR_REQUEST_INVALID, "the URL is longer than %d bytes", URL_MAX);
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7F)
			return wrong(e, "the URL holds a space or control character");
	if (parse_scheme(&s, &u, e) != OK)
		return ERR_REQUEST_INVALID;
	size_t n = strcspn(s, "/?#");
	if (parse_authority(s, n, a, &u, e) != OK)
		return ERR_REQUEST_INVALID;
	s += n;
	n = strcspn(s, "?#");
	u.path = n ? copy_allowed(s, n, a) : arena_strdup(a, "/");
	s += n;
	if (*s == '?')
		u.query = copy_allowed(s + 1, strcspn(s + 1, "#"), a);
	*ret = u;
	return OK;
}

/* ---- comparing ---- */

/* Escapes of unreserved characters undone, the others in upper case (RFC 3986 §6.2.2). */
static char *normalise_escapes(const char *s, struct arena *a)
{
	char *copy = arena_alloc(a, strlen(s) + 1), *p = copy;
	while (*s) {
		if (!is_escape(s, strnlen(s, 3))) {
			*p++ = *s++;
			continue;
		}
		int high = hex_value(s[1]), low = hex_value(s[2]);
		char c = (char)(high << 4 | low);
		if (is_unreserved(c)) {
			*p++ = c;
		} else {
			*p++ = '%';
			*p++ = hex_upper[high];
			*p++ = hex_upper[low];
		}
		s += 3;
	}
	*p = '\0';
	return copy;
}

static char *join(const struct url *u, const char *query, struct arena *a)
{
	char port[8] = "";
	char *path = normalise_escapes(u->path, a);
	url_remove_dots(path);
	if (u->port != default_port(u->scheme))
		snprintf(port, sizeof(port), ":%u", u->port);
	return arena_printf(a, "%s://%s%s%s%s%s%s%s", u->scheme, u->host_is_ipv6 ? "[" : "",
		u->host, u->host_is_ipv6 ? "]" : "", port, path, query ? "?" : "",
		query ? query : "");
}

char *url_normalise(const struct url *u, struct arena *a)
{
	return join(u, u->query ? normalise_escapes(u->query, a) : NULL, a);
}

static bool name_is(const char *param, const char *name)
{
	size_t n = strlen(name);
	return strncmp(param, name, n) == 0 && (param[n] == '=' || param[n] == '&' || !param[n]);
}

static bool has_param(const char *query, const char *name)
{
	for (const char *p = query; p; p = strchr(p, '&') ? strchr(p, '&') + 1 : NULL)
		if (name_is(p, name))
			return true;
	return false;
}

static bool is_signature(const char *param, bool azure)
{
	static const char *const names[] = { "sig", "se", "sp", "sv", "sr", "st", "spr", "skoid",
		"sktid", "skt", "ske", "sks", "skv" };
	if (strncasecmp(param, "X-Amz-", 6) == 0 || strncasecmp(param, "X-Goog-", 7) == 0)
		return true;
	for (size_t i = 0; azure && i < ARRAY_LEN(names); i++)
		if (name_is(param, names[i]))
			return true;
	return false;
}

char *url_identity(const struct url *u, struct arena *a)
{
	if (!u->query)
		return join(u, NULL, a);
	const char *query = normalise_escapes(u->query, a);
	bool azure = has_param(query, "sig") && has_param(query, "sv"), dropped = false;
	char *kept = arena_alloc(a, strlen(query) + 1), *end = kept;
	for (const char *p = query;;) {
		size_t n = strcspn(p, "&");
		if (is_signature(p, azure)) {
			dropped = true;
		} else {
			if (end != kept)
				*end++ = '&';
			memcpy(end, p, n);
			end += n;
		}
		if (p[n] == '\0')
			break;
		p += n + 1;
	}
	*end = '\0';
	if (!dropped)
		return join(u, query, a);
	return join(u, end == kept ? NULL : kept, a);
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host, b->host) == 0 &&
		a->port == b->port;
}
