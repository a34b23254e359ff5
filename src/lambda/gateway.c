/* SPDX-License-Identifier: MIT
 *
 * What a client sent and what the gateway knows stand side by side in an event. Links in the server's
 * answers are made from X-Forwarded-*, so those are written here from the gateway's own members
 * (requestContext); a client that sends such fields itself changes nothing.
 *
 * The path: a REST API leaves the stage out of it, an HTTP API does not, and a custom domain may have
 * put something else before it. Where the route is the usual /{proxy+}, what it matched is the path.
 */
#include "lambda/gateway.h"

#include "base/buf.h"
#include "base/digest.h"
#include "base/url.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define HEADERS_MAX    256
#define PATH_MAX_BYTES (64 << 10)

/* ---- header fields ---------------------------------------------------------------------------- */

static bool is_among(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(name, list[i]) == 0)
			return true;
	return false;
}

bool gateway_is_hop(const char *name)
{
	static const char *const hop[] = { "Connection", "Keep-Alive", "Proxy-Connection",
		"Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer", "Transfer-Encoding",
		"Upgrade", "Content-Length", "Expect" };
	return is_among(name, hop, ARRAY_LEN(hop));
}

/* Written by us, or of no use to a server that answers a function. */
static bool is_ours(const char *name)
{
	static const char *const ours[] = { "Host", "Forwarded", "X-Forwarded-For",
		"X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-Prefix",
		"Accept-Encoding" };
	return gateway_is_hop(name) || is_among(name, ours, ARRAY_LEN(ours));
}

/* Is it named in Connection, and so for the next hop only? */
static bool is_named(const char *list, const char *name)
{
	size_t n = strlen(name);
	for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',') {
		p += strspn(p, " \t");
		size_t len = strcspn(p, ", \t");
		if (len == n && strncasecmp(p, name, n) == 0)
			return true;
	}
	return false;
}

static bool is_field(const char *name, const char *value)
{
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("!#$%&'*+-.^_`|~", *p))
			return false;
	return *name && !strpbrk(value, "\r\n");
}

struct fields {
	struct net_header *v;
	size_t n;
	const char *connection;
};

static void add(struct fields *f, const char *name, const char *value)
{
	if (value && f->n < HEADERS_MAX)
		f->v[f->n++] = (struct net_header){ name, value };
}

static void add_clients(struct fields *f, const char *name, const char *value)
{
	if (value && is_field(name, value) && !is_ours(name) && !is_named(f->connection, name))
		add(f, name, value);
}

/* A field of the client's, whatever case it is written in; of several values the last. */
static const char *sent(const json_t *event, const char *name)
{
	const char *key = NULL;
	json_t *v;
	json_object_foreach(json_object_get(event, "multiValueHeaders"), key, v)
	{
		if (strcasecmp(key, name) == 0 && json_array_size(v) > 0)
			return json_string_value(json_array_get(v, json_array_size(v) - 1));
	}
	json_object_foreach(json_object_get(event, "headers"), key, v)
	{
		if (strcasecmp(key, name) == 0)
			return json_string_value(v);
	}
	return NULL;
}

static void add_all(struct fields *f, const json_t *event, struct arena *a)
{
	const json_t *many = json_object_get(event, "multiValueHeaders");
	const char *name = NULL;
	size_t i;
	json_t *v, *one;
	json_object_foreach(json_is_object(many) ? (json_t *)(uintptr_t)many
						 : json_object_get(event, "headers"),
		name, v)
	{
		if (!json_is_array(v))
			add_clients(f, name, json_string_value(v));
		else
			json_array_foreach(v, i, one) add_clients(f, name, json_string_value(one));
	}
	struct buf cookies = BUF_INIT(PATH_MAX_BYTES);
	json_array_foreach(json_object_get(event, "cookies"), i, v)
	{
		if (json_is_string(v))
			buf_printf(&cookies, "%s%s", cookies.len ? "; " : "", json_string_value(v));
	}
	if (cookies.len)
		add_clients(f, "Cookie", arena_strdup(a, buf_str(&cookies)));
	buf_done(&cookies);
}

/* ---- who asked, and by which name ------------------------------------------------------------- */

struct context {
	const char *host, *proto, *port, *client, *id;
};

