/* SPDX-License-Identifier: MIT
 *
 * One response as it arrives: which fields matter, and when to stop. Private to fetch.
 */
#ifndef BULB_FETCH_RECEIVE_H
#define BULB_FETCH_RECEIVE_H

#include "base/url.h"
#include "fetch/sink.h"

struct receive {
	struct sink *sink;
	_Atomic int64_t *bytes_total; /* progress, or NULL */
	bool undo_encoding;           /* the client undoes a Content-Encoding */
	int status;                   /* 0 until it is known */
	bool encoded;                 /* and there is one: the declared length is not the body's */
	bool odd_encoding;      /* there is one that cannot be undone; the transfer was stopped */
	int64_t declared_bytes; /* Content-Length, -1 without */
	int64_t retry_after_ms;
	int64_t drained_bytes; /* of a body that nobody wants */
	char etag[256], last_modified[64];
	char location[URL_MAX + 2]; /* longer than URL_MAX: cut, and refused by url_parse */
	enum err_code rc;           /* why a callback stopped the transfer; OK: not for an error */
	struct err why;
};

void receive_start(struct receive *r, struct sink *sink, bool undo_encoding,
	_Atomic int64_t *bytes_total);
bool receive_is_body(const struct receive *r); /* the status announces the source itself */
bool receive_is_redirect(const struct receive *r);

/* Callbacks for struct net_request, ctx being the struct receive. */
bool receive_status(void *ctx, int status);
bool receive_header(void *ctx, const char *name, const char *value);
bool receive_body(void *ctx, const void *data, size_t n);

#endif
