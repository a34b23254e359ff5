/* SPDX-License-Identifier: MIT
 *
 * The names of the domain's words, one table each. The tables are indexed by the enums, whose
 * numbers stand in databases; a name stands in answers, so neither ever changes.
 */
#include "job/job.h"

#include "base/cdefs.h"

#include <assert.h>
#include <string.h>

static const char *const job_states[] = {
	[JOB_QUEUED] = "queued",
	[JOB_RUNNING] = "running",
	[JOB_SUCCEEDED] = "succeeded",
	[JOB_PARTIAL] = "partial",
	[JOB_FAILED] = "failed",
	[JOB_CANCELED] = "canceled",
};
static const char *const caches[] = {
	[CACHE_MISS] = "miss",
	[CACHE_REVALIDATED] = "revalidated",
	[CACHE_HIT] = "hit",
	[CACHE_COALESCED] = "coalesced",
};
static const struct {
	const char *name;
	int weight;
} priorities[] = {
	[PRIORITY_INTERACTIVE] = { "interactive", 1 },
	[PRIORITY_NORMAL] = { "normal", 4 },
	[PRIORITY_BULK] = { "bulk", 16 },
};
static const char *const events[] = {
	[EVENT_JOB_CREATED] = "job.created",
	[EVENT_JOB_STARTED] = "job.started",
	[EVENT_JOB_PROGRESS] = "job.progress",
	[EVENT_JOB_SUCCEEDED] = "job.succeeded",
	[EVENT_JOB_PARTIAL] = "job.partial",
	[EVENT_JOB_FAILED] = "job.failed",
	[EVENT_JOB_CANCELED] = "job.canceled",
	[EVENT_JOB_RETRIED] = "job.retried",
	[EVENT_ITEM_STARTED] = "item.started",
	[EVENT_ITEM_PROGRESS] = "item.progress",
	[EVENT_ITEM_SUCCEEDED] = "item.succeeded",
	[EVENT_ITEM_FAILED] = "item.failed",
	[EVENT_ITEM_CANCELED] = "item.canceled",
};
static const char *const steps[] = {
	[STEP_QUEUED] = "queued",
	[STEP_DOWNLOADING] = "downloading",
	[STEP_PROCESSING] = "processing",
	[STEP_STORING] = "storing",
};

const char *const item_statuses[ITEM_STATUSES] = { "queued", "downloading", "processing", "storing",
	"succeeded", "failed", "canceled" };

bool job_has_ended(enum job_state s)
{
	return s != JOB_QUEUED && s != JOB_RUNNING;
}

const char *job_state_name(enum job_state s)
{
	assert((size_t)s < ARRAY_LEN(job_states));
	return job_states[s];
}

bool job_state_parse(const char *s, enum job_state *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(job_states); i++) {
		if (strcmp(s, job_states[i]) == 0) {
			*ret = (enum job_state)i;
			return true;
		}
	}
	return false;
}

const char *item_cache_name(enum item_cache c)
{
	assert((size_t)c < ARRAY_LEN(caches));
	return caches[c];
}

const char *priority_name(enum priority p)
{
	assert((size_t)p < ARRAY_LEN(priorities));
	return priorities[p].name;
}

bool priority_parse(const char *s, enum priority *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(priorities); i++) {
		if (strcmp(s, priorities[i].name) == 0) {
			*ret = (enum priority)i;
			return true;
		}
	}
	return false;
}

int priority_weight(enum priority p)
{
	assert((size_t)p < ARRAY_LEN(priorities));
	return priorities[p].weight;
}

const char *event_type_name(enum event_type t)
{
	assert((size_t)t < ARRAY_LEN(events));
	return events[t];
}

bool event_type_is_item(enum event_type t)
{
	return t >= EVENT_ITEM_STARTED;
}

bool event_type_ends_job(enum event_type t)
{
	return t >= EVENT_JOB_SUCCEEDED && t <= EVENT_JOB_CANCELED;
}

const char *item_status_name(enum item_state s, enum task_step step)
{
	switch (s) {
	case ITEM_OPEN:
		assert((size_t)step < ARRAY_LEN(steps));
		return steps[step];
	case ITEM_SUCCEEDED:
		return "succeeded";
	case ITEM_FAILED:
		return "failed";
	case ITEM_CANCELED:
		return "canceled";
	case ITEM_FRESH:
		break;
	}
	return "queued";
}

bool job_id_is_valid(const char *id)
{
	size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
	return n > 0 && n <= JOB_ID_MAX && id[n] == '\0';
}
