/* SPDX-License-Identifier: MIT
 *
 * llhttp in strict mode splits the bytes; this file collects them and decides what is acceptable.
 * Every byte of a head passes h1_guard first.
 */
#include "http/h1.h"

#include "base/clock.h"
#include "base/id.h"
#include "http/h1_guard.h"
#include "http/origin.h"

#include <assert.h>
#include <llhttp.h>
#include <string.h>
#include <strings.h>

struct h1 {
	llhttp_t parser;
	struct h1_guard guard;
	struct h1_limits *limits;
	struct h1_message m;
	struct buf text;        /* url\0name\0value\0name\0value\0… */
	size_t fields, name_at; /* name_at: where the field in hand begins in text */
	bool headed, whole, wants_continue;
	char last;          /* byte of the feed before */
	struct err refused; /* set by a callback */
	const char *origin; /* of a refused request, in the arena */
};

/* ---- the message --------------------------------------------------------------------------- */

void h1_body_done(struct h1_message *m, struct h1_limits *l)
{
	bodies_sub(&l->bodies, &m->client, m->body.len);
	buf_done(&m->body);
}

void h1_message_done(struct h1_message *m, struct h1_limits *l)
{
	h1_body_done(m, l);
	arena_free(m->arena);
	*m = (struct h1_message){ 0 };
}

static const struct http_field *field_find(const struct http_field *f, const char *name)
{
	while (f && strcasecmp(f->name, name) != 0)
		f = f->next;
	return f;
}

const char *h1_header(const struct h1_message *m, const char *name)
{
	const struct http_field *f = field_find(m->fields, name);
	if (!f)
		return NULL;
	const char *value = f->value;
	while ((f = field_find(f->next, name)) != NULL)
		value = arena_printf(m->arena, "%s, %s", value, f->value);
	return value;
}

bool h1_list_has(const char *list, const char *token)
{
	size_t want = strlen(token);
	for (const char *p = list; p && *p;) {
		p += strspn(p, " \t,");
		size_t n = strcspn(p, ",");
		size_t len = n;
		while (len && (p[len - 1] == ' ' || p[len - 1] == '\t'))
			len--;
		if (len == want && strncasecmp(p, token, len) == 0)
			return true;
		p += n;
	}
	return false;
}

/* ---- llhttp's callbacks: -1 with h->refused set ends the parse ----------------------------- */

static int refuse(struct h1 *h, enum err_code code, const char *text)
{
	err_set(&h->refused, code, "%s", text);
	return -1;
}

static int add_text(struct h1 *h, const char *at, size_t n)
{
	if (h->headed)
		return refuse(h, ERR_REQUEST_MALFORMED, "trailer fields are not taken");
	if (!buf_add(&h->text, at, n))
		return refuse(h, ERR_REQUEST_HEADERS_TOO_LARGE, "the head is too large");
	return 0;
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
	struct h1 *h = p->data;
	if (h->text.len + n > H1_URI_BYTES)
		return refuse(h, ERR_REQUEST_URI_TOO_LONG, "the URI is over 8192 bytes");
	return add_text(h, at, n);
}

static int on_span(llhttp_t *p, const char *at, size_t n)
{
	return add_text(p->data, at, n);
}

static int on_span_end(llhttp_t *p)
{
	return add_text(p->data, "", 1);
}

static int on_name_end(llhttp_t *p)
{
	struct h1 *h = p->data;
	if (++h->fields > H1_FIELDS)
		return refuse(h, ERR_REQUEST_HEADERS_TOO_LARGE, "there are over 64 header fields");
	if (!h->text.len || h->text.data[h->text.len - 1] == '\0')
		return refuse(h, ERR_REQUEST_MALFORMED, "a header field has no name");
	return add_text(h, "", 1);
}

static enum err_code refuse_body(enum bodies_answer answer, struct err *e)
{
	return err_set(e, ERR_OVERLOADED, "too many request bodies %s in flight",
		answer == BODIES_FULL ? "are" : "of one client are");
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
	struct h1 *h = p->data;
	if (h->m.body.len + n > h->limits->max_body) {
		err_set(&h->refused, ERR_REQUEST_TOO_LARGE, "the body is over %zu bytes",
			h->limits->max_body);
		return -1;
	}
	enum bodies_answer answer = bodies_add(&h->limits->bodies, &h->m.client, n);
	if (answer != BODIES_FIT)
		return refuse_body(answer, &h->refused) ? -1 : 0;
	if (!buf_add(&h->m.body, at, n)) {
		bodies_sub(&h->limits->bodies, &h->m.client, n);
		return refuse(h, ERR_OVERLOADED, "there is no memory for the body");
	}
	return 0;
}

