/* SPDX-License-Identifier: MIT
 *
 * For this room only.
 */
#ifndef BULB_DISPATCH_DISPATCH_IMPL_H
#define BULB_DISPATCH_DISPATCH_IMPL_H

#include "dispatch/dispatch.h"

/* Tasks of one invocation. */
struct chunk {
	struct task_name names[EVENT_TASKS_MAX];
	struct event event; /* its tasks live in the arena */
	int64_t cost_ms;
	size_t bytes; /* of its text, about, and never less */
};
struct chunk *chunk_new(struct arena *a);
/* May this one go along? most: tasks of an invocation. An empty chunk takes any. */
bool chunk_takes(const struct chunk *c, const struct event_task *t, const char *prefix, size_t most,
	int64_t max_ms);
void chunk_add(struct chunk *c, const struct task_name *name, const struct event_task *t,
	const char *prefix);
/* How many tasks each of so many invocations should get, at most `most`: few that are ready are spread,
 * for a function does its tasks one after the other, or nearly so. */
size_t chunk_size(size_t tasks, size_t invocations, size_t most);

#endif
