/* SPDX-License-Identifier: MIT
 *
 * A download is a chain of at most six exchanges. Redirects are followed here, not by libcurl, so
 * that each target passes what the first URL passed: parsing, --allow-source, the guard; and so
 * that the caller's headers go to the caller's origin only.
 *
 * Compression is not asked for: images are compressed already, and what is kept must be byte-equal
 * to what the origin has. A server that sends gzip all the same is taken at its word: the source is
 * what is inside, and the limit counts the inside. Any other encoding (S3 keeps "aws-chunked" when
 * an uploader set it) is taken for none: the URL is asked once more and the bytes stay as they are.
 */
#include "fetch/fetch.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "fetch/allow.h"
#include "fetch/file.h"
#include "fetch/hosts.h"
#include "fetch/receive.h"
#include "fetch/sink.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	REDIRECTS_MAX = 5,
	OWN_HEADERS_MAX = 5,
};

struct fetch {
	struct arena *arena; /* of what opts points to */
	struct fetch_opts opts;
	struct hosts *hosts;
};
struct fetch_lane {
	const struct fetch *fetch;
	struct net_client *client;
	int64_t scope; /* of the connections that are open */
	struct receive receive;
};

/* One call of fetch_get. */
struct chain {
	struct fetch_lane *lane;
	const struct fetch_request *request;
	struct fetch_result *ret;
	struct arena *arena;
	struct sink sink;
	struct url first, now;
	const char *been[REDIRECTS_MAX + 1]; /* normalised */
	size_t hops;                         /* redirects followed */
	bool abroad;                         /* left the first origin, for good */
	int64_t deadline_ms;
};

struct fetch *fetch_new(const struct fetch_opts *o)
{
	struct fetch *f = mem_new(struct fetch);
	f->arena = arena_new();
	f->opts = *o;
	struct cidr *allow = arena_alloc(f->arena, o->guard.allow_n * sizeof(*allow));
	for (size_t i = 0; i < o->guard.allow_n; i++)
		allow[i] = o->guard.allow[i];
	const char **sources = arena_alloc(f->arena, o->sources_n * sizeof(*sources));
	for (size_t i = 0; i < o->sources_n; i++)
		sources[i] = arena_strdup(f->arena, o->sources[i]);
	f->opts.guard.allow = allow;
	f->opts.sources = sources;
	f->opts.user_agent = arena_strdup(f->arena, o->user_agent);
	f->hosts = hosts_new(o->per_host);
	return f;
}

void fetch_free(struct fetch *f)
{
	if (f == NULL)
		return;
	hosts_free(f->hosts);
	arena_free(f->arena);
	free(f);
}

struct fetch_lane *fetch_lane_new(struct fetch *f)
{
	struct fetch_lane *l = mem_new(struct fetch_lane);
	l->fetch = f;
	l->client = net_client_new(&f->opts.guard);
	return l;
}

void fetch_lane_free(struct fetch_lane *l)
{
	if (l == NULL)
		return;
	net_client_free(l->client);
	free(l);
}

bool fetch_host_enter(struct fetch *f, const char *host)
{
	return hosts_enter(f->hosts, host);
}

void fetch_host_leave(struct fetch *f, const char *host, int64_t retry_after_ms)
{
	hosts_leave(f->hosts, host, retry_after_ms);
}

size_t fetch_full_hosts(struct fetch *f, char ***ret)
{
	return hosts_full(f->hosts, ret);
}

/* ---- one exchange ---- */

static bool caller_sends(const struct chain *c, const char *name)
{
	for (size_t i = 0; i < c->request->headers_n && !c->abroad; i++)
		if (strcasecmp(c->request->headers[i].name, name) == 0)
			return true;
	return false;
}

