/* SPDX-License-Identifier: MIT
 *
 * The words of the domain: states, kinds and priorities, with their public names. Plain data and
 * rules; nothing here does I/O. The numbers are stored in databases: never change one.
 */
#ifndef BULB_JOB_JOB_H
#define BULB_JOB_JOB_H

#include <stdbool.h>
#include <stdint.h>

enum job_state {
	JOB_QUEUED = 0,
	JOB_RUNNING = 1,
	JOB_SUCCEEDED = 2,
	JOB_PARTIAL = 3,
	JOB_FAILED = 4,
	JOB_CANCELED = 5
};
/* What the item row holds. The public status of an open item is its task's step. */
enum item_state {
	ITEM_FRESH = 0,
	ITEM_OPEN = 1,
	ITEM_SUCCEEDED = 2,
	ITEM_FAILED = 3,
	ITEM_CANCELED = 4
};
enum task_kind { TASK_FETCH = 0, TASK_MAKE = 1, TASK_CUT = 2 };
enum task_state {
	TASK_READY = 0,
	TASK_RUNNING = 1,
	TASK_LATER = 2,
	TASK_DONE = 3,
	TASK_FAILED = 4
};
enum task_step { STEP_QUEUED = 0, STEP_DOWNLOADING = 1, STEP_PROCESSING = 2, STEP_STORING = 3 };
/* How the original of an item came; the public `cache`. */
enum item_cache { CACHE_MISS = 0, CACHE_REVALIDATED = 1, CACHE_HIT = 2, CACHE_COALESCED = 3 };
enum cache_mode { CACHE_MODE_DEFAULT = 0, CACHE_MODE_RELOAD = 1, CACHE_MODE_ONLY = 2 };
enum priority { PRIORITY_INTERACTIVE = 0, PRIORITY_NORMAL = 1, PRIORITY_BULK = 2 };
enum event_type {
	EVENT_JOB_CREATED = 0,
	EVENT_JOB_STARTED = 1,
	EVENT_JOB_PROGRESS = 2,
	EVENT_JOB_SUCCEEDED = 3,
	EVENT_JOB_PARTIAL = 4,
	EVENT_JOB_FAILED = 5,
	EVENT_JOB_CANCELED = 6,
	EVENT_JOB_RETRIED = 7,
	EVENT_ITEM_STARTED = 8,
	EVENT_ITEM_PROGRESS = 9,
	EVENT_ITEM_SUCCEEDED = 10,
	EVENT_ITEM_FAILED = 11,
	EVENT_ITEM_CANCELED = 12
};
#define EVENT_TYPES 13

bool job_has_ended(enum job_state s);
const char *job_state_name(enum job_state s); /* "queued" … */
bool job_state_parse(const char *s, enum job_state *ret);
const char *item_cache_name(enum item_cache c);
const char *priority_name(enum priority p);
bool priority_parse(const char *s, enum priority *ret);
int priority_weight(enum priority p);           /* 1, 4, 16: turns paid for an item */
const char *event_type_name(enum event_type t); /* "item.succeeded" */
bool event_type_is_item(enum event_type t);
bool event_type_ends_job(enum event_type t);
/* "queued", "downloading", … for an open item's step; the state's own name for the others. */
const char *item_status_name(enum item_state s, enum task_step step);
#define ITEM_STATUSES 7
extern const char *const item_statuses[ITEM_STATUSES]; /* all of those names */

#define JOB_ID_MAX 64 /* [A-Za-z0-9_-]{1,64} */
bool job_id_is_valid(const char *id);

#endif
