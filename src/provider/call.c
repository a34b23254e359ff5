/* SPDX-License-Identifier: MIT
 *
 * remove.bg's HTTP API. POST /removebg: the picture as a multipart field, and what form the answer
 * is to have: size "full" (the picture's own resolution; smaller ones would cost the same or show),
 * as PNG, or above PROVIDER_PNG_MAX_PIXELS, where it serves no PNG, as a ZIP of colour and alpha.
 * Errors are JSON in any case. GET /account is free.
 *
 * There is no cancel here: a request that left may have been paid for, and its answer is wanted.
 */
#include "provider/call.h"

#include "base/mem.h"

#define CONNECT_MS         15000
#define ACCOUNT_TIMEOUT_MS 20000

static bool on_status(void *ctx, int status)
{
	((struct answer *)ctx)->status = status;
	return true;
}

static bool on_header(void *ctx, const char *name, const char *value)
{
	answer_field(ctx, name, value);
	return true;
}

static bool on_body(void *ctx, const void *data, size_t n)
{
	return answer_add(ctx, data, n);
}

static void do_call(const struct provider *p, const char *path, struct net_request *r,
	struct answer *ret)
{
	const struct net_header headers[] = { { "X-Api-Key", p->key },
		{ "Accept", r->parts != NULL ? "image/*, application/zip" : "application/json" },
		{ "User-Agent", "bulb" } };
	autofree char *url = mem_printf("%s%s", p->url, path);
	struct net_client *client = net_client_new(p->opts.guard);
	struct net_response response;
	struct err e;
	r->url = url;
	r->headers = headers;
	r->headers_n = ARRAY_LEN(headers);
	r->once = true;
	r->connect_ms = CONNECT_MS;
	r->sent = &ret->sent;
	r->on_status = on_status;
	r->on_header = on_header;
	r->on_body = on_body;
	r->ctx = ret;
	if (net_do(client, r, &response, &e) != OK)
		ret->error = e;
	net_client_free(client);
}

void call_cut(const struct provider *p, const struct provider_call *c, struct answer *ret)
{
	bool large = (int64_t)c->width * c->height > PROVIDER_PNG_MAX_PIXELS;
	const struct net_part parts[] = {
		{ .name = "size", .value = "full" },
		{ .name = "format", .value = large ? "zip" : "png" },
		{ .name = "image_file",
			.fd = c->fd,
			.bytes = c->bytes,
			.media_type = c->media_type,
			.filename = "picture" },
	};
	struct net_request r = { .method = "POST",
		.parts = parts,
		.parts_n = ARRAY_LEN(parts),
		.total_ms = p->opts.timeout_ms };
	ret->expects_file = true;
	do_call(p, "/removebg", &r, ret);
}

void call_account(const struct provider *p, struct answer *ret)
{
	int64_t ms = p->opts.timeout_ms;
	struct net_request r = { .method = "GET",
		.total_ms = ms > 0 && ms < ACCOUNT_TIMEOUT_MS ? ms : ACCOUNT_TIMEOUT_MS };
	do_call(p, "/account", &r, ret);
}