static int on_whole(llhttp_t *p)
{
	struct h1 *h = p->data;
	h->whole = true;
	h->m.keep_alive = llhttp_should_keep_alive(p);
	return HPE_PAUSED;
}

/* ---- the head is there: what do we take? --------------------------------------------------- */

/* The text collected by the callbacks becomes strings and fields of the message. */
static const char *split_head(struct h1 *h)
{
	struct h1_message *m = &h->m;
	char *text = arena_alloc(m->arena, h->text.len + 1);
	if (h->text.len)
		memcpy(text, h->text.data, h->text.len);
	const char *end = text + h->text.len;
	struct http_field **next = &m->fields;
	for (char *name = text + strlen(text) + 1; name < end;) {
		struct http_field *f = arena_alloc(m->arena, sizeof(*f));
		f->name = name;
		f->value = name + strlen(name) + 1;
		size_t n = strlen(f->value);
		name = (char *)f->value + n + 1;
		while (n && (f->value[n - 1] == ' ' || f->value[n - 1] == '\t'))
			((char *)f->value)[--n] = '\0';
		*next = f;
		next = &f->next;
	}
	return text;
}

/* origin-form, and absolute-form, whose authority then stands for Host (RFC 9112 §3.2). */
static enum err_code split_target(struct h1_message *m, char *target, struct err *e)
{
	struct http_field *host = (struct http_field *)field_find(m->fields, "host");
	if (strncasecmp(target, "http://", 7) == 0 && host) {
		char *authority = target + 7;
		size_t n = strcspn(authority, "/?");
		host->value = arena_strndup(m->arena, authority, n);
		target = authority[n] == '/' ? authority + n
					     : arena_printf(m->arena, "/%s", authority + n);
	}
	if (target[0] != '/' || strchr(target, '#'))
		return err_set(e, ERR_REQUEST_MALFORMED, "the request target is not a path");
	char *query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	m->path = target;
	m->query = query;
	return OK;
}

static enum err_code check_framing(const struct h1 *h, struct err *e)
{
	const struct h1_message *m = &h->m;
	const struct http_field *host = field_find(m->fields, "host");
	if ((!host && m->minor == 1) || (host && field_find(host->next, "host")))
		return err_set(e, ERR_REQUEST_MALFORMED, "exactly one Host field is needed");
	const char *coding = h1_header(m, "transfer-encoding");
	if (coding && (m->minor == 0 || strcasecmp(coding, "chunked") != 0))
		return err_set(e, ERR_REQUEST_MALFORMED,
			"no Transfer-Encoding but chunked is taken, and that in HTTP/1.1");
	if (coding && h1_header(m, "content-length"))
		return err_set(e, ERR_REQUEST_MALFORMED,
			"both Content-Length and Transfer-Encoding");
	return OK;
}

static void find_client(struct h1 *h)
{
	struct h1_message *m = &h->m;
	const struct h1_limits *l = h->limits;
	m->client = m->peer;
	if (l->client)
		m->client = l->client(l->ctx, &m->peer, h1_header(m, "forwarded"),
			h1_header(m, "x-forwarded-for"), m->arena);
}

static enum err_code check_body(struct h1 *h, struct err *e)
{
	uint64_t bytes = h->parser.flags & F_CONTENT_LENGTH ? h->parser.content_length : 0;
	if (bytes > h->limits->max_body)
		return err_set(e, ERR_REQUEST_TOO_LARGE, "the body is over %zu bytes",
			h->limits->max_body);
	find_client(h);
	enum bodies_answer answer = bodies_ask(&h->limits->bodies, &h->m.client, bytes);
	if (bytes && answer != BODIES_FIT)
		return refuse_body(answer, e);
	const char *expect = h1_header(&h->m, "expect");
	if (expect && strcasecmp(expect, "100-continue") != 0)
		return err_set(e, ERR_REQUEST_EXPECTATION,
			"the only expectation that is met is 100-continue");
	h->wants_continue = expect && h->m.minor == 1 && (bytes || h->parser.flags & F_CHUNKED);
	return OK;
}

static void take_id(struct h1_message *m)
{
	const char *id = h1_header(m, "x-request-id");
	size_t n = id ? strlen(id) : 0;
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz0123456789-_."
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	if (n && n <= H1_ID_MAX && strspn(id, ok) == n)
		memcpy(m->id, id, n + 1);
}

static int on_head(llhttp_t *p)
{
	struct h1 *h = p->data;
	struct h1_message *m = &h->m;
	struct err *e = &h->refused;
	if (h->text.full || !h->guard.done)
		return refuse(h, ERR_REQUEST_MALFORMED, "the head does not end in an empty line");
	char *target = (char *)split_head(h);
	h->headed = true;
	m->method = llhttp_method_name(p->method);
	m->minor = p->http_minor;
	take_id(m);
	m->upgrade = h1_list_has(h1_header(m, "connection"), "upgrade") &&
		h1_list_has(h1_header(m, "upgrade"), "websocket");
	return check_framing(h, e) || split_target(m, target, e) || check_body(h, e) ? -1 : 0;
}

