/* SPDX-License-Identifier: MIT
 *
 * Where money meets the store. What cannot be known any more is logged here: somebody may want to
 * look at the provider's bill.
 */
#include "app/ledger_store.h"

#include "base/log.h"

#include <stdio.h>

static enum err_code ask(void *ctx, int64_t task, int64_t lease, int64_t cost,
	struct ledger_answer *ret, struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct charge_answer c = { 0 };
	enum err_code code = store_charge_ask(ctx, task, lease, cost, a, &c, e);
	if (code != OK)
		return code;
	*ret = (struct ledger_answer){ .charge = c.charge, .bought = c.bought, .cost = c.cost };
	if (c.bought) {
		snprintf(ret->blob, sizeof(ret->blob), "%s", c.blob);
		snprintf(ret->media_type, sizeof(ret->media_type), "%s", c.media_type);
	}
	return OK;
}

static enum err_code refused(void *ctx, int64_t charge, struct err *e)
{
	return store_charge_refused(ctx, charge, e);
}

static enum err_code unknown(void *ctx, int64_t charge, struct err *e)
{
	log_event(LOG_CHARGE_UNKNOWN, NULL, "charge=%lld", (long long)charge);
	return store_charge_unknown(ctx, charge, e);
}

static enum err_code bought(void *ctx, int64_t charge, const char *blob, const char *media_type,
	int64_t cost, struct err *e)
{
	return store_charge_bought(ctx, charge, blob, media_type, cost, e);
}

struct ledger ledger_of_store(struct store *s)
{
	return (struct ledger){
		.ctx = s,
		.ask = ask,
		.refused = refused,
		.unknown = unknown,
		.bought = bought,
	};
}
