/* SPDX-License-Identifier: MIT
 *
 * What a handler sees of a request. The message was read whole on the loop's thread and then handed
 * over; from there to the answer it belongs to one request thread at a time: nothing here locks.
 */
#include "http/http_impl.h"

#include <string.h>

struct http_request *request_new(struct conn *c, struct h1_message *m)
{
	struct http_request *r = mem_new(struct http_request);
	r->server = c->reactor->server;
	r->reactor = c->reactor;
	r->conn = c;
	r->m = *m;
	r->out.fd = -1;
	*m = (struct h1_message){ 0 };
	return r;
}

void http_request_free(struct http_request *r)
{
	if (!r)
		return;
	if (r->part_done)
		r->part_done(r->part_ctx);
	http_out_done(&r->out);
	h1_message_done(&r->m, &r->server->limits);
	free(r);
}

const char *http_method(const struct http_request *r)
{
	return r->m.method;
}

const char *http_path(const struct http_request *r)
{
	return r->m.path;
}

const char *http_query(const struct http_request *r)
{
	return r->m.query;
}

const char *http_header(const struct http_request *r, const char *name)
{
	return h1_header(&r->m, name);
}

const char *http_body(const struct http_request *r, size_t *ret_n)
{
	*ret_n = r->m.body.len;
	return buf_str(&r->m.body);
}

const struct ip *http_peer(const struct http_request *r)
{
	return &r->m.peer;
}

const char *http_request_id(const struct http_request *r)
{
	return r->m.id;
}

struct arena *http_arena(struct http_request *r)
{
	return r->m.arena;
}

bool http_is_websocket(const struct http_request *r)
{
	return r->m.upgrade;
}

int64_t http_started_us(const struct http_request *r)
{
	return r->m.started_us;
}

void http_set(struct http_request *r, const char *name, const char *value)
{
	struct http_field *f = arena_alloc(r->m.arena, sizeof(*f));
	f->name = arena_strdup(r->m.arena, name);
	f->value = arena_strdup(r->m.arena, value);
	f->next = r->set;
	r->set = f;
}

void http_on_answer(struct http_request *r, void (*fn)(void *ctx, int status), void *ctx)
{
	r->on_answer = fn;
	r->on_answer_ctx = ctx;
}

void request_status(struct http_request *r, int status)
{
	if (r->on_answer)
		r->on_answer(r->on_answer_ctx, status);
}

void request_answered(struct http_request *r)
{
	(void)inbox_post(r->reactor->inbox, &r->post); /* open as long as there are requests */
}
