/* SPDX-License-Identifier: MIT
 *
 * The two requests that remove.bg's contract is used for. Private to provider.
 */
#ifndef BULB_PROVIDER_CALL_H
#define BULB_PROVIDER_CALL_H

#include "provider/answer.h"
#include "provider/breaker.h"
#include "provider/limit.h"
#include "provider/provider.h"

struct provider {
	char *url;  /* without a slash at its end */
	char *host; /* of it */
	char *key;
	struct provider_opts opts; /* its strings are the caller's: not to be used */
	struct limit limit;
	struct breaker breaker;
};

/* Each on a connection of its own; they block, at most opts.timeout_ms. ret is ANSWER_INIT. */
void call_cut(const struct provider *p, const struct provider_call *c, struct answer *ret);
void call_account(const struct provider *p, struct answer *ret);

#endif
