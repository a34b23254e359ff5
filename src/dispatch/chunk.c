/* SPDX-License-Identifier: MIT
 *
 * What goes into one invocation: not more than a function can do long before its time is over, nor than
 * its event can hold. What a task costs is a guess; one that is wrong costs time, for whoever runs out
 * of it hands the rest on or gives it back.
 */
#include "dispatch/dispatch_impl.h"

#include "lambda/invoke.h"

#include <string.h>

#define FETCH_MS       1500 /* a download, where nobody knows what comes */
#define VARIANT_MS     250  /* of a picture of so many pixels: */
#define VARIANT_PIXELS ((int64_t)8 << 20)
#define EVENT_ROOM     (16 << 10) /* for what stands around the tasks */

struct chunk *chunk_new(struct arena *a)
{
	struct chunk *c = arena_alloc(a, sizeof(*c));
	c->event.tasks = arena_alloc(a, EVENT_TASKS_MAX * sizeof(*c->event.tasks));
	return c;
}

static int64_t cost_of(const struct event_task *t)
{
	int64_t pixels = (int64_t)t->source.width * t->source.height;
	int64_t each = VARIANT_MS * (1 + pixels / VARIANT_PIXELS);
	return (t->kind == TASK_FETCH ? FETCH_MS : 0) + each * (int64_t)t->recipe.n;
}

static size_t bytes_of(const struct event_task *t, const char *prefix)
{
	autojson *doc = event_task_json(t, prefix);
	autofree char *text = json_text(doc);
	return strlen(text) + 1;
}

bool chunk_takes(const struct chunk *c, const struct event_task *t, const char *prefix, size_t most,
	int64_t max_ms)
{
	if (c->event.n == 0)
		return true;
	return c->event.n < most && c->event.n < EVENT_TASKS_MAX &&
		c->cost_ms + cost_of(t) <= max_ms &&
		c->bytes + bytes_of(t, prefix) <= INVOKE_EVENT_MAX - EVENT_ROOM;
}

void chunk_add(struct chunk *c, const struct task_name *name, const struct event_task *t,
	const char *prefix)
{
	c->names[c->event.n] = *name;
	c->event.tasks[c->event.n++] = *t;
	c->cost_ms += cost_of(t);
	c->bytes += bytes_of(t, prefix);
}

size_t chunk_size(size_t tasks, size_t invocations, size_t most)
{
	size_t n = invocations > 0 ? (tasks + invocations - 1) / invocations : tasks;
	return n < 1 ? 1 : n > most ? most : n;
}
