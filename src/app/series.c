/* SPDX-License-Identifier: MIT
 *
 * Only here, because only this room knows the tables of all others. A test compares what is there
 * at the start with what is there after some work.
 */
#include "app/series.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "job/cut.h"
#include "job/job.h"

#include <stddef.h>

#define VALUES_MAX 8

static const struct {
	enum metric metric;
	const char *values[VALUES_MAX];
} known[] = {
	{ METRIC_STAGE_SECONDS, { "download", "process", "cut", "store" } },
	{ METRIC_QUEUE_ITEMS, { "interactive", "normal", "bulk" } },
	{ METRIC_QUEUE_OLDEST, { "interactive", "normal", "bulk" } },
	{ METRIC_READERS, { "websocket", "sse", "many" } },
	{ METRIC_DELIVERED, { "websocket", "sse", "many" } },
	{ METRIC_READERS_DROPPED,
		{ "slow", "message", "too_many_messages", "request_after", "gone",
			"auth_required" } },
	{ METRIC_DARKROOM_RESTARTS,
		{ "signal", "killed", "time", "memory", "protocol", "lost", "worn" } },
	{ METRIC_WEBHOOKS, { "succeeded", "retry", "failed", "disabled" } },
	{ METRIC_SAVED, { "downloads", "encodes" } },
	{ METRIC_PROVIDER_CALLS,
		{ "ok", "refused", "rate_limited", "no_credits", "auth", "server_error",
			"unreachable", "unknown" } },
};

static void begin(enum metric m, const char *l1, const char *l2)
{
	metric_add(m, 0, l1, l2, NULL);
}

/* One that was canceled before it was looked at has no cache to speak of. */
static void begin_items(enum item_state s)
{
	const char *status = item_status_name(s, STEP_QUEUED);
	for (int c = CACHE_MISS; c <= CACHE_COALESCED; c++)
		begin(METRIC_ITEMS, status, item_cache_name((enum item_cache)c));
	begin(METRIC_ITEMS, status, "none");
}

static void begin_cutouts(const char *status)
{
	for (int engine = CUT_LOCAL; engine <= CUT_FLAT; engine++)
		begin(METRIC_CUTOUTS, status, cut_engine_name((enum cut_engine)engine));
}

void series_begin(void)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		for (size_t k = 0; k < VALUES_MAX && known[i].values[k]; k++)
			begin(known[i].metric, known[i].values[k], NULL);
	for (int s = CUT_SUCCEEDED; s <= CUT_NONE; s++)
		begin_cutouts(cut_state_name((enum cut_state)s));
	metric_add(METRIC_PROVIDER_CREDITS, 0, NULL, NULL, NULL);
	for (int s = JOB_SUCCEEDED; s <= JOB_CANCELED; s++)
		begin(METRIC_JOBS, job_state_name((enum job_state)s), NULL);
	for (int s = ITEM_SUCCEEDED; s <= ITEM_CANCELED; s++)
		begin_items((enum item_state)s);
	/* err.def has first what can be wrong with an item */
	for (int code = 1; code < ERR_REQUEST_MALFORMED; code++)
		begin(METRIC_ITEM_ERRORS, err_name((enum err_code)code), NULL);
}
