/* SPDX-License-Identifier: MIT
 *
 * Routes: requests become jobs, jobs become answers. http's handle and problem callbacks.
 */
#ifndef BULB_API_API_H
#define BULB_API_API_H

#include "base/err.h"
#include "blob/blob.h"
#include "http/http.h"
#include "job/request.h"
#include "push/push.h"
#include "results/results.h"
#include "store/store.h"

struct access;
struct api;
struct api_opts {
	struct store *store;
	struct blob *blob;
	struct push *push;
	struct results *results; /* or NULL: nobody outside works for this server */
	const struct presets *presets;
	struct request_limits limits;
	const uint8_t *link_key, *seal_key; /* 32 bytes each */
	int64_t link_ttl_ms, token_ttl_ms;
	int64_t max_wait_ms;    /* 25 s */
	int64_t max_open_items; /* queue_full above it; 0: none */
	int64_t max_cost_month; /* thousandths of a credit, for /v1/usage to tell; -1: none */
	const char *public_url, *events_url, *blob_url; /* or NULL */
	struct blob *direct_links;                      /* --blob-links direct: blob, else NULL */
	const char *listen_host;                        /* what --listen named */
	const char *
		self_url; /* where it listens: for answers to requests that named no host, or NULL */
	const char *const *allow_hosts; /* --allow-host */
	size_t allow_hosts_n;
	const char *const *allow_origins; /* --allow-origin */
	size_t allow_origins_n;
	const struct cidr *trusted_proxies; /* --trusted-proxy */
	size_t trusted_proxies_n;
	struct access *access; /* who may; NULL: anybody */
	bool signs_webhooks;   /* of who needs no key; tenants have secrets of their own */
	bool open;             /* --open: any Host will do */
	bool ops_only;         /* --ops-listen: health and metrics only */
	/* What /readyz asks besides the store and the blobs, NULL for nothing; NULL when all is well,
	 * else the part and in e why. May block. */
	const char *(*not_ready)(void *ctx, struct err *e);
	void *ctx;
};
enum err_code api_new(const struct api_opts *o, struct api **ret, struct err *e) MUST_CHECK;
void api_free(struct api *a);
void api_set_draining(struct api *a); /* /readyz answers 503, POST answers shutting_down */
void api_handle(void *api, struct http_request *r);
/* For push_opts.open_token. */
enum err_code api_open_token(void *api, const char *token, const char *job_id,
	struct push_pass *ret);
/* For http_opts.client. */
struct ip api_client(void *api, const struct ip *peer, const char *forwarded,
	const char *x_forwarded_for, struct arena *a);
void api_problem(void *api, const struct http_refusal *q, struct arena *a,
	struct http_problem *ret);

#endif
