/* SPDX-License-Identifier: MIT
 *
 * Cross-origin requests (Fetch Standard): the origins of --allow-origin, exactly, and none else.
 * Signed blobs answer any origin, because whoever has the link may have the bytes.
 */
#include "api/api_impl.h"

#include <string.h>
#include <strings.h>

static const char allow_headers[] = "Authorization, Content-Type, Idempotency-Key, If-None-Match, "
				    "Last-Event-ID, Prefer";
static const char expose_headers[] = "Location, Retry-After, ETag, Preference-Applied, RateLimit, "
				     "RateLimit-Policy, X-Request-Id";

static bool is_listed(const struct api_opts *o, const char *origin)
{
	for (size_t i = 0; origin && i < o->allow_origins_n; i++)
		if (strcmp(o->allow_origins[i], origin) == 0)
			return true;
	return false;
}

/* scheme://host[:port] of a URL equals the origin */
static bool is_origin_of(const char *url, const char *origin)
{
	const char *at = url ? strstr(url, "://") : NULL;
	size_t n = at ? (size_t)(at + 3 - url) + strcspn(at + 3, "/") : 0;

	return n && strlen(origin) == n && strncasecmp(url, origin, n) == 0;
}

/* The page was loaded from the very name that this request was sent to. */
static bool is_own_host(const struct call *c, const char *origin)
{
	const char *host = http_header(c->r, "Host"), *at = strstr(origin, "://");

	return host && at && strcasecmp(at + 3, host) == 0;
}

bool origin_is_ours(const struct call *c, const char *origin)
{
	return is_listed(&c->api->o, origin) || is_origin_of(c->base_url, origin) ||
		is_own_host(c, origin);
}

static struct http_field *field(const char *name, const char *value, struct http_field *next,
	struct arena *a)
{
	struct http_field *f = arena_alloc(a, sizeof(*f));

	*f = (struct http_field){ .name = name, .value = value, .next = next };
	return f;
}

const struct http_field *cors_fields(const struct api_opts *o, const char *origin, struct arena *a)
{
	struct http_field *fields = NULL;

	if (is_listed(o, origin)) {
		fields = field("Access-Control-Expose-Headers", expose_headers, fields, a);
		fields = field("Access-Control-Allow-Origin", origin, fields, a);
	}
	return o->allow_origins_n ? field("Vary", "Origin", fields, a) : NULL;
}

void cors_headers(struct call *c)
{
	const struct http_field *f = cors_fields(&c->api->o, http_header(c->r, "Origin"), c->a);

	if (c->route && (c->route->flags & ROUTE_ANYONE)) {
		http_set(c->r, "Access-Control-Allow-Origin", "*");
		return;
	}
	for (; f; f = f->next)
		http_set(c->r, f->name, f->value);
}

bool cors_preflight(struct call *c)
{
	const char *origin = http_header(c->r, "Origin");

	if (strcmp(c->method, "OPTIONS") != 0 || !origin ||
		!http_header(c->r, "Access-Control-Request-Method"))
		return false;
	if (is_listed(&c->api->o, origin)) {
		http_set(c->r, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE");
		http_set(c->r, "Access-Control-Allow-Headers", allow_headers);
		http_set(c->r, "Access-Control-Max-Age", "600");
	}
	call_respond(c, 204, NULL, NULL, 0);
	return true;
}
