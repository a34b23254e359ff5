/* SPDX-License-Identifier: MIT
 *
 * AWS Signature Version 4: signed requests and presigned URLs. Pure computation.
 */
#ifndef BULB_NET_SIGV4_H
#define BULB_NET_SIGV4_H

#include "base/mem.h"
#include "net/net.h"

#include <stddef.h>
#include <stdint.h>

/* What signs. Owned strings; aws_keys_done wipes them. */
struct aws_keys {
	char *access_key, *secret_key;
	char *session_token; /* of temporary keys, else NULL */
	int64_t expires_ms;  /* wall; 0: never */
};
void aws_keys_done(struct aws_keys *k);
void aws_keys_copy(struct aws_keys *to, const struct aws_keys *from); /* *to holds nothing yet */

#define SIGV4_UNSIGNED_PAYLOAD    "UNSIGNED-PAYLOAD"
#define SIGV4_EMPTY_PAYLOAD       "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGV4_PRESIGN_SECONDS_MAX (7 * 24 * 3600)

struct sigv4_signer {
	const struct aws_keys *keys;
	const char *region, *service;
	int64_t wall_ms;
};
/* Everything is plain text: the signer encodes it, once, and its result has to be sent as it is. */
struct sigv4_request {
	const char *method;
	const char *origin; /* "https://host" or "https://host:port", no slash after it */
	const char *path;   /* begins with '/' */
	const struct net_header *query; /* in any order */
	size_t query_n;
	const struct net_header *headers; /* sent and signed; names in lower case, values trimmed */
	size_t headers_n;
	const char *payload; /* SHA-256 of the body in hex, or SIGV4_UNSIGNED_PAYLOAD */
};
struct sigv4_signed {
	const char *url;
	const struct net_header *headers; /* the request's, and those of the signature */
	size_t headers_n;
};
/* Results live in the arena. */
void sigv4_sign(const struct sigv4_signer *s, const struct sigv4_request *r, struct arena *a,
	struct sigv4_signed *ret);
/* A URL that stands for the request until `seconds` (at most SIGV4_PRESIGN_SECONDS_MAX) after
 * s->wall_ms, or until the keys expire if that is sooner. */
char *sigv4_presign(const struct sigv4_signer *s, const struct sigv4_request *r, int64_t seconds,
	struct arena *a);

#endif
