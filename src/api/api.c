/* SPDX-License-Identifier: MIT
 *
 * The table of routes and the way through it. A request is matched against the path first and the
 * method second, so that an unknown path is 404 and a known one with another method 405; HEAD is
 * wherever GET is. Handlers run on request threads and may block; whoever waits for a job parks.
 */
#include "api/api_impl.h"

#include "base/url.h"

#include <string.h>

static const struct route routes[] = {
	{ "POST", "/v1/jobs", jobs_post, ROUTE_SUBMIT },
	{ "GET", "/v1/jobs", jobs_list, 0 },
	{ "PUT", "/v1/jobs/{id}", jobs_put, 0 },
	{ "GET", "/v1/jobs/{id}", job_get, ROUTE_TOKEN },
	{ "DELETE", "/v1/jobs/{id}", job_delete, 0 },
	{ "GET", "/v1/jobs/{id}/items", items_list, ROUTE_TOKEN },
	{ "GET", "/v1/jobs/{id}/items/{item}", item_get, ROUTE_TOKEN },
	{ "GET", "/v1/jobs/{id}/manifest", manifest_get, ROUTE_TOKEN },
	{ "GET", "/v1/jobs/{id}/archive", archive_get, ROUTE_TOKEN },
	{ "GET", "/v1/jobs/{id}/events", events_get, ROUTE_TOKEN },
	{ "POST", "/v1/jobs/{id}/cancel", job_cancel, 0 },
	{ "POST", "/v1/jobs/{id}/retry", job_retry, 0 },
	{ "GET", "/v1/events", events_many, ROUTE_EACH },
	{ "GET", "/v1/blobs/{*}", blob_get_signed, ROUTE_OPEN | ROUTE_ANYONE },
	{ "POST", "/v1/results", results_post, ROUTE_OPEN },
	{ "POST", "/v1/tokens", tokens_post, ROUTE_ANY_SCOPE },
	{ "GET", "/v1/presets", presets_get, 0 },
	{ "GET", "/v1/usage", usage_get, 0 },
	{ "GET", "/v1/deliveries", deliveries_list, 0 },
	{ "POST", "/v1/deliveries/{id}/redeliver", redeliver, 0 },
	{ "GET", "/healthz", health_get, ROUTE_OPEN | ROUTE_OPS },
	{ "GET", "/readyz", ready_get, ROUTE_OPEN | ROUTE_OPS },
	{ "GET", "/metrics", metrics_get, ROUTE_ADMIN | ROUTE_OPS },
	{ "GET", "/", page_get, ROUTE_OPEN },
	{ "GET", "/page/{*}", page_get, ROUTE_OPEN },
	{ "GET", "/openapi.json", page_get, ROUTE_OPEN | ROUTE_ANYONE },
	{ "GET", "/asyncapi.json", page_get, ROUTE_OPEN | ROUTE_ANYONE },
	{ "GET", "/errors/{code}", page_error_get, ROUTE_OPEN },
};

/* ---- matching ------------------------------------------------------------------------------- */

/* One segment of the path against one of the pattern; both are moved on. */
static bool match_segment(const char **pattern, const char **path, struct arena *a,
	const char **arg)
{
	size_t pn = strcspn(*pattern, "/"), n = strcspn(*path, "/");
	bool is_arg = **pattern == '{';
	bool rest = strncmp(*pattern, "{*}", pn) == 0;

	if (rest)
		n = strlen(*path);
	if (is_arg ? n == 0 : n != pn || memcmp(*pattern, *path, n) != 0)
		return false;
	if (is_arg) {
		char *text = arena_strndup(a, *path, n);
		if (url_decode(text, false) < 0)
			return false;
		*arg = text;
	}
	*pattern += pn;
	*path += n;
	return true;
}

static bool match(const char *pattern, const char *path, struct arena *a,
	const char *args[CALL_ARGS])
{
	size_t n = 0;

	for (;;) {
		if (*pattern != '/' || *path != '/')
			return *pattern == *path;
		pattern++;
		path++;
		const char *arg = NULL;
		if (!match_segment(&pattern, &path, a, &arg))
			return false;
		if (arg)
			args[n++] = arg;
	}
}

static bool method_fits(const struct route *rt, const char *method)
{
	return strcmp(rt->method, method) == 0 ||
		(strcmp(method, "HEAD") == 0 && strcmp(rt->method, "GET") == 0);
}

