/* SPDX-License-Identifier: MIT
 *
 * For this room only: one try.
 */
#ifndef BULB_WEBHOOKS_WEBHOOKS_IMPL_H
#define BULB_WEBHOOKS_WEBHOOKS_IMPL_H

#include "base/standard_webhooks.h"
#include "webhooks/webhooks.h"

#include <stdatomic.h>

/* secrets.c: what signs for this tenant, the newest first; mem_wipe it. 0 in *ret_n: nothing does. */
#define SECRETS_MAX 2
enum err_code secrets_of(const struct webhooks_opts *o, int64_t tenant,
	struct webhook_secret ret[SECRETS_MAX], size_t *ret_n, struct err *e) MUST_CHECK;

/* send.c: try it once. What became of it is in *ret, whose texts live in the arena. */
void send_one(const struct webhooks_opts *o, struct net_client *net, const struct delivery *d,
	atomic_bool *cancel, struct arena *a, struct delivery_end *ret);

#endif