/* Ours, less what the caller sends himself, then the caller's while we are at his origin. */
static struct net_header *make_headers(const struct chain *c, size_t *ret_n)
{
	const struct fetch_request *r = c->request;
	const struct net_header own[OWN_HEADERS_MAX] = {
		{ "Accept", "image/*, */*;q=0.1" },
		{ "Accept-Encoding", "identity" },
		{ "User-Agent", c->lane->fetch->opts.user_agent },
		{ "If-None-Match", r->etag },
		{ "If-Modified-Since", r->last_modified },
	};
	struct net_header *list = arena_alloc(c->arena,
		(OWN_HEADERS_MAX + r->headers_n) * sizeof(*list));
	size_t n = 0;
	for (size_t i = 0; i < OWN_HEADERS_MAX; i++)
		if (own[i].value != NULL && own[i].value[0] != '\0' &&
			!caller_sends(c, own[i].name))
			list[n++] = own[i];
	for (size_t i = 0; i < r->headers_n && !c->abroad; i++)
		list[n++] = r->headers[i];
	*ret_n = n;
	return list;
}

static enum err_code ask(struct chain *c, bool undo_encoding, int64_t left_ms, struct err *e)
{
	const struct fetch_opts *o = &c->lane->fetch->opts;
	struct receive *in = &c->lane->receive;
	struct net_request r = {
		.method = "GET",
		.url = url_format(&c->now, c->arena),
		.connect_ms = o->connect_ms > 0 && o->connect_ms < left_ms ? o->connect_ms
									   : left_ms,
		.total_ms = left_ms,
		.low_speed_bytes = o->low_speed_bytes,
		.low_speed_ms = o->low_speed_ms,
		.accept_encoding = undo_encoding, /* our own header asks for none */
		.cancel = c->request->cancel,
		.on_status = receive_status,
		.on_header = receive_header,
		.on_body = receive_body,
		.ctx = in,
	};
	r.headers = make_headers(c, &r.headers_n);
	receive_start(in, &c->sink, undo_encoding, c->request->bytes_total);
	struct net_response answer;
	enum err_code rc = net_do(c->lane->client, &r, &answer, e);
	if (rc == OK && in->rc != OK) {
		*e = in->why;
		rc = in->rc;
	}
	return rc;
}

static enum err_code exchange(struct chain *c, struct err *e)
{
	const struct receive *in = &c->lane->receive;
	enum err_code rc;
	bool undo_encoding = true;
	do {
		int64_t left_ms = c->deadline_ms - clock_mono_ms();
		if (left_ms <= 0)
			return err_set(e, ERR_FETCH_TIMEOUT, "redirects took longer than %lld ms",
				(long long)c->lane->fetch->opts.total_ms);
		rc = ask(c, undo_encoding, left_ms, e);
		undo_encoding = false;
	} while (in->odd_encoding);
	/* A status that settles the matter counts, even if the rest of that answer went wrong. */
	return rc == ERR_CANCELED || in->status == 0 || receive_is_body(in) ? rc : OK;
}

/* ---- the chain ---- */

static enum err_code not_allowed(const struct url *u, struct err *e)
{
	return err_set(e, ERR_FETCH_BLOCKED_ADDRESS,
		"'%.100s' is no source that may be downloaded; --allow-source %.100s would allow it",
		u->host, u->host);
}

/* Where the answer sends us becomes where we are. */
static enum err_code follow(struct chain *c, struct err *e)
{
	const struct receive *in = &c->lane->receive;
	struct url target;
	struct err why;
	if (in->location[0] == '\0')
		return err_set(e, ERR_FETCH_REDIRECT, "a redirect (%d) without a Location",
			in->status);
	if (c->hops == REDIRECTS_MAX)
		return err_set(e, ERR_FETCH_REDIRECT, "more than %d redirects", REDIRECTS_MAX);
	if (url_resolve(&c->now, in->location, c->arena, &target, &why) != OK)
		return err_set(e, ERR_FETCH_REDIRECT, "a redirect to a bad URL: %s", why.text);
	if (target.has_userinfo)
		return err_set(e, ERR_FETCH_REDIRECT, "a redirect to a URL with a user name");
	const char *name = url_normalise(&target, c->arena);
	for (size_t i = 0; i <= c->hops; i++)
		if (strcmp(c->been[i], name) == 0)
			return err_set(e, ERR_FETCH_REDIRECT, "redirects go round in a loop");
	c->been[++c->hops] = name;
	c->now = target;
	c->abroad = c->abroad || !url_same_origin(&c->first, &target);
	return OK;
}

