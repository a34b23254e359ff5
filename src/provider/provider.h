/* SPDX-License-Identifier: MIT
 *
 * A paid remote API that removes backgrounds: remove.bg's contract, which others serve too. This room
 * asks, tells the answers apart and waits where it is told to; whether anything may be paid is the
 * ledger's to say, whose intent is durable before the request leaves. Blocking; thread-safe.
 */
#ifndef BULB_PROVIDER_PROVIDER_H
#define BULB_PROVIDER_PROVIDER_H

#include "base/err.h"
#include "net/net.h"

#include <stdatomic.h>
#include <stdint.h>

/* Money, bound by app to the store. Every call is durable before it returns. */
struct ledger_answer {
	int64_t charge; /* the intent */
	bool bought;    /* no need to ask: the answer was bought before and its blob is */
	char blob[256]; /* this one */
	char media_type[64];
	int64_t cost; /* what it cost then, thousandths */
};
struct ledger {
	void *ctx;
	/* Reserve `cost` (thousandths of a credit) for the task and write the intent; or the answer
	 * that was bought before. ERR_MATTE_BUDGET, ERR_MATTE_CHARGE_UNKNOWN, ERR_STORE_STALE, and
	 * ERR_BUSY when the same is being bought by another task right now (ask later). */
	enum err_code (*ask)(void *ctx, int64_t task, int64_t lease, int64_t cost,
		struct ledger_answer *ret, struct err *e);
	/* It was refused before any charge: the reservation goes. */
	enum err_code (*refused)(void *ctx, int64_t charge, struct err *e);
	/* Whether it was charged cannot be known: counted, never bought again without consent. */
	enum err_code (*unknown)(void *ctx, int64_t charge, struct err *e);
	/* The raw answer is durable as this blob; it cost so much. */
	enum err_code (*bought)(void *ctx, int64_t charge, const char *blob, const char *media_type,
		int64_t cost, struct err *e);
};

struct provider;
struct provider_opts {
	const char *url;               /* "https://api.remove.bg/v1.0" */
	const char *key;               /* secret; copied, wiped at the end */
	const struct net_guard *guard; /* outlives it */
	int64_t timeout_ms;            /* of one call: 120 s */
	double megapixels_per_minute; /* 500; 0: no limit of ours; a picture counts for 1 at least */
	int breaker_failures;         /* in a row, then it opens: 5; 0: never */
	int64_t breaker_ms;           /* for so long, doubled up to 16 times: 30 s */
	int64_t (*clock_ms)(void);    /* NULL: clock_mono_ms */
	void (*on_call)(void *ctx, const char *outcome,
		int64_t credits); /* for metrics: "ok" "refused"
		"rate_limited" "no_credits" "auth" "server_error" "unreachable" "unknown" */
	void *ctx;
};
/* ERR_USAGE: the URL or the key cannot be. */
enum err_code provider_new(const struct provider_opts *o, struct provider **ret, struct err *e)
	MUST_CHECK;
void provider_free(struct provider *p);
const char *provider_host(const struct provider *p); /* without the port */
bool provider_is_open(struct provider *p);           /* the breaker: calls would fail at once */

struct provider_call {
	int fd; /* the picture to send: JPEG, PNG or WebP, at most PROVIDER_MAX_BYTES */
	int64_t bytes;
	const char *media_type;
	int width, height;
	int64_t est_cost;    /* reserved */
	atomic_bool *cancel; /* looked at before the request leaves, never after */
	int64_t task, lease; /* for the ledger */
};
#define PROVIDER_MAX_BYTES      (12 << 20)
#define PROVIDER_PNG_MAX_PIXELS 10000000 /* above it the zip form is asked for */
struct provider_result {
	struct ledger_answer intent; /* .bought: the answer is this blob, nothing was asked */
	int fd; /* memfd, sealed: image/png or application/zip (color.jpg, alpha.png) */
	int64_t bytes;
	char media_type[64];
	int64_t cost;           /* thousandths, from X-Credits-Charged; the estimate without it */
	bool no_foreground;     /* it found none; nothing was charged and the intent is gone */
	int64_t retry_after_ms; /* on failure: ask again then; 0: soon; -1: no use */
};
/* Waits for the rate limit, asks the ledger, calls. On success without `bought` and without
 * `no_foreground` the caller stores the answer durably and tells ledger.bought. On failure the ledger
 * has been told already:
 *  what ledger.ask says, ERR_MATTE_BUDGET, ERR_BUSY and so on: nothing was sent;
 *  ERR_MATTE_CHARGE_UNKNOWN: from ledger.ask, or the answer to what was sent is lost;
 *  ERR_MATTE_PROVIDER: refused, away, or breaker open; retry_after_ms says whether and when (0: soon,
 *  in the caller's own steps);
 *  ERR_CANCELED: before the request left;
 *  what ledger.refused or ledger.unknown says when they fail: the intent is left as asked. */
enum err_code provider_cut(struct provider *p, const struct ledger *l,
	const struct provider_call *c, struct provider_result *ret, struct err *e) MUST_CHECK;

/* {"total": credits, …} of the account, for `bulb doctor`; costs nothing. ERR_MATTE_PROVIDER. */
enum err_code provider_account(struct provider *p, double *ret_credits, struct err *e) MUST_CHECK;

#endif
