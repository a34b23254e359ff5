/* SPDX-License-Identifier: MIT
 *
 * An event as a function gets it: which shape it has, and what each shape's reader makes of it.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "lambda/gateway.h"
#include "lambda/shape.h"
#include "lambda/tasks.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_http(const json_t *event)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct gateway_request r = { 0 };
	struct err e = { 0 };
	if (gateway_parse(event, a, &r, &e) != OK) {
		assert(e.code != OK);
		return;
	}
	assert(r.path[0] == '/' && r.method[0] && (r.version == 1 || r.version == 2));
	for (const char *p = r.path; *p; p++)
		assert(*p > ' ' && *p < 0x7f);
	for (size_t i = 0; i < r.headers_n; i++) {
		assert(!strpbrk(r.headers[i].value, "\r\n") && !gateway_is_hop(r.headers[i].name));
		assert(r.headers[i].name[0] && !strpbrk(r.headers[i].name, " :\r\n"));
	}
	autojson *answer = gateway_problem(&r, 502, &e);
	assert(json_is_object(answer));
}

static void read_tasks(const json_t *event)
{
	static const uint8_t key[32];
	struct tasks *t = tasks_new(&(struct tasks_opts){ .seal_key = key, .codecs = "fuzz" });
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct feed feed = tasks_feed(t);
	struct err e = { 0 };
	struct task *got = NULL;
	struct claim c = { .max = 100 };
	size_t no = 0, n = 0;
	tasks_begin(t, clock_mono_ms() + 60000);
	if (tasks_add(t, event, &no, &e) == OK) {
		assert(feed.claim(feed.ctx, &c, a, &got, &n, &e) == OK);
		tasks_close(t);
		json_decref(tasks_rest(t, no));
		assert(tasks_counts(t, no).back >= n);
	} else {
		assert(e.code != OK);
	}
	tasks_free(t);
}

static void read_queue(const json_t *event)
{
	struct messages m;
	struct err e = { 0 };
	if (messages_parse(event, &m, &e) != OK)
		return;
	for (size_t i = 0; i < m.n; i++) {
		assert(m.v[i].id && (m.v[i].event != NULL) == (m.v[i].why.code == OK));
		if (m.v[i].event && m.v[i].shape == SHAPE_TASKS)
			read_tasks(m.v[i].event);
	}
	autojson *answer = messages_answer(&m);
	assert(json_is_object(answer));
	messages_done(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autojson *event = NULL;
	struct err e = { 0 };
	struct continued c;
	enum shape shape;
	if (json_parse((const char *)data, size, &event, &e) != OK ||
		shape_of(event, &shape, &e) != OK)
		return 0;
	if (shape == SHAPE_HTTP)
		read_http(event);
	if (shape == SHAPE_TASKS)
		read_tasks(event);
	if (shape == SHAPE_QUEUE)
		read_queue(event);
	if (shape == SHAPE_CONTINUE && continued_parse(event, &c, &e) == OK)
		assert(c.id[0] && c.leg > 0);
	return 0;
}
