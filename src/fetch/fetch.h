/* SPDX-License-Identifier: MIT
 *
 * From a source URL to a sealed memfd, within limits and politely: at most so many connections per
 * host, Retry-After honoured, redirects followed by us with the guard at each hop.
 */
#ifndef BULB_FETCH_FETCH_H
#define BULB_FETCH_FETCH_H

#include "base/digest.h"
#include "base/err.h"
#include "net/net.h"

#include <stdatomic.h>

struct fetch;
struct fetch_opts {
	struct net_guard guard;
	const char *const *sources; /* --allow-source HOST|PREFIX, at each redirect; n == 0: any */
	size_t sources_n;
	int64_t max_bytes; /* of a source, also after decompression */
	int64_t connect_ms,
		total_ms; /* deadlines of one attempt, redirects included; total_ms > 0 */
	int64_t low_speed_bytes, low_speed_ms;
	size_t per_host;  /* concurrent fetches of one host in this process */
	bool allow_files; /* file:///path, for `bulb run` only */
	const char *user_agent;
};
struct fetch *fetch_new(const struct fetch_opts *o); /* copies what it needs */
void fetch_free(struct fetch *f);

/* One per lane; one thread at a time. */
struct fetch_lane;
struct fetch_lane *fetch_lane_new(struct fetch *f);
void fetch_lane_free(struct fetch_lane *l);

struct fetch_request {
	const char *url;
	const struct net_header *headers; /* the caller's own; dropped on another origin */
	size_t headers_n;
	const char *etag, *last_modified; /* for a conditional request, or NULL */
	int64_t scope;                    /* connections are not shared across scopes */
	atomic_bool *cancel;
	_Atomic int64_t *bytes, *bytes_total; /* progress for others to read; total -1 unknown */
};
struct fetch_result {
	bool not_modified;
	int fd;        /* sealed memfd; the caller closes it; -1 when not modified */
	int64_t bytes; /* as the origin has them: a Content-Encoding is undone */
	uint8_t sha256[SHA256_LEN];
	char etag[256], last_modified[64]; /* "" when the origin sent none */
	char final_url[512]; /* after redirects, for people, without query; "" when none happened */
	int status;
};
/* ERR_FETCH_* (e->source_status, e->retry_after_ms where known), ERR_CANCELED, ERR_MEMORY,
 * ERR_SYSTEM, ERR_REQUEST_INVALID (the URL or a header). e must not be NULL. An empty body is
 * ERR_FETCH_NOT_IMAGE; whether other bytes are an image is not asked here. On failure ret->fd is
 * -1, and final_url and status say how far it came. */
enum err_code fetch_get(struct fetch_lane *l, const struct fetch_request *r,
	struct fetch_result *ret, struct err *e) MUST_CHECK;
/* Would the same fetch perhaps pass later? By the error table; of statuses 408, 425, 429 and 5xx
 * without 501 and 505. */
bool fetch_may_pass(const struct err *e);

/* Politeness, by the host of the first URL. enter: false when the host is at its limit or asked us
 * to wait; leave gives the place back, with what the host asked (0: nothing; more than an hour
 * counts as one). full_hosts lists hosts to skip; caller frees the strings and the array. */
bool fetch_host_enter(struct fetch *f, const char *host);
void fetch_host_leave(struct fetch *f, const char *host, int64_t retry_after_ms);
size_t fetch_full_hosts(struct fetch *f, char ***ret);

#endif
