/* SPDX-License-Identifier: MIT
 *
 * URLs: RFC 3986 split and normalisation, for http, https (and file, which only `bulb run` makes).
 */
#ifndef BULB_BASE_URL_H
#define BULB_BASE_URL_H

#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define URL_MAX 4096

struct url {
	char scheme[8]; /* lower case */
	char *host;     /* lower case; IPv6 literals without brackets */
	bool host_is_ipv6;
	bool has_userinfo; /* the userinfo itself is not kept */
	uint16_t port;     /* the scheme's default when absent; 0 for file */
	char *path;        /* at least "/" */
	char *query;       /* without '?'; NULL when absent */
};

/* ERR_REQUEST_INVALID with what is wrong. Strings live in the arena. Refused: other schemes,
 * empty or ill-formed host, '%' or control characters in it, bad ports, spaces and control
 * characters anywhere, over URL_MAX. */
enum err_code url_parse(const char *s, struct arena *a, struct url *ret, struct err *e) MUST_CHECK;
/* The spelling that URLs are compared in: scheme and host case, default port, percent-encoding
 * case and needless encodings, dot segments; fragment and userinfo dropped. */
char *url_normalise(const struct url *u, struct arena *a);
/* The same without the signature parameters of presigned URLs: X-Amz-*, X-Goog-*, and Azure's
 * sig se sp sv sr st spr skoid sktid skt ske sks skv (only where sig and sv are both there). */
char *url_identity(const struct url *u, struct arena *a);
/* Resolve a reference (RFC 3986 §5) such as a Location header against base. */
enum err_code url_resolve(const struct url *base, const char *ref, struct arena *a, struct url *ret,
	struct err *e) MUST_CHECK;
/* Take "." and ".." out of a path that starts with '/', in place (RFC 3986 §5.2.4). */
void url_remove_dots(char *path);
/* The text of u as it was parsed, always with the port; url_parse gives u back. */
char *url_format(const struct url *u, struct arena *a);
/* scheme, host and port agree */
bool url_same_origin(const struct url *a, const struct url *b);
/* For logs and errors: no query, no userinfo, no fragment, cut to 200 characters. */
char *url_for_log(const char *s, struct arena *a);

/* Percent-decode in place (also '+' as space when form); -1 on a bad escape or a NUL, else length. */
long url_decode(char *s, bool form);
/* Percent-encode every byte except A-Za-z0-9-._~ (and '/' when keep_slash). */
char *url_encode(const char *s, bool keep_slash, struct arena *a);
/* The value of a query parameter, decoded; NULL when absent or ill-formed. */
char *url_query_get(const char *query, const char *name, struct arena *a);

#endif
