/* SPDX-License-Identifier: MIT
 *
 * A client for unit tests that shows what is on the wire: one HTTP exchange, a WebSocket, a stream
 * of server-sent events. Everything waits at most WIRE_MS for the other side, then the test fails.
 */
#ifndef BULB_TESTS_LIB_WIRE_H
#define BULB_TESTS_LIB_WIRE_H

#include "base/buf.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

#define WIRE_MS 20000

struct reply {
	int status;
	char *head; /* status line and fields */
	char *body; /* NUL behind it */
	size_t body_n;
	json_t *json; /* of the body, where it is JSON; else NULL */
};
/* fields: "Name: value\r\n…" or NULL; "Host: …" in it replaces the default. body NULL: none; a body
 * is sent as application/json unless fields say otherwise. */
struct reply http_call(int port, const char *method, const char *target, const char *fields,
	const char *body);
void reply_done(struct reply *r);
#define autoreply CLEANUP(reply_done) struct reply
/* The value of a field; NULL when absent. Valid until the next call. */
const char *reply_field(const struct reply *r, const char *name);

/* A request that has been sent and is answered later. */
int http_send(int port, const char *method, const char *target, const char *fields,
	const char *body);
struct reply http_receive(int fd); /* closes it */

/* A stream: WebSocket or server-sent events. */
struct wire {
	int fd;
	bool sse;
	int status; /* 101 and 200 are good */
	struct buf in;
	int close_code; /* WebSocket: after its end */
	char close_reason[128];
};
void wire_open(struct wire *w, int port, const char *target, const char *fields);
void sse_open(struct wire *w, int port, const char *target, const char *fields);
void wire_done(struct wire *w);
#define autowire CLEANUP(wire_done) struct wire
/* The next text message, or the next block of an event stream (comments and blocks without data
 * left out). NULL at the end. The caller frees. */
char *wire_next(struct wire *w);
void wire_send(struct wire *w, const char *text);
/* The value of a block's field ("id", "event", "data"); the caller frees. */
char *sse_field(const char *block, const char *name);

#endif
