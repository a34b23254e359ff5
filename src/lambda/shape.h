/* SPDX-License-Identifier: MIT
 *
 * What a function can be invoked with (docs/aws.md). Who sends it decides what it looks like; nothing
 * but its members says which it is.
 */
#ifndef BULB_LAMBDA_SHAPE_H
#define BULB_LAMBDA_SHAPE_H

#include "base/json.h"

enum shape {
	SHAPE_JOB,      /* {"job": the body of POST /v1/jobs} */
	SHAPE_TASKS,    /* {"tasks": […]}: job/report.h */
	SHAPE_CONTINUE, /* {"continue": {"id", "leg"}}: the rest of a batch, from ourselves */
	SHAPE_HTTP,     /* API Gateway, REST or HTTP API, or a function URL */
	SHAPE_QUEUE,    /* SQS: each message holds one of the first two */
	SHAPE_SCHEDULE, /* EventBridge, by rule or scheduler; or {"gc": true} */
};
/* ERR_REQUEST_INVALID, with the shapes that there are. */
enum err_code shape_of(const json_t *event, enum shape *ret, struct err *e) MUST_CHECK;

/* A batch of which another invocation did a part. */
struct continued {
	char id[65]; /* of the batch: [A-Za-z0-9_-]+ */
	int leg;     /* 1 …: how many invocations worked on it before */
};
enum err_code continued_parse(const json_t *event, struct continued *ret, struct err *e) MUST_CHECK;
json_t *continued_json(const struct continued *c);

/* One message of a queue. */
struct message {
	const char *id; /* the event's own */
	json_t *event;  /* what it holds: SHAPE_JOB or SHAPE_TASKS; NULL: it makes no sense */
	enum shape shape;
	struct err why; /* of NULL */
	bool failed;    /* for whoever works on it: to be delivered again */
};
struct messages {
	struct message *v;
	size_t n;
};
/* ERR_REQUEST_INVALID: no list of messages. The caller ends *ret, which lives no longer than the
 * event. */
enum err_code messages_parse(const json_t *event, struct messages *ret, struct err *e) MUST_CHECK;
void messages_done(struct messages *m);
/* {"batchItemFailures": […]} */
json_t *messages_answer(const struct messages *m);

#endif