static struct context read_context(const json_t *event)
{
	const json_t *c = json_object_get(event, "requestContext");
	const json_t *http = json_object_get(c, "http");
	const char *proto = sent(event, "X-Forwarded-Proto");
	struct context x = {
		.host = json_get_str(c, "domainName", NULL),
		.proto = proto && strcasecmp(proto, "http") == 0 ? "http" : "https",
		.client = json_get_str(http, "sourceIp",
			json_get_str(json_object_get(c, "identity"), "sourceIp", NULL)),
		.id = json_get_str(c, "requestId", NULL),
	};
	if (!x.host) {
		x.host = sent(event, "Host");
		x.port = sent(event, "X-Forwarded-Port");
	}
	return x;
}

/* What proxies before the gateway wrote, and last whom the gateway itself saw. */
static const char *forwarded_for(const char *list, const char *client, struct arena *a)
{
	const char *last = list ? strrchr(list, ',') : NULL;
	last = last ? last + 1 + strspn(last + 1, " \t") : list;
	if (!client)
		return list;
	if (!list || !*list)
		return client;
	return strcmp(last, client) == 0 ? list : arena_printf(a, "%s, %s", list, client);
}

static void add_ours(struct fields *f, const json_t *event, const struct gateway_request *r,
	struct arena *a)
{
	struct context x = read_context(event);
	const char *chain = forwarded_for(sent(event, "X-Forwarded-For"), x.client, a);
	const struct net_header ours[] = {
		{ "X-Forwarded-For", chain },
		{ "X-Forwarded-Host", x.host },
		{ "X-Forwarded-Proto", x.proto },
		{ "X-Forwarded-Port", x.port },
		{ "X-Forwarded-Prefix", r->prefix[0] ? r->prefix : NULL },
		{ "X-Request-Id", sent(event, "X-Request-Id") ? NULL : x.id },
	};
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (ours[i].value && is_field(ours[i].name, ours[i].value))
			add(f, ours[i].name, ours[i].value);
}

const char *gateway_header(const struct gateway_request *r, const char *name)
{
	for (size_t i = 0; i < r->headers_n; i++)
		if (strcasecmp(r->headers[i].name, name) == 0)
			return r->headers[i].value;
	return NULL;
}

/* ---- path and query --------------------------------------------------------------------------- */

/* As a URL may have it; what is encoded already stays. */
static char *encode_rest(const char *s, const char *plain, struct arena *a)
{
	struct buf out = BUF_INIT(3 * PATH_MAX_BYTES);
	for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
		bool is_escape = *p == '%' && isxdigit(p[1]) && isxdigit(p[2]);
		if (is_escape || isalnum(*p) || strchr(plain, *p))
			buf_putc(&out, (char)*p);
		else
			buf_printf(&out, "%%%02X", *p);
	}
	char *text = arena_strdup(a, buf_str(&out));
	buf_done(&out);
	return text;
}

/* Does `path` end with the route's greedy part, and how long is what stands before? -1: it has none. */
static long before_proxy(const json_t *event, const char *path)
{
	const char *route = json_get_str(event, "resource", json_get_str(event, "routeKey", ""));
	const char *proxy = json_get_str(json_object_get(event, "pathParameters"), "proxy", NULL);
	const char *greedy = strrchr(route, '/');
	size_t n = strlen(path), len = proxy ? strlen(proxy) : 0;
	if (!len || !greedy || strcmp(greedy, "/{proxy+}") != 0 || strchr(route, '/') != greedy)
		return -1;
	if (n <= len || strcmp(path + n - len, proxy) != 0 || path[n - len - 1] != '/')
		return -1;
	return (long)(n - len - 1);
}

static bool begins(const char *path, const char *stage)
{
	size_t n = strlen(stage);
	return n > 0 && path[0] == '/' && strncmp(path + 1, stage, n) == 0 &&
		(path[n + 1] == '/' || path[n + 1] == '\0');
}

/* own: the event's path. whole: the request's, which in a REST API's event has more before it. */
static long prefix_length(const json_t *event, const char *own, const char *whole)
{
	const json_t *context = json_object_get(event, "requestContext");
	size_t n = strlen(whole), len = strlen(own);
	long at = before_proxy(event, whole);
	if (at >= 0)
		return at;
	if (n > len)
		return (long)(n - len);
	/* Only HTTP APIs write a version, and leave their stage in the path. */
	const char *stage = json_get_str(context, "stage", "");
	bool is_http_api = json_get_str(event, "version", NULL) != NULL;
	return is_http_api && begins(own, stage) ? (long)strlen(stage) + 1 : 0;
}

