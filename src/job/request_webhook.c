/* SPDX-License-Identifier: MIT
 *
 * `webhook`: who is told of a job's events, and of which. Where its name leads is judged when it is called,
 * each time anew; here only what can never be right is refused.
 */
#include "job/request_impl.h"

#include "base/url.h"

#include <string.h>

#define HOST_MAX 255 /* RFC 1035 */

static const unsigned ends_of_jobs = 1u << EVENT_JOB_SUCCEEDED | 1u << EVENT_JOB_PARTIAL |
	1u << EVENT_JOB_FAILED | 1u << EVENT_JOB_CANCELED;

static void read_url(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct request_context *c = dst;
	struct arena *a = c->r->arena;
	struct err e = { 0 };
	struct url u;
	const char *text;

	if (!read_str(v, c->lim->url_bytes, at, f, &text))
		return;
	if (url_parse(text, a, &u, &e) != OK)
		at_fault(f, at, ERR_REQUEST_INVALID, "%s", e.text);
	else if (strcmp(u.scheme, "https") != 0 && strcmp(u.scheme, "http") != 0)
		at_fault(f, at, ERR_REQUEST_INVALID, "a URL must start with https:// or http://");
	else if (u.has_userinfo)
		at_fault(f, at, ERR_REQUEST_INVALID,
			"a URL must not hold a user or password: receivers check the signature");
	else if (strlen(u.host) > HOST_MAX)
		at_fault(f, at, ERR_REQUEST_INVALID, "no host has such a long name");
	else {
		c->r->webhook_url = arena_strdup(a, text);
		c->r->webhook_host = arena_printf(a, "%s:%d", u.host, (int)u.port);
	}
}

static void read_event(struct request *r, const json_t *v, const struct at *at, struct faults *f)
{
	const char *names[EVENT_TYPES];

	for (size_t i = 0; i < EVENT_TYPES; i++)
		names[i] = event_type_name((enum event_type)i);
	size_t i = read_name(v, names, EVENT_TYPES, at, f);
	if (i == EVENT_JOB_PROGRESS || i == EVENT_ITEM_PROGRESS)
		at_fault(f, at, ERR_REQUEST_INVALID,
			"progress is never sent to a webhook: the job's event log has it");
	else if (i < EVENT_TYPES)
		r->webhook_events |= 1u << i;
}

static void read_events(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct request_context *c = dst;

	if (json_array_size(v) == 0)
		at_fault(f, at, ERR_REQUEST_INVALID,
			"must be a list of event types; without it the job's end is told");
	for (size_t i = 0; i < json_array_size(v); i++) {
		struct at place = { .up = at, .index = i };
		read_event(c->r, json_array_get(v, i), &place, f);
	}
}

void request_webhook(struct request_context *c, const json_t *v, const struct at *at,
	struct faults *f)
{
	static const struct member members[] = { { "url", read_url }, { "events", read_events } };
	struct at url = { .up = at, .name = "url" };
	size_t before = f->n;

	members_read(v, members, ARRAY_LEN(members), at, c, f);
	if (!c->r->webhook_url && f->n == before)
		at_fault(f, &url, ERR_REQUEST_INVALID, "where are the events to be sent?");
	if (!c->r->webhook_events)
		c->r->webhook_events = ends_of_jobs;
}
