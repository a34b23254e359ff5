/* SPDX-License-Identifier: MIT
 *
 * Behind proxies, the name under which a client knows us stands in Forwarded (RFC 7239) or in the
 * older X-Forwarded-* fields. They count only from a peer in --trusted-proxy, and only as far left
 * as trusted proxies wrote them: each proxy appends, so what stands left of the first untrusted
 * address was sent by a stranger.
 */
#include "api/api_impl.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define HOPS_MAX   16
#define HOST_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._"

/* ---- what may stand in a link --------------------------------------------------------------- */

/* name, name:port, [IPv6], [IPv6]:port */
bool host_is_well_formed(const char *host)
{
	bool literal = host[0] == '[';
	const char *p = host + literal;
	size_t n = strspn(p, literal ? "0123456789abcdefABCDEF:." : HOST_CHARS);

	p += n;
	if (n == 0 || strlen(host) > 255 || (literal && *p++ != ']'))
		return false;
	if (*p == ':')
		p += 1 + strspn(p + 1, "0123456789");
	return *p == '\0';
}

char *host_name(const char *host, struct arena *a)
{
	size_t n = host[0] == '[' ? strcspn(host, "]") : strcspn(host, ":");
	char *name;

	if (host[0] != '[' && strchr(host, ':') != strrchr(host, ':'))
		n = strlen(host); /* an IPv6 literal without brackets */
	name = arena_strndup(a, host + (host[0] == '['), n - (host[0] == '['));
	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return name;
}

static const char *good_host(const char *host)
{
	return host && host_is_well_formed(host) ? host : NULL;
}

static const char *good_proto(const char *proto)
{
	if (!proto)
		return NULL;
	if (strcasecmp(proto, "https") == 0 || strcasecmp(proto, "wss") == 0)
		return "https";
	return strcasecmp(proto, "http") == 0 || strcasecmp(proto, "ws") == 0 ? "http" : NULL;
}

/* Begins with a slash, ends with none; "" when it says nothing. */
static const char *good_prefix(const char *prefix, struct arena *a)
{
	static const char more[] = "/._~%-";

	if (!prefix || prefix[0] != '/' || strlen(prefix) > 255 || strstr(prefix, "//") ||
		strstr(prefix, ".."))
		return NULL;
	for (const char *p = prefix; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr(more, *p))
			return NULL;
	char *s = arena_strdup(a, prefix);
	for (size_t n = strlen(s); n > 0 && s[n - 1] == '/'; n--)
		s[n - 1] = '\0';
	return s;
}

/* ---- lists ---------------------------------------------------------------------------------- */

static char *trimmed(const char *s, size_t n, struct arena *a)
{
	while (n > 0 && isspace((unsigned char)*s)) {
		s++;
		n--;
	}
	while (n > 0 && isspace((unsigned char)s[n - 1]))
		n--;
	if (n >= 2 && s[0] == '"' && s[n - 1] == '"') {
		s++;
		n -= 2;
	}
	return arena_strndup(a, s, n);
}

/* Split at `sep` outside quotes; the last `max` parts. */
static size_t split(const char *s, char sep, struct arena *a, char *ret[], size_t max)
{
	size_t n = 0;
	bool quoted = false;

	for (const char *from = s, *p = s;; p++) {
		if (*p == '"')
			quoted = !quoted;
		if (*p && (quoted || *p != sep))
			continue;
		if (n == max) {
			memmove(ret, ret + 1, (max - 1) * sizeof(*ret));
			n--;
		}
		ret[n++] = trimmed(from, (size_t)(p - from), a);
		if (!*p)
			return n;
		from = p + 1;
	}
}

/* The value that the outermost trusted of `hops` proxies wrote. */
static const char *pick(const char *list, size_t hops, struct arena *a)
{
	char *v[HOPS_MAX];
	size_t n;

	if (!list)
		return NULL;
	n = split(list, ',', a, v, HOPS_MAX);
	return v[n > hops ? n - hops : 0];
}

/* An address as Forwarded and X-Forwarded-For write it: with port and brackets, or "_hidden". */
static bool is_trusted(const struct api_opts *o, const char *text, struct arena *a)
{
	struct ip ip;

	return ip_parse(host_name(text, a), &ip) &&
		cidr_any(o->trusted_proxies, o->trusted_proxies_n, &ip);
}

/* ---- Forwarded ------------------------------------------------------------------------------ */