/* The route, or with NULL the methods that this path knows ("" : none). */
static const struct route *find_route(struct call *c, const char *path, const char **ret_allow)
{
	unsigned need = c->api->o.ops_only ? ROUTE_OPS : 0;
	const char *allow = "";

	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		const struct route *rt = &routes[i];
		if ((rt->flags & need) != need || !match(rt->pattern, path, c->a, c->args))
			continue;
		if (method_fits(rt, c->method))
			return rt;
		allow = arena_printf(c->a, "%s%s%s%s", allow, *allow ? ", " : "", rt->method,
			strcmp(rt->method, "GET") == 0 ? ", HEAD" : "");
	}
	*ret_allow = allow;
	return NULL;
}

/* A proxy may leave the prefix of the public URL in the path; then it is taken off here. */
static const char *without_prefix(const struct call *c, const char *path)
{
	const char *host = c->base_url ? strstr(c->base_url, "://") : NULL;
	const char *prefix = host ? strchr(host + 3, '/') : NULL;
	size_t n = prefix ? strlen(prefix) : 0;

	return n && strncmp(path, prefix, n) == 0 && path[n] == '/' ? path + n : NULL;
}

static const struct route *route_of(struct call *c, const char **ret_allow)
{
	const char *path = http_path(c->r), *inner;
	const struct route *rt = find_route(c, path, ret_allow);

	if (!rt && !**ret_allow && (inner = without_prefix(c, path)))
		rt = find_route(c, inner, ret_allow);
	return rt;
}

/* ---- the way through ------------------------------------------------------------------------ */

static void call_run(struct call *c)
{
	const char *allow = "";

	if (!context_open(c))
		return;
	c->route = route_of(c, &allow);
	cors_headers(c);
	if ((c->route || *allow) && cors_preflight(c))
		return;
	if (!c->route && *allow) {
		http_set(c->r, "Allow", allow);
		call_fail(c, ERR_REQUEST_METHOD, "%s is not among the methods of this path: %s",
			c->method, allow);
	} else if (!c->route) {
		call_fail(c, ERR_NOT_FOUND, "there is nothing at this path");
	} else if (context_may(c)) {
		c->route->handle(c);
	}
}

void api_handle(void *ctx, struct http_request *r)
{
	struct call *c = arena_alloc(http_arena(r), sizeof(*c));

	*c = (struct call){ .api = ctx,
		.r = r,
		.a = http_arena(r),
		.method = http_method(r),
		.tenant = TENANT_DEFAULT,
		.is_websocket = http_is_websocket(r),
		.cache_control = "no-store" };
	http_on_answer(r, call_count, c);
	call_run(c);
}

void api_problem(void *ctx, const struct http_refusal *q, struct arena *a, struct http_problem *ret)
{
	struct api *api = ctx;
	const char *instance = arena_printf(a, "urn:request:%s", q->request_id);
	/* Behind a proxy, or on every address, there is no one name; then the link is relative. */
	bool one_name = !api->o.open && api->o.trusted_proxies_n == 0;
	autojson *doc = view_problem(q->code, q->detail, instance,
		api->public_url    ? api->public_url
			: one_name ? api->o.self_url
				   : NULL);
	autofree char *text = json_text(doc);

	*ret = (struct http_problem){ .body = arena_strdup(a, text),
		.n = strlen(text),
		.fields = cors_fields(&api->o, q->origin, a) };
}

/* ---- life ----------------------------------------------------------------------------------- */

/* No slash at the end; sockets' schemes become those of requests. */
static char *tidy_url(const char *url)
{
	if (!url)
		return NULL;
	bool ws = strncmp(url, "ws", 2) == 0;
	char *s = ws ? mem_printf("http%s", url + 2) : mem_strdup(url);
	for (size_t n = strlen(s); n > 0 && s[n - 1] == '/'; n--)
		s[n - 1] = '\0';
	return s;
}

enum err_code api_new(const struct api_opts *o, struct api **ret, struct err *e)
{
	struct api *a = mem_new(struct api);

	(void)e;
	a->o = *o;
	a->public_url = tidy_url(o->public_url);
	a->events_url = tidy_url(o->events_url);
	a->blob_url = tidy_url(o->blob_url);
	a->ready_ms = INT64_MIN / 2;
	pthread_mutex_init(&a->ready_lock, NULL);
	*ret = a;
	return OK;
}

void api_free(struct api *a)
{
	if (!a)
		return;
	pthread_mutex_destroy(&a->ready_lock);
	free(a->public_url);
	free(a->events_url);
	free(a->blob_url);
	free(a);
}

void api_set_draining(struct api *a)
{
	atomic_store(&a->draining, true);
}