static char *query_of(const json_t *event, struct arena *a)
{
	const json_t *many = json_object_get(event, "multiValueQueryStringParameters");
	const json_t *single = json_object_get(event, "queryStringParameters");
	bool is_raw = json_object_get(json_object_get(event, "requestContext"), "elb") != NULL;
	const char *plain = is_raw ? "-._~+!*" : "-._~";
	struct buf out = BUF_INIT(PATH_MAX_BYTES);
	const char *name = NULL;
	json_t *v;
	json_object_foreach(json_is_object(many) ? (json_t *)(uintptr_t)many
						 : (json_t *)(uintptr_t)single,
		name, v)
	{
		size_t n = json_is_array(v) ? json_array_size(v) : 1;
		for (size_t i = 0; i < n; i++) {
			const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
			const char *value = json_string_value(one);
			if (!value)
				continue;
			/* Decoded where it comes from an API: '%' is a character like others. */
			buf_printf(&out, "%s%s=%s", out.len ? "&" : "",
				is_raw ? encode_rest(name, plain, a) : url_encode(name, false, a),
				is_raw ? encode_rest(value, plain, a)
				       : url_encode(value, false, a));
		}
	}
	char *text = arena_strdup(a, buf_str(&out));
	buf_done(&out);
	return text;
}

static enum err_code read_path(const json_t *event, struct gateway_request *r, struct arena *a,
	struct err *e)
{
	const json_t *context = json_object_get(event, "requestContext");
	bool v2 = r->version == 2;
	const char *own = json_get_str(event, v2 ? "rawPath" : "path", "/");
	const char *whole = v2 ? own : json_get_str(context, "path", own);
	size_t n = strlen(whole), len = strlen(own);
	if (own[0] != '/' || whole[0] != '/' || n > PATH_MAX_BYTES)
		return err_set(e, ERR_REQUEST_INVALID, "the event's path begins with no slash");
	if (n < len || strcmp(whole + n - len, own) != 0)
		whole = own;
	long at = prefix_length(event, own, whole);
	const char *path = whole[at] ? whole + at : "/";
	r->prefix = arena_strndup(a, whole, (size_t)at);
	const char *query = v2 ? json_get_str(event, "rawQueryString", "") : query_of(event, a);
	if (v2)
		query = encode_rest(query, "-._~!$&'()*+,;=:@/?[]", a);
	r->path = arena_printf(a, "%s%s%s", encode_rest(path, "-._~!$&'()*+,;=:@/", a),
		*query ? "?" : "", query);
	return OK;
}

/* ---- body ------------------------------------------------------------------------------------- */

static enum err_code read_body(const json_t *event, struct gateway_request *r, struct arena *a,
	struct err *e)
{
	const char *body = json_get_str(event, "body", NULL);
	if (!body)
		return OK;
	r->body = body;
	r->body_n = strlen(body);
	if (!json_get_bool(event, "isBase64Encoded", false))
		return OK;
	void *bytes = mem_try_alloc(r->body_n + 1);
	size_t n = r->body_n;
	if (!bytes)
		return err_set(e, ERR_MEMORY, "no memory for a body");
	bool is_good = base64_parse(body, r->body_n, bytes, &n);
	if (is_good)
		r->body = memcpy(arena_alloc(a, n + 1), bytes, n);
	r->body_n = n;
	free(bytes);
	return is_good ? OK : err_set(e, ERR_REQUEST_INVALID, "the event's body is no base64");
}

static bool is_token(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");
	return n > 0 && n < 32 && s[n] == '\0';
}

enum err_code gateway_parse(const json_t *event, struct arena *a, struct gateway_request *ret,
	struct err *e)
{
	const json_t *context = json_object_get(event, "requestContext");
	const json_t *http = json_object_get(context, "http");
	struct gateway_request r = { .version = json_is_object(http) ? 2 : 1 };
	r.method = r.version == 2 ? json_get_str(http, "method", "")
				  : json_get_str(event, "httpMethod", "");
	r.id = json_get_str(context, "requestId", NULL);
	if (!is_token(r.method))
		return err_set(e, ERR_REQUEST_INVALID, "the event has no method");
	if (read_path(event, &r, a, e) != OK || read_body(event, &r, a, e) != OK)
		return e->code;
	struct fields f = { .v = arena_alloc(a, HEADERS_MAX * sizeof(*f.v)),
		.connection = sent(event, "Connection") };
	add_ours(&f, event, &r, a); /* first: a client's many fields do not push them out */
	add_all(&f, event, a);
	r.headers = f.v;
	r.headers_n = f.n;
	*ret = r;
	return OK;
}
