/* SPDX-License-Identifier: MIT
 *
 * Sends webhooks (Standard Webhooks 1.0.0): follows the logs of jobs that want one, and tries what is due
 * until it was taken, or was tried often enough. The store says what is due and to whom it is lent, so any
 * number of servers may do this side by side, and one that dies loses nothing.
 */
#ifndef BULB_WEBHOOKS_WEBHOOKS_H
#define BULB_WEBHOOKS_WEBHOOKS_H

#include "net/net.h"
#include "store/hooks.h"

#define WEBHOOKS_STEPS_MAX 32

struct blob;
struct webhooks;
/* Pauses before each try, the first one included. */
struct webhooks_schedule {
	int64_t ms[WEBHOOKS_STEPS_MAX];
	size_t n;
};
/* Each such as 500ms, 5s, 30m, 2h or 1d. ERR_USAGE. */
enum err_code webhooks_schedule_parse(const char *const *texts, size_t n,
	struct webhooks_schedule *ret, struct err *e) MUST_CHECK;

struct webhooks_opts {
	struct store *store;
	struct net_guard guard;  /* what it points to outlives this */
	const uint8_t *seal_key; /* 32 bytes: of tenants' secrets */
	/* What signs for who needs no key: "whsec_…", or two of them with a space between, the newest
	 * first. NULL: none. */
	const char *secrets;
	struct webhooks_schedule schedule;
	size_t lanes, per_host; /* tries at a time: all, and of one host */
	int64_t timeout_ms;     /* of a try */
	int64_t poll_ms;        /* without hints */
	/* For links in what is sent; as struct view_links has them. */
	const char *events_url, *blob_url;
	struct blob *direct_links;
	const uint8_t *link_key;
	int64_t link_ttl_ms;
};
/* Are these secrets as `secrets` wants them? ERR_USAGE. */
enum err_code webhooks_secrets_check(const char *secrets, struct err *e) MUST_CHECK;
enum err_code webhooks_new(const struct webhooks_opts *o, struct webhooks **ret, struct err *e)
	MUST_CHECK;
/* Something may be due. Any thread; does not block. NULL is fine, here and below. */
void webhooks_wake(struct webhooks *w);
/* Begins nothing more. */
void webhooks_drain(struct webhooks *w);
/* Waits so long at most for what is being tried; the rest is given back. The store is used no more. */
void webhooks_stop(struct webhooks *w, int64_t wait_ms);
void webhooks_free(struct webhooks *w);

#endif
