/* SPDX-License-Identifier: MIT
 *
 * Answers become bytes here, on the thread that answers, so that the loop only writes. Whatever a
 * handler puts into a header, none of it can end the line: control characters become spaces.
 */
#include "http/http_impl.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/metrics.h"

#include <llhttp.h>
#include <string.h>
#include <strings.h>

#define HEAD_BYTES_MAX (256 << 10)
#define LARGE_BYTES    (64 << 10) /* what is smaller is bounded by the number of connections */

void http_out_done(struct http_out *o)
{
	if (o->answers)
		atomic_fetch_sub(o->answers, o->held);
	free(o->data);
	fd_close(&o->fd);
	*o = (struct http_out){ .fd = -1 };
}

static const char *status_text(int status)
{
	switch (status) {
#define REASON(num, name, string)                                                                  \
	case num:                                                                                  \
		return #name;
		HTTP_STATUS_MAP(REASON)
#undef REASON
	default:
		return "OTHER";
	}
}

/* "NOT_FOUND" reads "Not Found", and "OK" stays. */
static void put_status(struct buf *out, int status)
{
	buf_printf(out, "HTTP/1.1 %d ", status);
	const char *name = status_text(status);
	for (size_t i = 0; name[i]; i++) {
		bool first = i == 0 || name[i - 1] == '_' || status == 200;
		bool letter = name[i] >= 'A' && name[i] <= 'Z';
		buf_putc(out, name[i] == '_' ? ' ' : letter && !first ? name[i] | 0x20 : name[i]);
	}
	buf_puts(out, "\r\n");
}