/* One proxy's pairs. */
struct element {
	const char *host, *proto, *by_for;
};

static struct element parse_element(char *text, struct arena *a)
{
	struct element e = { 0 };
	char *pairs[8];
	size_t n = split(text, ';', a, pairs, ARRAY_LEN(pairs));

	for (size_t i = 0; i < n; i++) {
		char *eq = strchr(pairs[i], '=');
		if (!eq)
			continue;
		char *name = trimmed(pairs[i], (size_t)(eq - pairs[i]), a);
		char *value = trimmed(eq + 1, strlen(eq + 1), a);
		if (strcasecmp(name, "host") == 0)
			e.host = value;
		else if (strcasecmp(name, "proto") == 0)
			e.proto = value;
		else if (strcasecmp(name, "for") == 0)
			e.by_for = value;
	}
	return e;
}

static void read_standard(const struct api_opts *o, const char *list, struct arena *a,
	struct forwarded *ret)
{
	char *v[HOPS_MAX];
	size_t n = split(list, ',', a, v, HOPS_MAX);

	while (n-- > 0) {
		struct element e = parse_element(v[n], a);
		if (good_host(e.host))
			ret->host = e.host;
		if (good_proto(e.proto))
			ret->proto = good_proto(e.proto);
		if (!e.by_for || !is_trusted(o, e.by_for, a))
			return;
	}
}

/* ---- X-Forwarded-* -------------------------------------------------------------------------- */

static size_t trusted_hops(const struct api_opts *o, const char *x_for, struct arena *a)
{
	char *v[HOPS_MAX];
	size_t n = x_for ? split(x_for, ',', a, v, HOPS_MAX) : 0, hops = 1;

	while (n-- > 0 && is_trusted(o, v[n], a))
		hops++;
	return hops;
}

static const char *with_port(const char *host, const char *proto, const char *port, struct arena *a)
{
	const char *usual = proto && strcmp(proto, "https") == 0 ? "443" : "80";
	bool has_port = host && strchr(host[0] == '[' ? strchr(host, ']') : host, ':');

	if (!host || !port || strcmp(port, usual) == 0 || has_port || strlen(port) > 5 ||
		strspn(port, "0123456789") != strlen(port))
		return host;
	return arena_printf(a, "%s:%s", host, port);
}

static void read_customary(const struct api_opts *o, struct http_request *r, struct arena *a,
	struct forwarded *ret)
{
	size_t hops = trusted_hops(o, http_header(r, "X-Forwarded-For"), a);

	ret->proto = good_proto(pick(http_header(r, "X-Forwarded-Proto"), hops, a));
	ret->host = with_port(good_host(pick(http_header(r, "X-Forwarded-Host"), hops, a)),
		ret->proto, pick(http_header(r, "X-Forwarded-Port"), hops, a), a);
}

struct forwarded forwarded_read(const struct api_opts *o, struct http_request *r)
{
	struct forwarded f = { 0 };
	struct arena *a = http_arena(r);
	const char *standard = http_header(r, "Forwarded");

	if (!cidr_any(o->trusted_proxies, o->trusted_proxies_n, http_peer(r)))
		return f;
	if (standard)
		read_standard(o, standard, a, &f);
	else
		read_customary(o, r, a, &f);
	f.prefix = good_prefix(pick(http_header(r, "X-Forwarded-Prefix"),
				       trusted_hops(o, http_header(r, "X-Forwarded-For"), a), a),
		a);
	return f;
}

/* ---- who asks ------------------------------------------------------------------------------- */

/* From the peer outwards, as long as the one who says it is trusted. */
struct ip api_client(void *api, const struct ip *peer, const char *forwarded,
	const char *x_forwarded_for, struct arena *a)
{
	const struct api_opts *o = &((const struct api *)api)->o;
	const char *list = forwarded ? forwarded : x_forwarded_for;
	struct ip client = *peer, next;
	char *v[HOPS_MAX];

	if (!list || !cidr_any(o->trusted_proxies, o->trusted_proxies_n, peer))
		return client;
	for (size_t n = split(list, ',', a, v, HOPS_MAX); n-- > 0; client = next) {
		const char *by_for = forwarded ? parse_element(v[n], a).by_for : v[n];
		if (!cidr_any(o->trusted_proxies, o->trusted_proxies_n, &client) || !by_for ||
			!ip_parse(host_name(by_for, a), &next))
			break;
	}
	return client;
}
