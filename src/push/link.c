/* SPDX-License-Identifier: MIT
 *
 * Doubly linked lists: everything in push that waits, and all that is kept in an order, leaves its
 * place at any time and from anywhere.
 */
#include "push/push_impl.h"

void link_init(struct link *l)
{
	l->prev = l->next = l;
}

void link_add_after(struct link *at, struct link *l)
{
	l->prev = at;
	l->next = at->next;
	at->next->prev = l;
	at->next = l;
}

void link_add_last(struct link *head, struct link *l)
{
	link_add_after(head->prev, l);
}

void link_del(struct link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	link_init(l);
}

bool link_empty(const struct link *head)
{
	return head->next == head;
}

struct link *link_first(const struct link *head)
{
	return link_next(head, head);
}

struct link *link_next(const struct link *head, const struct link *l)
{
	return l->next == head ? NULL : l->next;
}