static enum err_code walk(struct chain *c, struct err *e)
{
	const struct fetch_opts *o = &c->lane->fetch->opts;
	for (;;) {
		if (!source_allowed(o->sources, o->sources_n, &c->now, c->arena))
			return not_allowed(&c->now, e);
		enum err_code rc = exchange(c, e);
		if (rc != OK || !receive_is_redirect(&c->lane->receive))
			return rc;
		rc = follow(c, e);
		if (rc != OK)
			return rc;
	}
}

/* What the last answer means. */
static enum err_code settle(struct chain *c, struct err *e)
{
	const struct receive *in = &c->lane->receive;
	struct fetch_result *ret = c->ret;
	snprintf(ret->etag, sizeof(ret->etag), "%s", in->etag);
	snprintf(ret->last_modified, sizeof(ret->last_modified), "%s", in->last_modified);
	if (in->status == 304 && (c->request->etag != NULL || c->request->last_modified != NULL)) {
		ret->not_modified = true;
		return OK;
	}
	if (receive_is_body(in))
		return sink_end(&c->sink, ret, e);
	return err_set(e, ERR_FETCH_STATUS, "'%.100s' answered %d", c->now.host, in->status);
}

static enum err_code get_http(struct chain *c, struct err *e)
{
	struct fetch_lane *l = c->lane;
	if (l->scope != c->request->scope)
		net_client_forget(l->client);
	l->scope = c->request->scope;
	l->receive.status = 0; /* before the first answer */
	l->receive.retry_after_ms = 0;
	c->been[0] = url_normalise(&c->first, c->arena);
	c->deadline_ms = clock_mono_ms() + l->fetch->opts.total_ms;
	enum err_code rc = walk(c, e);
	if (rc == OK)
		rc = settle(c, e);
	if (c->hops > 0)
		snprintf(c->ret->final_url, sizeof(c->ret->final_url), "%s",
			url_for_log(url_format(&c->now, c->arena), c->arena));
	c->ret->status = l->receive.status;
	if (rc != OK) {
		e->source_status = l->receive.status;
		e->retry_after_ms = l->receive.retry_after_ms;
	}
	return rc;
}

static enum err_code get_file(struct chain *c, struct err *e)
{
	if (!c->lane->fetch->opts.allow_files)
		return err_set(e, ERR_REQUEST_INVALID, "a URL must start with http:// or https://");
	enum err_code rc = file_fetch(&c->now, c->request, &c->sink, c->ret, e);
	return rc == OK && !c->ret->not_modified ? sink_end(&c->sink, c->ret, e) : rc;
}

enum err_code fetch_get(struct fetch_lane *l, const struct fetch_request *r,
	struct fetch_result *ret, struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct chain c = { .lane = l,
		.request = r,
		.ret = ret,
		.arena = a,
		.sink = SINK_INIT(l->fetch->opts.max_bytes, r->bytes) };
	*ret = (struct fetch_result){ .fd = -1 };
	if (r->bytes != NULL)
		atomic_store(r->bytes, 0);
	if (r->bytes_total != NULL)
		atomic_store(r->bytes_total, -1);
	enum err_code rc = url_parse(r->url, a, &c.first, e);
	c.now = c.first;
	if (rc == OK && c.first.has_userinfo)
		rc = err_set(e, ERR_REQUEST_INVALID,
			"the URL holds a user name: send an Authorization header instead");
	else if (rc == OK)
		rc = strcmp(c.now.scheme, "file") == 0 ? get_file(&c, e) : get_http(&c, e);
	metric_add(METRIC_FETCH_BYTES, (double)c.sink.bytes, NULL, NULL, NULL);
	sink_done(&c.sink);
	return rc;
}
