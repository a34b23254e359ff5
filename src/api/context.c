/* SPDX-License-Identifier: MIT
 *
 * Who asks, by which name, and may they. The name matters twice: every link in the answer starts
 * with it, and a name that is not ours (DNS rebinding: a web page that made its own host name point
 * here) is refused with 421 before anything else is looked at.
 */
#include "api/api_impl.h"

#include "base/clock.h"
#include "base/url.h"

#include <string.h>

/* ---- the name ------------------------------------------------------------------------------- */

static bool is_loopback(const char *name)
{
	static const struct cidr loops[] = {
		{ .ip.b = { [10] = 0xff, [11] = 0xff, [12] = 127 }, .bits = 104 },
		{ .ip.b = { [15] = 1 }, .bits = 128 },
	};
	struct ip ip;

	return strcmp(name, "localhost") == 0 ||
		(ip_parse(name, &ip) && cidr_any(loops, ARRAY_LEN(loops), &ip));
}

static bool url_names(const char *url, const char *name, struct arena *a)
{
	const char *at = url ? strstr(url, "://") : NULL;

	if (!at)
		return false;
	char *host = arena_strndup(a, at + 3, strcspn(at + 3, "/"));
	return strcmp(host_name(host, a), name) == 0;
}

static bool host_is_ours(const struct call *c, const char *host)
{
	const struct api *api = c->api;
	const char *name = host_name(host, c->a);

	if (api->o.open || is_loopback(name))
		return true;
	if (api->o.listen_host && strcmp(host_name(api->o.listen_host, c->a), name) == 0)
		return true;
	for (size_t i = 0; i < api->o.allow_hosts_n; i++)
		if (strcmp(host_name(api->o.allow_hosts[i], c->a), name) == 0)
			return true;
	return url_names(api->public_url, name, c->a) || url_names(api->events_url, name, c->a);
}

/* Browsers write origins without the default port; so do we. */
static const char *without_default_port(const char *scheme, const char *host, struct arena *a)
{
	const char *port = strcmp(scheme, "https") == 0 ? ":443" : ":80";
	size_t n = strlen(host), pn = strlen(port);

	return n > pn && strcmp(host + n - pn, port) == 0 ? arena_strndup(a, host, n - pn) : host;
}

bool context_open(struct call *c)
{
	struct api *api = c->api;
	const char *host = http_header(c->r, "Host");

	c->base_url = c->events_url = api->public_url ? api->public_url : "";
	if (api->o.ops_only)
		return true;
	struct forwarded f = forwarded_read(&api->o, c->r);
	if (!f.host && (!host || !host_is_well_formed(host) || !host_is_ours(c, host))) {
		call_fail(c, ERR_REQUEST_MISDIRECTED,
			"'%s' is not a name of this server; --allow-host would make it one",
			host ? host : "");
		return false;
	}
	if (!api->public_url) {
		const char *scheme = f.proto ? f.proto : "http";
		const char *name = without_default_port(scheme, f.host ? f.host : host, c->a);
		c->base_url = arena_printf(c->a, "%s://%s%s", scheme, name,
			f.prefix ? f.prefix : "");
	}
	c->events_url = api->events_url ? api->events_url : c->base_url;
	return true;
}

/* Who came with a token gets that one back, not a fresh one: else it would never end. */
struct view_links call_links(const struct call *c)
{
	const struct api_opts *o = &c->api->o;

	return (struct view_links){ .base_url = c->base_url,
		.events_url = c->events_url,
		.blob_url = c->api->blob_url,
		.direct = o->direct_links,
		.link_key = o->link_key,
		.link_ttl_ms = o->link_ttl_ms,
		.token_ttl_ms = o->token_ttl_ms,
		.token = c->token_text,
		.token_key = call_key_id(c),
		.now_ms = clock_wall_ms() };
}

/* ---- may they ------------------------------------------------------------------------------- */

static const char *query_given(const struct call *c, const char *name)
{
	const char *q = http_query(c->r);

	return q ? url_query_get(q, name, c->a) : NULL;
}

/* A web page of another origin may neither open a socket nor change anything: what CORS does not
 * stop by itself (sockets, a POST without a body) is stopped here. */
static bool origin_allows(struct call *c)
{
	const char *origin = http_header(c->r, "Origin");
	bool reads = strcmp(c->method, "GET") == 0 || strcmp(c->method, "HEAD") == 0;

	if (!origin || (reads && !c->is_websocket) || origin_is_ours(c, origin))
		return true;
	call_fail(c, ERR_AUTH_FORBIDDEN,
		"the origin '%s' is not allowed; --allow-origin would allow it", origin);
	return false;
}

bool context_may(struct call *c)
{
	if (c->api->o.ops_only)
		return true;
	return origin_allows(c) && (c->route->flags & ROUTE_OPEN || auth_allows(c));
}

/* ---- what the query says -------------------------------------------------------------------- */

/* A filter without a value filters nothing: client libraries write those. */
const char *call_query(const struct call *c, const char *name)
{
	const char *v = query_given(c, name);

	return v && *v ? v : NULL;
}

bool call_query_bool(struct call *c, const char *name, bool *ret)
{
	const char *text = query_given(c, name);

	*ret = text && strcmp(text, "true") == 0;
	if (!text || *ret || strcmp(text, "false") == 0)
		return true;
	call_fail(c, ERR_REQUEST_INVALID, "%s must be true or false", name);
	return false;
}

bool call_query_int(struct call *c, const char *name, int64_t dflt, int64_t least, int64_t most,
	bool clamp, int64_t *ret)
{
	const char *text = call_query(c, name);
	int64_t v = dflt;

	if (text && !view_seq_parse(text, &v)) {
		call_fail(c, ERR_REQUEST_INVALID, "%s must be a whole number", name);
		return false;
	}
	if (clamp && v > most)
		v = most;
	if (v < least || v > most) {
		call_fail(c, ERR_REQUEST_LIMIT, "%s must be from %lld to %lld", name,
			(long long)least, (long long)most);
		return false;
	}
	*ret = v;
	return true;
}