/* ---- the parser ---------------------------------------------------------------------------- */

/* Only read, but llhttp's pointer to it is not const. */
static llhttp_settings_t settings = {
	.on_url = on_url,
	.on_url_complete = on_span_end,
	.on_header_field = on_span,
	.on_header_field_complete = on_name_end,
	.on_header_value = on_span,
	.on_header_value_complete = on_span_end,
	.on_headers_complete = on_head,
	.on_body = on_body,
	.on_message_complete = on_whole,
};

static void begin(struct h1 *h)
{
	llhttp_init(&h->parser, HTTP_REQUEST, &settings);
	h->parser.data = h;
	h->guard = (struct h1_guard){ 0 };
	h->text.len = 0;
	h->text.full = false;
	h->fields = 0;
	h->headed = h->whole = h->wants_continue = false;
}

struct h1 *h1_new(struct h1_limits *l, const struct ip *peer)
{
	struct h1 *h = mem_new(struct h1);
	h->limits = l;
	h->m.peer = *peer;
	h->text.max = H1_URI_BYTES + H1_HEAD_BYTES + 256;
	begin(h);
	return h;
}

void h1_free(struct h1 *h)
{
	if (!h)
		return;
	h1_message_done(&h->m, h->limits);
	buf_done(&h->text);
	free(h);
}

/* The first byte of a request has come. */
static void first_byte(struct h1 *h)
{
	h->m.arena = arena_new();
	h->m.body.max = h->limits->max_body + 1;
	h->m.started_us = clock_mono_us();
	id_new(h->m.id);
}

/* Does what was used end in CRLF? llhttp takes a bare LF for the end of a chunked body. */
static bool ends_in_crlf(const struct h1 *h, const char *data, size_t used)
{
	return used && data[used - 1] == '\n' && (used > 1 ? data[used - 2] : h->last) == '\r';
}

static enum h1_result judge(struct h1 *h, llhttp_errno_t code, const char *data, size_t *ret_used,
	struct err *e)
{
	if (code == HPE_PAUSED && h->whole) {
		*ret_used = (size_t)(llhttp_get_error_pos(&h->parser) - data);
		if (!(h->parser.flags & F_CHUNKED) || ends_in_crlf(h, data, *ret_used))
			return H1_WHOLE;
		err_set(&h->refused, ERR_REQUEST_MALFORMED, "a chunked body ends in a bare LF");
	}
	if (code == HPE_OK)
		return H1_MORE;
	if (h->refused.code)
		*e = h->refused;
	else
		err_set(e, ERR_REQUEST_MALFORMED, "%s", llhttp_get_error_reason(&h->parser));
	return H1_REFUSED;
}

enum h1_result h1_feed(struct h1 *h, const char *data, size_t n, size_t *ret_used, struct err *e)
{
	*ret_used = n;
	if (n && !h->m.arena)
		first_byte(h);
	bool headed = h->headed, in_line = h->guard.line || h->guard.cr;
	enum h1_result result = H1_REFUSED;
	if (!h1_guard_pass(&h->guard, data, n, e))
		result = judge(h, llhttp_execute(&h->parser, data, n), data, ret_used, e);
	if (result == H1_REFUSED && !headed)
		h->origin = origin_in_lines(data, n, in_line, h->m.arena);
	if (n)
		h->last = data[n - 1];
	return result;
}

void h1_take(struct h1 *h, struct h1_message *ret)
{
	assert(h->whole);
	*ret = h->m;
	h->m = (struct h1_message){ .peer = ret->peer };
	buf_done(&h->text);
	begin(h);
}

enum h1_phase h1_phase(const struct h1 *h)
{
	return !h->m.arena ? H1_IDLE : !h->headed ? H1_HEAD : H1_BODY;
}

size_t h1_body_bytes(const struct h1 *h)
{
	return h->m.body.len;
}

bool h1_continue(struct h1 *h)
{
	bool now = h->wants_continue && h->headed && !h->whole && h->m.body.len == 0;
	h->wants_continue = false;
	return now;
}

const char *h1_origin(const struct h1 *h)
{
	if (!h->m.arena)
		return NULL;
	const char *of_fields = origin_in_fields(h->text.data, h->text.len, h->m.arena);
	return of_fields ? of_fields : h->origin;
}

const char *h1_id(const struct h1 *h)
{
	return h->m.id;
}
