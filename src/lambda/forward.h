/* SPDX-License-Identifier: MIT
 *
 * The app server, seen from a function: requests that a gateway handed over are asked of it, and jobs
 * are made there. One thread at a time.
 */
#ifndef BULB_LAMBDA_FORWARD_H
#define BULB_LAMBDA_FORWARD_H

#include "lambda/gateway.h"

struct server;
/* url: "https://app.example.com"; key: or NULL. Both are copied. */
struct server *server_new(const char *url, const char *key);
void server_free(struct server *s);

/* The gateway's answer, within left_ms; where the server gave none, a problem document that says so
 * (502, 504). Of the invocation's id a POST of a job gets its Idempotency-Key, if it has none. */
json_t *server_forward(struct server *s, const struct gateway_request *r, const char *id,
	int64_t left_ms);

/* POST /v1/jobs, as one job however often it is called with the same id; tried again while left_ms
 * lasts. *ret is the job. The server's problem becomes the error, with its code. */
enum err_code server_submit(struct server *s, const json_t *job, const char *id, int64_t left_ms,
	json_t **ret, struct err *e) MUST_CHECK;

#endif
