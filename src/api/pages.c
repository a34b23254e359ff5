/* SPDX-License-Identifier: MIT
 *
 * The page at / and the pages that problems point to. Everything comes out of the binary, and the
 * policy allows scripts and styles from there only: what a stranger put into a tag or a URL stays
 * text.
 */
#include "api/api_impl.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/embed.h"

#include <string.h>

extern const struct embedded api_page[]; /* the files of page/ and documents/ */

/* Where the store's own links lead, for a browser follows redirects only to origins that the policy
 * names; NULL where it has none. Any key will do. */
static const char *store_url(const struct call *c)
{
	autofree char *url = NULL;
	struct err e;

	if (blob_link(c->api->o.blob, "GET", "x", clock_wall_ms(), 1, &url, &e) != OK)
		return NULL;
	return arena_strdup(c->a, url);
}

/* The origins that pictures come from and sockets go to, in the four schemes they may have. */
static const char *policy_hosts(const struct call *c)
{
	const char *const urls[] = { c->base_url, c->events_url, c->api->blob_url, store_url(c) };
	const char *hosts = "";

	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		const char *at = urls[i] ? strstr(urls[i], "://") : NULL;
		if (!at)
			continue;
		const char *host = arena_strndup(c->a, at + 3, strcspn(at + 3, "/"));
		bool tls = strncmp(urls[i], "https", 5) == 0;
		hosts = arena_printf(c->a, "%s %s://%s %s://%s", hosts, tls ? "https" : "http",
			host, tls ? "wss" : "ws", host);
	}
	return hosts;
}

static void set_policy(struct call *c)
{
	const char *hosts = policy_hosts(c);

	http_set(c->r, "Content-Security-Policy",
		arena_printf(c->a,
			"default-src 'none'; script-src 'self'; style-src 'self'; "
			"img-src 'self' data:%s; connect-src 'self'%s; base-uri 'none'; form-action 'none'; "
			"frame-ancestors 'none'",
			hosts, hosts));
	http_set(c->r, "Referrer-Policy", "no-referrer");
}

static const char *type_of(const char *name)
{
	static const char *const types[][2] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".json", "application/json" },
	};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < ARRAY_LEN(types); i++)
		if (strcmp(dot, types[i][0]) == 0)
			return types[i][1];
	return "application/octet-stream";
}

static const char *etag_of(struct call *c, const struct embedded *f)
{
	uint8_t digest[SHA256_LEN];
	char hex[HEX_MAX(SHA256_LEN)];

	sha256_of(f->data, f->bytes, digest);
	hex_format(digest, sizeof(digest), hex);
	return arena_printf(c->a, "\"%.16s\"", hex);
}

void page_get(struct call *c)
{
	const char *name = c->args[0] ? c->args[0] : c->route->pattern + 1;

	if (!*name)
		name = "index.html";
	for (const struct embedded *f = api_page; f->name; f++) {
		if (strcmp(f->name, name) != 0)
			continue;
		set_policy(c);
		c->cache_control = "no-cache";
		http_set(c->r, "ETag", etag_of(c, f));
		call_respond(c, 200, type_of(name), f->data, f->bytes);
		return;
	}
	call_fail(c, ERR_NOT_FOUND, "there is no such page");
}

/* Texts come from the table of errors and hold nothing that HTML would read. */
void page_error_get(struct call *c)
{
	enum err_code code = err_from_name(c->args[0]);
	CLEANUP(buf_done) struct buf b = BUF_INIT(16384);

	if (code == OK || code >= ERR_COUNT) {
		call_fail(c, ERR_NOT_FOUND, "there is no such error code");
		return;
	}
	buf_printf(&b,
		"<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width\">\n"
		"<title>%s - bulb</title>\n"
		"<link rel=\"stylesheet\" href=\"../page/style.css\">\n<main class=\"plain\">\n<h1>%s</h1>\n"
		"<p>What happened: %s.</p>\n<p>What to do: %s</p>\n"
		"<p>HTTP status %d; %s.</p>\n</main>\n",
		err_name(code), err_name(code), err_title(code), err_hint(code), err_http(code),
		err_retryable(code) ? "the same request may pass another time"
				    : "the same request will not pass another time");
	set_policy(c);
	c->cache_control = "no-cache";
	call_respond(c, 200, "text/html; charset=utf-8", buf_str(&b), b.len);
}
