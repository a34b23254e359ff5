/* SPDX-License-Identifier: MIT
 *
 * One HTTP client, one address guard. Blocking; a struct net is shared by all threads, a struct
 * net_client (a connection pool) belongs to one thread at a time.
 */
#ifndef BULB_NET_NET_H
#define BULB_NET_NET_H

#include "base/err.h"
#include "base/ip.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Which addresses may be connected to. The guard judges the address about to be connected, after
 * the name was resolved, so a name that changes its mind gains nothing. */
struct net_guard {
	const struct cidr *allow; /* --allow-address: fine though the default refuses */
	size_t allow_n;
	bool off; /* the CLI talking to --server: its user chose the address */
};
/* Loopback, private, link-local, CGNAT, multicast, reserved, documentation and metadata addresses
 * are refused, IPv6 outside 2000::/3 too; IPv4 inside IPv6 (mapped, 6to4, 64:ff9b::/96) is judged
 * as IPv4. */
bool net_address_allowed(const struct net_guard *g, const struct ip *ip);

struct net_client;
enum err_code net_init(struct err *e) MUST_CHECK; /* once per process, before threads */
struct net_client *net_client_new(const struct net_guard *guard); /* guard outlives it */
void net_client_free(struct net_client *c);
void net_client_forget(struct net_client *c); /* drop open connections (another tenant comes) */

struct net_header {
	const char *name, *value;
};
/* A field of a multipart/form-data body (RFC 7578): a text, or so many bytes of a descriptor from its
 * start, read as they are sent (its offset is left alone). */
struct net_part {
	const char *name;
	const char *value; /* NULL: of fd */
	int fd;
	int64_t bytes; /* more than 0 */
	const char *media_type, *filename;
};
/* A body that is so many bytes of a descriptor, read as they are sent (its offset is left alone); a
 * connection that turns out dead gets them anew on another. */
struct net_upload {
	int fd;
	int64_t at, bytes;
};
struct net_request {
	const char *method; /* "GET" … */
	const char *url;    /* http or https; no userinfo */
	const struct net_header *headers;
	size_t headers_n;
	const void *body; /* or NULL */
	size_t body_n;
	const struct net_part *parts; /* or these make the body */
	size_t parts_n;
	const struct net_upload *upload; /* or this is the body */
	bool path_as_is;                 /* "." and ".." in the path are names like others */
	/* On a connection of its own, which nothing else uses afterwards. On one that was kept libcurl
	 * sends again, unasked, what may have been acted upon already. */
	bool once;
	/* Through the proxy that the environment names for it (https_proxy, http_proxy, no_proxy: see
	 * curl(1)). The guard then judges the proxy's address. */
	bool proxy;
	int64_t connect_ms, total_ms; /* 0: none */
	int64_t low_speed_bytes,
		low_speed_ms; /* slower than so many bytes/s for so long: timeout */
	bool accept_encoding; /* offer gzip and decompress; on_body sees plain bytes. A
	                                  * header Accept-Encoding of the caller's replaces the offer,
	                                  * what comes is decompressed all the same */
	atomic_bool *cancel;  /* or NULL; true ends the call with ERR_CANCELED */
	/* Or NULL. True from the moment the other side may have got the whole request: set even where
	 * the call fails. While it is false nobody can have acted upon the request. */
	bool *sent;
	/* Called on this thread, for the final response only. Returning false ends the transfer:
	 * net_do returns OK and the answer says `stopped`. Any may be NULL. */
	bool (*on_status)(void *ctx, int status);
	bool (*on_header)(void *ctx, const char *name, const char *value);
	bool (*on_body)(void *ctx, const void *data, size_t n);
	void *ctx;
};
struct net_response {
	int status;
	bool stopped;       /* a callback returned false */
	int64_t body_bytes; /* given to on_body */
};
/* One exchange, no redirect followed, no cookie, no proxy unless asked for, no Alt-Svc, no netrc. ERR_FETCH_DNS,
 * _CONNECT, _TLS, _TIMEOUT, _BLOCKED_ADDRESS, _TOO_LARGE (header fields), ERR_CANCELED,
 * ERR_REQUEST_INVALID (URL, header), ERR_SYSTEM (a part's descriptor cannot be read); an error status
 * is no error here. A cancel is seen within a second. The text names the host, never path, query or headers. */
enum err_code net_do(struct net_client *c, const struct net_request *r, struct net_response *ret,
	struct err *e) MUST_CHECK;

#define NET_RETRY_AFTER_MAX_MS ((int64_t)24 * 3600 * 1000)
/* Retry-After (RFC 9110 §10.2.3), seconds or a date, as milliseconds from now, at most
 * NET_RETRY_AFTER_MAX_MS; 0 when it is past or ill-formed. */
int64_t net_retry_after(const char *value);

#endif