static void put_field(struct buf *out, const char *name, const char *value)
{
	buf_puts(out, name);
	buf_puts(out, ": ");
	for (const char *p = value; *p; p++)
		buf_putc(out, (unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : *p);
	buf_puts(out, "\r\n");
}

/* What every answer carries. */
static void put_common(struct buf *out, const char *request_id)
{
	char date[CLOCK_RFC3339_MAX];
	clock_format_http(clock_wall_ms(), date);
	put_field(out, "Date", date);
	put_field(out, "X-Request-Id", request_id);
	put_field(out, "X-Content-Type-Options", "nosniff");
}

static void put_set(const struct http_field *f, struct buf *out)
{
	if (!f)
		return;
	put_set(f->next, out); /* newest first: oldest goes out first */
	put_field(out, f->name, f->value);
}

void respond_head(struct http_request *r, int status, int64_t body_bytes, bool keep_alive,
	struct buf *out)
{
	put_status(out, status);
	put_common(out, r->m.id);
	put_set(r->set, out);
	if (body_bytes >= 0 && status != 204 && status != 304 && status >= 200)
		buf_printf(out, "Content-Length: %lld\r\n", (long long)body_bytes);
	if (status == 101)
		buf_puts(out, "Connection: Upgrade\r\n");
	else if (!keep_alive)
		buf_puts(out, "Connection: close\r\n");
	else if (r->m.minor == 0)
		buf_puts(out, "Connection: keep-alive\r\n");
	buf_puts(out, "\r\n");
}

/* One entity tag of a list; weak comparison (RFC 9110 §8.8.3.2). */
static bool etag_is(const char *p, size_t n, const char *etag)
{
	if (n > 2 && p[0] == 'W' && p[1] == '/') {
		p += 2;
		n -= 2;
	}
	if (strncmp(etag, "W/", 2) == 0)
		etag += 2;
	return n == strlen(etag) && memcmp(p, etag, n) == 0;
}

bool etag_matches(const char *list, const char *etag)
{
	for (const char *p = list; p && *p;) {
		p += strspn(p, " \t,");
		const char *end = p;
		bool quoted = false;
		for (; *end && (quoted || (*end != ',' && *end != ' ')); end++)
			quoted ^= *end == '"';
		if ((end - p == 1 && *p == '*') || etag_is(p, (size_t)(end - p), etag))
			return true;
		p = end;
	}
	return false;
}

static bool is_head(const struct http_request *r)
{
	return strcmp(r->m.method, "HEAD") == 0;
}

static const char *was_set(const struct http_request *r, const char *name)
{
	for (const struct http_field *f = r->set; f; f = f->next) {
		if (strcasecmp(f->name, name) == 0)
			return f->value;
	}
	return NULL;
}

static bool not_modified(const struct http_request *r)
{
	const char *etag = was_set(r, "ETag");
	bool reads = is_head(r) || strcmp(r->m.method, "GET") == 0;
	return etag && reads && etag_matches(h1_header(&r->m, "if-none-match"), etag);
}

static void take_out(struct http_request *r, struct buf *b, bool keep_alive)
{
	r->out.bytes = b->len;
	r->out.data = buf_take(b);
	r->out.keep_alive = keep_alive;
}

static bool keeps_alive(const struct http_request *r)
{
	return r->m.keep_alive && !atomic_load(&r->server->draining);
}

/* Readers may take their time, and memory is held meanwhile. One answer always fits. */
static bool answer_fits(struct http_request *r, size_t n)
{
	struct http_server *s = r->server;
	if (n <= LARGE_BYTES)
		return true;
	size_t others = atomic_fetch_add(&s->answers, n);
	if (others && others + n > s->o.max_answers_bytes) {
		atomic_fetch_sub(&s->answers, n);
		return false;
	}
	r->out.answers = &s->answers;
	r->out.held = n;
	return true;
}

void http_respond(struct http_request *r, int status, const void *body, size_t n)
{
	struct buf b = BUF_INIT(n + HEAD_BYTES_MAX);
	bool keep_alive = keeps_alive(r);
	if (status == 200 && not_modified(r))
		status = 304;
	bool has_body = !is_head(r) && status != 204 && status != 304;
	if (has_body && !answer_fits(r, n)) {
		request_refuse(r, ERR_OVERLOADED, "too many large answers wait for their readers");
		return;
	}
	request_status(r, status);
	respond_head(r, status, (int64_t)n, keep_alive, &b);
	if (has_body)
		buf_add(&b, body, n);
	if (b.full) {
		buf_reset(&b);
		keep_alive = false; /* no memory for the answer: the connection ends without one */
	}
	take_out(r, &b, keep_alive);
	request_answered(r);
}

/* ---- files --------------------------------------------------------------------------------- */

enum range { RANGE_ALL, RANGE_PART, RANGE_BAD };

/* "bytes=a-b", "bytes=a-", "bytes=-n" (RFC 9110 §14.1.2). Anything else, several ranges included,
 * is answered whole, as the standard allows. */
static enum range range_parse(const char *s, int64_t bytes, int64_t *ret_at, int64_t *ret_n)
{
	if (!s || strncasecmp(s, "bytes=", 6) != 0)
		return RANGE_ALL;
	s += 6;
	size_t first_n = strspn(s, "0123456789");
	const char *dash = s + first_n;
	if (*dash != '-' || first_n > 18)
		return RANGE_ALL;
	size_t last_n = strspn(dash + 1, "0123456789");
	if (dash[1 + last_n] || last_n > 18 || first_n + last_n == 0)
		return RANGE_ALL;
	int64_t first = strtoll(s, NULL, 10), last = strtoll(dash + 1, NULL, 10);
	if (!first_n) { /* the last n bytes */
		first = last < bytes ? bytes - last : 0;
		last = last ? bytes - 1 : -1;
	} else if (!last_n || last >= bytes) {
		if (last_n && last < first)
			return RANGE_ALL;
		last = bytes - 1;
	} else if (last < first) {
		return RANGE_ALL;
	}
	if (first >= bytes || last < first)
		return RANGE_BAD;
	*ret_at = first;
	*ret_n = last - first + 1;
	return RANGE_PART;
}

/* Range counts only for GET, and only while If-Range still names what we have. */
static enum range wanted_range(const struct http_request *r, int64_t bytes, int64_t *ret_at,
	int64_t *ret_n)
{
	const char *if_range = h1_header(&r->m, "if-range"), *etag = was_set(r, "ETag");
	if (strcmp(r->m.method, "GET") != 0)
		return RANGE_ALL;
	if (if_range && (!etag || strncmp(etag, "W/", 2) == 0 || strcmp(if_range, etag) != 0))
		return RANGE_ALL;
	return range_parse(h1_header(&r->m, "range"), bytes, ret_at, ret_n);
}

void http_respond_file(struct http_request *r, int fd, int64_t bytes)
{
	struct buf b = BUF_INIT(HEAD_BYTES_MAX);
	int64_t at = 0, n = bytes;
	int status = 200;
	bool keep_alive = keeps_alive(r);
	http_set(r, "Accept-Ranges", "bytes");
	if (not_modified(r)) {
		status = 304;
		n = 0;
	} else {
		enum range range = wanted_range(r, bytes, &at, &n);
		status = range == RANGE_ALL ? 200 : range == RANGE_PART ? 206 : 416;
		if (range == RANGE_PART)
			http_set(r, "Content-Range",
				arena_printf(r->m.arena, "bytes %lld-%lld/%lld", (long long)at,
					(long long)(at + n - 1), (long long)bytes));
		if (range == RANGE_BAD) {
			n = 0;
			http_set(r, "Content-Range",
				arena_printf(r->m.arena, "bytes */%lld", (long long)bytes));
		}
	}
	request_status(r, status);
	respond_head(r, status, n, keep_alive, &b);
	take_out(r, &b, keep_alive);
	r->out.fd = fd;
	r->out.file_at = at;
	r->out.file_left = is_head(r) ? 0 : n;
	request_answered(r);
}

/* ---- refusals ------------------------------------------------------------------------------ */

static void count_refusal(enum err_code code)
{
	char status[8];
	snprintf(status, sizeof(status), "%d", err_http(code));
	metric_add(METRIC_HTTP_REQUESTS, 1, "other", "refused", status);
}

static void log_refusal(struct http_server *s, const struct http_refusal *q)
{
	size_t n = atomic_fetch_add(&s->refused, 1) + 1;
	if (server_may_log(&s->refused_logged_ms, 1000)) {
		atomic_fetch_sub(&s->refused, n);
		log_event(LOG_HTTP_REFUSED, NULL, "code=%s request=%s since_last=%zu detail=\"%s\"",
			err_name(q->code), q->request_id, n, q->detail);
	}
}

static void put_refusal(struct buf *out, const struct http_refusal *q, const struct http_problem *p)
{
	put_status(out, err_http(q->code));
	put_common(out, q->request_id);
	put_field(out, "Content-Type", "application/problem+json");
	put_field(out, "Cache-Control", "no-store");
	if (err_retryable(q->code))
		put_field(out, "Retry-After", "1");
	if (q->code == ERR_REQUEST_UPGRADE)
		buf_puts(out,
			"Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n"
			"Connection: upgrade\r\n");
	for (const struct http_field *f = p->fields; f; f = f->next)
		put_field(out, f->name, f->value);
	buf_printf(out, "Content-Length: %zu\r\nConnection: close\r\n\r\n", p->n);
	buf_add(out, p->body, p->n);
}

static struct http_out refusal(struct http_server *s, const struct http_refusal *q)
{
	log_refusal(s, q);
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct http_problem p = { .body = "" };
	s->o.problem(s->o.ctx, q, a, &p);
	struct buf b = BUF_INIT(p.n + HEAD_BYTES_MAX);
	put_refusal(&b, q, &p);
	size_t bytes = b.len;
	return (struct http_out){ .data = buf_take(&b), .bytes = bytes, .fd = -1 };
}

struct http_out respond_refusal(struct http_server *s, const struct http_refusal *q)
{
	struct http_refusal named = *q;
	char made[ID_LEN + 1];
	if (!q->request_id || !q->request_id[0]) {
		id_new(made);
		named.request_id = made;
	}
	count_refusal(q->code);
	return refusal(s, &named);
}

void request_refuse(struct http_request *r, enum err_code code, const char *detail)
{
	struct http_refusal q = { .code = code,
		.detail = detail,
		.request_id = r->m.id,
		.origin = h1_header(&r->m, "origin") };
	request_status(r, err_http(code));
	r->out = refusal(r->server, &q);
	request_answered(r);
}
