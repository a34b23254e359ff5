/* SPDX-License-Identifier: MIT
 *
 * One slot per tick, 51 seconds of slots. A deadline further away waits in the last slot and is put
 * back when that comes round. Adding, moving and removing are a few pointer writes; every
 * connection of a loop is always in its wheel, which is therefore also the list of connections.
 */
#include "http/wheel.h"

#include "base/cdefs.h"

#include <stddef.h>

void wheel_init(struct wheel *w, int64_t now_ms)
{
	*w = (struct wheel){ .tick = now_ms / WHEEL_TICK_MS };
}

static void link_at(struct timer **head, struct timer *t)
{
	t->next = *head;
	if (t->next)
		t->next->link = &t->next;
	t->link = head;
	*head = t;
}

void wheel_remove(struct timer *t)
{
	if (!t->link)
		return;
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	t->link = NULL;
	t->next = NULL;
}

void wheel_add(struct wheel *w, struct timer *t, int64_t due_ms)
{
	wheel_remove(t);
	t->due_ms = due_ms;
	int64_t tick = (due_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
	if (tick <= w->tick)
		tick = w->tick + 1;
	if (tick >= w->tick + WHEEL_SLOTS)
		tick = w->tick + WHEEL_SLOTS - 1;
	link_at(&w->slots[tick % WHEEL_SLOTS], t);
}

/* Move a whole slot to the firing list, so that timers added meanwhile go elsewhere. */
static void fire_slot(struct wheel *w, struct timer **slot)
{
	w->firing = *slot;
	*slot = NULL;
	if (w->firing)
		w->firing->link = &w->firing;
}

struct timer *wheel_pop(struct wheel *w, int64_t now_ms)
{
	for (;;) {
		for (struct timer *t; (t = w->firing) != NULL;) {
			wheel_remove(t);
			if (t->due_ms <= now_ms)
				return t;
			wheel_add(w, t, t->due_ms);
		}
		if (w->tick >= now_ms / WHEEL_TICK_MS)
			return NULL;
		w->tick++;
		fire_slot(w, &w->slots[w->tick % WHEEL_SLOTS]);
	}
}

struct timer *wheel_pop_any(struct wheel *w)
{
	struct timer *t = w->firing;
	for (size_t i = 0; !t && i < WHEEL_SLOTS; i++)
		t = w->slots[i];
	if (t)
		wheel_remove(t);
	return t;
}

void wheel_each(struct wheel *w, void (*fn)(struct timer *t, void *ctx), void *ctx)
{
	struct timer *all = NULL;
	for (struct timer *t; (t = wheel_pop_any(w)) != NULL;)
		link_at(&all, t);
	while (all) {
		struct timer *t = all;
		wheel_add(w, t, t->due_ms);
		fn(t, ctx);
	}
}
