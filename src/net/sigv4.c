/* SPDX-License-Identifier: MIT
 *
 * Signature Version 4 as S3 wants it: each byte but A-Z a-z 0-9 - . _ ~ is percent-encoded once, in
 * upper case ('/' stays in a path), paths are not tidied, the query is sorted after encoding and
 * every parameter has its '='. What was signed is the very string that is sent, so no two encoders
 * can disagree. Other services sign the path encoded once more than it is sent.
 *
 * libcurl can sign too, but the rules it follows changed with almost every release, and it cannot
 * presign.
 */
#include "net/sigv4.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/url.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
enum {
	DAY_LEN = 8,    /* 20130524 */
	STAMP_MAX = 17, /* 20130524T000000Z */
	OWN_HEADERS_MAX = 4,
	OWN_PARAMS_MAX = 6,
};

void aws_keys_done(struct aws_keys *k)
{
	char *const secrets[] = { k->access_key, k->secret_key, k->session_token };
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		if (secrets[i] != NULL)
			mem_wipe(secrets[i], strlen(secrets[i]));
		free(secrets[i]);
	}
	*k = (struct aws_keys){ 0 };
}

void aws_keys_copy(struct aws_keys *to, const struct aws_keys *from)
{
	*to = (struct aws_keys){
		.access_key = mem_strdup(from->access_key),
		.secret_key = mem_strdup(from->secret_key),
		.session_token = mem_strdup(from->session_token),
		.expires_ms = from->expires_ms,
	};
}

/* ---- the parts of the canonical request ---- */

static void format_stamp(int64_t wall_ms, char out[STAMP_MAX])
{
	char t[CLOCK_RFC3339_MAX]; /* 2013-05-24T00:00:00.000Z */
	clock_format_rfc3339(wall_ms, t);
	snprintf(out, STAMP_MAX, "%.4s%.2s%.2sT%.2s%.2s%.2sZ", t, t + 5, t + 8, t + 11, t + 14,
		t + 17);
}

static int by_name(const void *a, const void *b)
{
	const struct net_header *x = a, *y = b;
	int names = strcmp(x->name, y->name);
	return names != 0 ? names : strcmp(x->value, y->value);
}

static struct net_header *sorted(const struct net_header *v, size_t n, struct arena *a)
{
	struct net_header *copy = arena_alloc(a, (n + 1) * sizeof(*copy));
	if (n > 0)
		memcpy(copy, v, n * sizeof(*v));
	qsort(copy, n, sizeof(*copy), by_name);
	return copy;
}

/* Lines of text put together, one by one. */
struct text {
	struct arena *arena;
	const char *s;
};

static void add(struct text *t, const char *before, const char *a, const char *between,
	const char *b)
{
	t->s = arena_printf(t->arena, "%s%s%s%s%s", t->s, before, a, between, b);
}

static const char *canonical_query(const struct net_header *q, size_t n, struct arena *a)
{
	struct net_header *coded = arena_alloc(a, (n + 1) * sizeof(*coded));
	for (size_t i = 0; i < n; i++)
		coded[i] = (struct net_header){ .name = url_encode(q[i].name, false, a),
			.value = url_encode(q[i].value, false, a) };
	coded = sorted(coded, n, a);
	struct text t = { a, "" };
	for (size_t i = 0; i < n; i++)
		add(&t, i != 0 ? "&" : "", coded[i].name, "=", coded[i].value);
	return t.s;
}

static const char *signed_names(const struct net_header *h, size_t n, struct arena *a)
{
	struct text t = { a, "" };
	for (size_t i = 0; i < n; i++)
		add(&t, i != 0 ? ";" : "", h[i].name, "", "");
	return t.s;
}

static const char *host_of(const char *origin)
{
	const char *host = strstr(origin, "://");
	assert(host != NULL);
	return host + 3;
}

/* ---- the signature ---- */

struct signing {
	const struct sigv4_signer *s;
	const struct sigv4_request *r;
	struct arena *arena;
	char stamp[STAMP_MAX];
	const char *scope, *path, *query;
	const struct net_header *headers; /* sorted, host among them */
	size_t headers_n;
	const char *names;
};

static void start(struct signing *g, const struct sigv4_signer *s, const struct sigv4_request *r,
	struct arena *a)
{
	*g = (struct signing){ .s = s, .r = r, .arena = a };
	assert(r->path[0] == '/');
	format_stamp(s->wall_ms, g->stamp);
	g->scope = arena_printf(a, "%.*s/%s/%s/aws4_request", DAY_LEN, g->stamp, s->region,
		s->service);
	g->path = url_encode(r->path, true, a);
}

static void set_headers(struct signing *g, const struct net_header *h, size_t n)
{
	g->headers = sorted(h, n, g->arena);
	g->headers_n = n;
	g->names = signed_names(g->headers, n, g->arena);
}

