/* SPDX-License-Identifier: MIT
 *
 * What the tests of push share: readers of a log over real sockets.
 */
#ifndef BULB_TESTS_UNIT_PUSH_PUSH_TEST_H
#define BULB_TESTS_UNIT_PUSH_PUSH_TEST_H

#include "lib/test.h"

#include "base/mem.h"
#include "lib/site.h"
#include "lib/wire.h"

#include <unistd.h>

static struct site site;

static inline int open_site(void **state)
{
	site_open(&site);
	*state = &site;
	return 0;
}
static inline int bare_site(void **state)
{
	site_defaults(&site);
	*state = &site;
	return 0;
}
static inline int close_site(void **state)
{
	site_close(*state);
	return 0;
}
#define with_site(fn)      cmocka_unit_test_setup_teardown(fn, open_site, close_site)
#define with_bare_site(fn) cmocka_unit_test_setup_teardown(fn, bare_site, close_site)

/* A WebSocket or an event stream on a job's log; query is "" or "?after=…". */
static inline void watch(struct wire *w, struct site *s, const char *id, const char *query)
{
	autofree char *target = mem_printf("/v1/jobs/%s/events%s", id, query);
	wire_open(w, s->port, target, NULL);
	assert_int_equal(w->status, 101);
}
static inline void watch_sse(struct wire *w, struct site *s, const char *id, const char *query,
	const char *fields)
{
	autofree char *target = mem_printf("/v1/jobs/%s/events%s", id, query);
	sse_open(w, s->port, target, fields);
}

static inline int64_t sequence_of(const char *text)
{
	autojson *o = NULL;
	assert_int_equal(json_parse(text, strlen(text), &o, NULL), OK);
	return strtoll(json_get_str(o, "sequence", "-1"), NULL, 10);
}

/* Read events first … last, every one exactly once and in order. */
static inline void expect_events(struct wire *w, int64_t first, int64_t last)
{
	for (int64_t seq = first; seq <= last; seq++) {
		autofree char *text = wire_next(w);
		if (!text)
			fail_msg("the stream ended before event %lld: %d %s", (long long)seq,
				w->close_code, w->close_reason);
		autofree char *data = w->sse ? sse_field(text, "data") : NULL;
		assert_int_equal(sequence_of(data ? data : text), seq);
	}
}

/* Nothing more comes, and the stream ends like this (code 0: server-sent events). */
static inline void expect_end(struct wire *w, int code, const char *reason)
{
	autofree char *text = wire_next(w);
	assert_null(text);
	assert_int_equal(w->close_code, code);
	if (reason)
		assert_string_equal(w->close_reason, reason);
}

static inline int64_t last_seq(struct site *s, const char *id)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	return site_job(s, id, a)->seq;
}

/* All texts of the log as GET shows them, in one JSON array. */
static inline json_t *log_by_get(struct site *s, const char *id)
{
	json_t *all = json_arr();
	autofree char *next = mem_strdup("0");
	for (bool done = false; !done;) {
		autofree char *target = mem_printf("/v1/jobs/%s/events?after=%s", id, next);
		autoreply r = http_call(s->port, "GET", target, NULL, NULL);
		assert_int_equal(r.status, 200);
		json_array_extend(all, json_object_get(r.json, "events"));
		done = json_get_bool(r.json, "done", true);
		free(next);
		next = mem_strdup(json_get_str(r.json, "next", "0"));
	}
	return all;
}

#endif
