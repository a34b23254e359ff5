/* SPDX-License-Identifier: MIT
 *
 * What a function says and hears outside its pictures are small documents.
 */
#include "lambda/call.h"

struct net_client *call_client_new(void)
{
	static const struct net_guard off = { .off = true };
	return net_client_new(&off);
}

void call_done(struct call_answer *a)
{
	buf_done(&a->body);
}

struct exchange {
	const struct call *call;
	struct call_answer *answer;
};

static bool on_header(void *ctx, const char *name, const char *value)
{
	const struct call *k = ((struct exchange *)ctx)->call;
	k->on_header(k->ctx, name, value);
	return true;
}

static bool on_body(void *ctx, const void *data, size_t n)
{
	return buf_add(&((struct exchange *)ctx)->answer->body, data, n);
}

enum err_code call_do(struct net_client *c, const struct call *k, struct call_answer *ret,
	struct err *e)
{
	*ret = (struct call_answer){ .body = BUF_INIT(
					     k->max_bytes ? k->max_bytes : CALL_TEXT_MAX) };
	struct exchange x = { k, ret };
	struct net_response res = { 0 };
	struct net_request r = {
		.method = k->method,
		.url = k->url,
		.headers = k->headers,
		.headers_n = k->headers_n,
		.body = k->body,
		.body_n = k->body_n,
		.connect_ms = k->connect_ms,
		.total_ms = k->total_ms,
		.once = k->once,
		.on_header = k->on_header ? on_header : NULL,
		.on_body = on_body,
		.ctx = &x,
	};
	if (net_do(c, &r, &res, e) != OK)
		return e->code;
	ret->status = res.status;
	if (res.stopped)
		return err_set(e, ERR_REQUEST_TOO_LARGE, "the answer is longer than %zu bytes",
			ret->body.max);
	return OK;
}