static const char *canonical_request(const struct signing *g)
{
	bool is_s3 = strcmp(g->s->service, "s3") == 0;
	struct text t = { g->arena, g->r->method };
	add(&t, "\n", is_s3 ? g->path : url_encode(g->path, true, g->arena), "\n", g->query);
	add(&t, "\n", "", "", "");
	for (size_t i = 0; i < g->headers_n; i++) {
		add(&t, g->headers[i].name, ":", g->headers[i].value, "\n");
	}
	add(&t, "\n", g->names, "\n", g->r->payload);
	return t.s;
}

static void derive_key(const struct signing *g, uint8_t key[SHA256_LEN])
{
	char *first = mem_printf("AWS4%s", g->s->keys->secret_key);
	hmac_sha256(first, strlen(first), g->stamp, DAY_LEN, key);
	mem_wipe(first, strlen(first));
	free(first);
	const char *const parts[] = { g->s->region, g->s->service, "aws4_request" };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		uint8_t next[SHA256_LEN];
		hmac_sha256(key, SHA256_LEN, parts[i], strlen(parts[i]), next);
		memcpy(key, next, SHA256_LEN);
	}
}

static const char *signature(const struct signing *g)
{
	const char *request = canonical_request(g);
	uint8_t digest[SHA256_LEN], key[SHA256_LEN];
	char hex[HEX_MAX(SHA256_LEN)];
	sha256_of(request, strlen(request), digest);
	hex_format(digest, sizeof(digest), hex);
	const char *text = arena_printf(g->arena, ALGORITHM "\n%s\n%s\n%s", g->stamp, g->scope,
		hex);
	derive_key(g, key);
	hmac_sha256(key, sizeof(key), text, strlen(text), digest);
	mem_wipe(key, sizeof(key));
	hex_format(digest, sizeof(digest), hex);
	return arena_strdup(g->arena, hex);
}

/* ---- the two ways to carry it ---- */

void sigv4_sign(const struct sigv4_signer *s, const struct sigv4_request *r, struct arena *a,
	struct sigv4_signed *ret)
{
	struct signing g;
	start(&g, s, r, a);
	size_t n = r->headers_n;
	struct net_header *h = arena_alloc(a, (n + OWN_HEADERS_MAX + 1) * sizeof(*h));
	if (n > 0)
		memcpy(h, r->headers, n * sizeof(*h));
	h[n++] = (struct net_header){ "x-amz-content-sha256", r->payload };
	h[n++] = (struct net_header){ "x-amz-date", arena_strdup(a, g.stamp) };
	if (s->keys->session_token != NULL)
		h[n++] = (struct net_header){ "x-amz-security-token",
			arena_strdup(a, s->keys->session_token) };
	h[n] = (struct net_header){ "host", host_of(r->origin) }; /* the client's to send */
	set_headers(&g, h, n + 1);
	g.query = canonical_query(r->query, r->query_n, a);
	h[n++] = (struct net_header){ "authorization",
		arena_printf(a, ALGORITHM " Credential=%s/%s,SignedHeaders=%s,Signature=%s",
			s->keys->access_key, g.scope, g.names, signature(&g)) };
	ret->url = arena_printf(a, "%s%s%s%s", r->origin, g.path, g.query[0] != '\0' ? "?" : "",
		g.query);
	ret->headers = h;
	ret->headers_n = n;
}

char *sigv4_presign(const struct sigv4_signer *s, const struct sigv4_request *r, int64_t seconds,
	struct arena *a)
{
	assert(seconds > 0 && seconds <= SIGV4_PRESIGN_SECONDS_MAX);
	struct signing g;
	start(&g, s, r, a);
	struct net_header *h = arena_alloc(a, (r->headers_n + 1) * sizeof(*h));
	if (r->headers_n > 0)
		memcpy(h, r->headers, r->headers_n * sizeof(*h));
	h[r->headers_n] = (struct net_header){ "host", host_of(r->origin) };
	set_headers(&g, h, r->headers_n + 1);
	size_t n = r->query_n;
	struct net_header *q = arena_alloc(a, (n + OWN_PARAMS_MAX) * sizeof(*q));
	if (n > 0)
		memcpy(q, r->query, n * sizeof(*q));
	q[n++] = (struct net_header){ "X-Amz-Algorithm", ALGORITHM };
	q[n++] = (struct net_header){ "X-Amz-Credential",
		arena_printf(a, "%s/%s", s->keys->access_key, g.scope) };
	q[n++] = (struct net_header){ "X-Amz-Date", g.stamp };
	q[n++] = (struct net_header){ "X-Amz-Expires",
		arena_printf(a, "%lld", (long long)seconds) };
	q[n++] = (struct net_header){ "X-Amz-SignedHeaders", g.names };
	if (s->keys->session_token != NULL)
		q[n++] = (struct net_header){ "X-Amz-Security-Token", s->keys->session_token };
	g.query = canonical_query(q, n, a);
	return arena_printf(a, "%s%s?%s&X-Amz-Signature=%s", r->origin, g.path, g.query,
		signature(&g));
}
