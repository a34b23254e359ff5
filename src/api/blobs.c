/* SPDX-License-Identifier: MIT
 *
 * Bytes of originals and variants, by signed link. A key is never used twice, so an answer may be
 * kept for ever; and because an original is a stranger's file, a browser is told to treat it as
 * nothing but what its type says, in a sandbox of its own.
 */
#include "api/api_impl.h"

#include "base/clock.h"

#include <string.h>

#define LINK_HOUR_MS (3600 * 1000ll)

static const char *media_type(const char *key)
{
	const char *dot = strrchr(key, '.');
	enum format f;

	if (dot && format_parse(dot + 1, &f) && f != FORMAT_NONE)
		return format_media_type(f);
	return "application/octet-stream";
}

/* The store's own link at the hour's begin, good for two: what is kept of the redirect, for one hour,
 * never outlives it, and within an hour everybody is sent to one URL. False: it has none. */
static bool redirect(struct call *c, const char *key, struct err *e)
{
	int64_t hour_ms = view_link_hour(clock_wall_ms()) * LINK_HOUR_MS;
	autofree char *url = NULL;

	if (blob_link(c->api->o.blob, http_method(c->r), key, hour_ms, 2 * LINK_HOUR_MS / 1000,
		    &url, e) != OK) {
		call_fail_err(c, e);
		return true;
	}
	if (!url)
		return false;
	http_set(c->r, "Location", url);
	http_set(c->r, "Cache-Control", "private, max-age=3600");
	http_set(c->r, "Cross-Origin-Resource-Policy", "cross-origin");
	http_respond(c->r, 302, "", 0);
	return true;
}

static bool may_read(const struct call *c, const char *key, struct err *e)
{
	if (strlen(key) > BLOB_KEY_LEN_MAX)
		return err_set(e, ERR_BLOB_NOT_FOUND, "no key is so long") == OK;
	return view_blob_check(key, call_query(c, "exp"), call_query(c, "sig"), c->api->o.link_key,
		       clock_wall_ms(), e) == OK;
}

void blob_get_signed(struct call *c)
{
	const char *key = c->args[0];
	struct err e = { 0 };
	int fd;
	int64_t bytes;

	if (!may_read(c, key, &e)) {
		call_fail_err(c, &e);
		return;
	}
	if (redirect(c, key, &e))
		return;
	if (blob_get(c->api->o.blob, key, &fd, &bytes, &e) != OK) {
		call_fail_err(c, &e);
		return;
	}
	http_set(c->r, "Content-Type", media_type(key));
	http_set(c->r, "Cache-Control", "public, max-age=31536000, immutable");
	http_set(c->r, "ETag", arena_printf(c->a, "\"%s\"", key));
	http_set(c->r, "Content-Security-Policy", "default-src 'none'; sandbox");
	http_set(c->r, "Cross-Origin-Resource-Policy", "cross-origin");
	http_respond_file(c->r, fd, bytes);
}
