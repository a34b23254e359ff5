/* SPDX-License-Identifier: MIT
 *
 * The tasks of an invocation as a worker's feed: lent from the event, and ended by a report in place
 * of a row. Nothing here outlives the invocation, but the feed that the worker is bound to does.
 * Thread-safe.
 */
#ifndef BULB_LAMBDA_TASKS_H
#define BULB_LAMBDA_TASKS_H

#include "base/json.h"
#include "worker/worker.h"

struct tasks;
struct tasks_opts {
	struct blob *blob;       /* where the tasks' keys are; outlives it */
	const uint8_t *seal_key; /* the worker's, 32 bytes; copied */
	const char *codecs;      /* the worker's; copied */
};
struct tasks *tasks_new(const struct tasks_opts *o);
void tasks_free(struct tasks *t); /* no worker uses the feed any more */
struct feed tasks_feed(struct tasks *t);

/* Forget the last invocation: waits for reports of its that are still on their way. give_up_ms:
 * monotonic; what the app server has not answered by then is left for it to find. */
void tasks_begin(struct tasks *t, int64_t give_up_ms);
/* {"tasks": […]}; several may be added. *ret_no names it. ERR_REQUEST_INVALID. */
enum err_code tasks_add(struct tasks *t, const json_t *event, size_t *ret_no, struct err *e)
	MUST_CHECK;
/* Until all is told (true), or until a moment (monotonic), or tasks_interrupt. */
bool tasks_wait(struct tasks *t, int64_t until_ms);
void tasks_interrupt(struct tasks *t); /* every wait of this invocation ends; any thread */

void tasks_stop(struct tasks *t); /* lend nothing more */
/* Take back whatever is not being told at this moment: lanes that still work on it are stale. */
void tasks_close(struct tasks *t);
/* After tasks_close: what was taken back, as an event of its own; NULL: nothing. */
json_t *tasks_rest(struct tasks *t, size_t no);
/* Give what was taken back to the server: others may have it. */
void tasks_return(struct tasks *t, size_t no, int64_t give_up_ms);

struct tasks_counts {
	size_t tasks, told, left, refused, back; /* the last: taken back */
};
struct tasks_counts tasks_counts(struct tasks *t, size_t no);
/* What an event without a report_url asked for: {"results": […]} as in a report. */
json_t *tasks_results(struct tasks *t, size_t no);

#endif
