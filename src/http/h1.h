/* SPDX-License-Identifier: MIT
 *
 * HTTP/1 requests out of bytes (RFC 9112), within limits, and stricter than most about everything
 * that two parsers could read in two ways. Knows no sockets and no clock; one thread at a time.
 */
#ifndef BULB_HTTP_H1_H
#define BULB_HTTP_H1_H

#include "base/buf.h"
#include "base/err.h"
#include "base/ip.h"
#include "base/mem.h"
#include "http/bodies.h"
#include "http/http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define H1_HEAD_BYTES 16384 /* all field lines of a request */
#define H1_FIELDS     64
#define H1_URI_BYTES  8192
#define H1_ID_MAX     64

/* One whole request. Strings live in its arena. */
struct h1_message {
	struct arena *arena;
	const char *method, *path, *query; /* query: NULL without '?' */
	struct http_field *fields;         /* as they came */
	struct buf body;
	struct ip peer, client; /* client: whose share the body takes; known with the head */
	char id[H1_ID_MAX + 1];
	int64_t started_us;
	uint8_t minor;            /* of HTTP/1.x */
	bool keep_alive, upgrade; /* upgrade: to websocket */
};

/* Shared by all connections of a server. */
struct h1_limits {
	size_t max_body;
	struct bodies bodies;
	http_client_fn *client; /* NULL: everyone is who the socket says */
	void *ctx;
};
void h1_message_done(struct h1_message *m, struct h1_limits *l);
void h1_body_done(struct h1_message *m, struct h1_limits *l); /* the rest stays */
/* Values of fields of this name (any case) joined by ", " in the arena; NULL when there is none. */
const char *h1_header(const struct h1_message *m, const char *name);
/* Does a comma-separated list have this token, in any case? list may be NULL. */
bool h1_list_has(const char *list, const char *token);

struct h1;
enum h1_result {
	H1_MORE,    /* all bytes were taken, the request is not whole */
	H1_WHOLE,   /* h1_take gives it; bytes after *ret_used belong to the next one */
	H1_REFUSED, /* e says why; nothing that follows can be trusted */
};
enum h1_phase { H1_IDLE, H1_HEAD, H1_BODY };

struct h1 *h1_new(struct h1_limits *l, const struct ip *peer); /* l outlives it */
void h1_free(struct h1 *h);
enum h1_result h1_feed(struct h1 *h, const char *data, size_t n, size_t *ret_used, struct err *e)
	MUST_CHECK;
void h1_take(struct h1 *h, struct h1_message *ret); /* the caller owns it; h begins anew */
enum h1_phase h1_phase(const struct h1 *h);
size_t h1_body_bytes(const struct h1 *h); /* received so far */
bool h1_continue(struct h1 *h);           /* true once: answer 100 now */
const char *h1_id(const struct h1 *h);    /* of the request in hand, also a refused one */
/* Its Origin as far as it was read, valid as long as h; NULL: none. */
const char *h1_origin(const struct h1 *h);

#endif
