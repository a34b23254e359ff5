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
struct net_request {
	const char *method; /* "GET" … */
	const char *url;    /* http or https; no userinfo */
	const struct net_header *headers;
	size_t headers_n;
	const void *body; /* or NULL */
	size_t body_n;
	int64_t connect_ms, total_ms; /* 0: none */
	int64_t low_speed_bytes,
		low_speed_ms; /* slower than so many bytes/s for so long: timeout */
	bool accept_encoding; /* offer gzip and decompress; on_body sees plain bytes. A
	                                  * header Accept-Encoding of the caller's replaces the offer,
	                                  * what comes is decompressed all the same */
	atomic_bool *cancel;  /* or NULL; true ends the call with ERR_CANCELED */
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
/* One exchange, no redirect followed, no cookie, no proxy, no Alt-Svc, no netrc. ERR_FETCH_DNS,
 * _CONNECT, _TLS, _TIMEOUT, _BLOCKED_ADDRESS, _TOO_LARGE (header fields), ERR_CANCELED,
 * ERR_REQUEST_INVALID (URL, header); an error status is no error here. A cancel is seen within a
 * second. The text names the host, never path, query or headers. */
enum err_code net_do(struct net_client *c, const struct net_request *r, struct net_response *ret,
	struct err *e) MUST_CHECK;

#endif
