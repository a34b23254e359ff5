/* SPDX-License-Identifier: MIT
 *
 * An event is told by the members that only its sender writes. The ones of our own come first: they
 * are what people write by hand.
 */
#include "lambda/shape.h"

#include "base/mem.h"

#include <string.h>

#define LEGS_MAX 10000 /* weeks */

static bool is_string(const json_t *o, const char *name)
{
	return json_is_string(json_object_get(o, name));
}

static bool is_http(const json_t *ev)
{
	const json_t *context = json_object_get(ev, "requestContext");
	return json_is_object(context) &&
		(is_string(ev, "httpMethod") || json_is_object(json_object_get(context, "http")));
}

static bool is_queue(const json_t *ev)
{
	const json_t *records = json_object_get(ev, "Records");
	const json_t *first = json_array_get(records, 0);
	return json_is_array(records) &&
		(!first || strcmp(json_get_str(first, "eventSource", ""), "aws:sqs") == 0);
}

static bool is_schedule(const json_t *ev)
{
	const char *type = json_get_str(ev, "detail-type", "");
	const json_t *gc = json_object_get(ev, "gc");
	return json_is_true(gc) || json_is_object(gc) || strcmp(type, "Scheduled Event") == 0;
}

static const struct {
	enum shape shape;
	bool (*is)(const json_t *ev);
	const char *member; /* or this one is there */
} shapes[] = {
	{ SHAPE_JOB, NULL, "job" },
	{ SHAPE_TASKS, NULL, "tasks" },
	{ SHAPE_CONTINUE, NULL, "continue" },
	{ SHAPE_HTTP, is_http, NULL },
	{ SHAPE_QUEUE, is_queue, NULL },
	{ SHAPE_SCHEDULE, is_schedule, NULL },
};

enum err_code shape_of(const json_t *event, enum shape *ret, struct err *e)
{
	for (size_t i = 0; json_is_object(event) && i < ARRAY_LEN(shapes); i++) {
		if (shapes[i].is ? !shapes[i].is(event) : !json_object_get(event, shapes[i].member))
			continue;
		*ret = shapes[i].shape;
		return OK;
	}
	return err_set(e, ERR_REQUEST_INVALID,
		"the event is none that bulb takes: {\"job\": {\"urls\": [...]}}, {\"tasks\": [...]}, "
		"API Gateway (REST or HTTP API), a function URL, SQS, or a schedule of EventBridge");
}

/* ---- the rest of a batch ---------------------------------------------------------------------- */

static bool is_id(const char *s)
{
	size_t n = s ? strlen(s) : 0;
	return n > 0 && n < sizeof((struct continued){ 0 }.id) &&
		strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

enum err_code continued_parse(const json_t *event, struct continued *ret, struct err *e)
{
	const json_t *o = json_object_get(event, "continue");
	const char *id = json_get_str(o, "id", NULL);
	int64_t leg = json_get_int(o, "leg", 0);
	if (!is_id(id) || leg < 1 || leg > LEGS_MAX)
		return err_set(e, ERR_REQUEST_INVALID,
			"/continue: it is what a function that ran out of time sends to itself");
	struct continued c = { .leg = (int)leg };
	snprintf(c.id, sizeof(c.id), "%s", id);
	*ret = c;
	return OK;
}

json_t *continued_json(const struct continued *c)
{
	json_t *o = json_obj(), *event = json_obj();
	json_put_str(o, "id", c->id);
	json_put_int(o, "leg", c->leg);
	json_put(event, "continue", o);
	return event;
}

/* ---- a queue's messages ----------------------------------------------------------------------- */

static void read_message(const json_t *record, struct message *m)
{
	const char *body = json_get_str(record, "body", "");
	m->id = json_get_str(record, "messageId", NULL);
	autojson *event = NULL;
	if (json_parse(body, strlen(body), &event, &m->why) != OK ||
		shape_of(event, &m->shape, &m->why) != OK)
		return;
	if (m->shape != SHAPE_JOB && m->shape != SHAPE_TASKS) {
		err_set(&m->why, ERR_REQUEST_INVALID,
			"a message holds {\"job\": ...} or {\"tasks\": [...]}");
		return;
	}
	m->event = TAKE(&event);
}

enum err_code messages_parse(const json_t *event, struct messages *ret, struct err *e)
{
	const json_t *records = json_object_get(event, "Records");
	size_t n = json_array_size(records);
	struct messages all = { .v = mem_array(n + 1, sizeof(*all.v)), .n = n };
	for (size_t i = 0; i < n; i++) {
		read_message(json_array_get(records, i), &all.v[i]);
		if (all.v[i].id)
			continue;
		messages_done(&all);
		return err_set(e, ERR_REQUEST_INVALID, "/Records/%zu: it has no messageId", i);
	}
	*ret = all;
	return OK;
}

void messages_done(struct messages *m)
{
	for (size_t i = 0; i < m->n; i++)
		json_decref(m->v[i].event);
	free(m->v);
	*m = (struct messages){ 0 };
}

json_t *messages_answer(const struct messages *m)
{
	json_t *failures = json_arr(), *answer = json_obj();
	for (size_t i = 0; i < m->n; i++) {
		if (!m->v[i].failed)
			continue;
		json_t *o = json_obj();
		json_put_str(o, "itemIdentifier", m->v[i].id);
		json_push(failures, o);
	}
	json_put(answer, "batchItemFailures", failures);
	return answer;
}
