/* SPDX-License-Identifier: MIT
 *
 * An HTTP request as API Gateway (REST and HTTP API), a function URL or an application load balancer
 * hands it over, and the answer as they want it back: payload formats 1.0 and 2.0 of
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
 */
#ifndef BULB_LAMBDA_GATEWAY_H
#define BULB_LAMBDA_GATEWAY_H

#include "base/json.h"
#include "base/mem.h"
#include "net/net.h"

struct gateway_request {
	int version; /* of the payload: 1 or 2 */
	const char *method;
	const char *path;   /* with query, encoded; without what the gateway put before it */
	const char *prefix; /* that; "" or "/prod" */
	const char *id;     /* the gateway's own, or NULL */
	/* What goes on to the server: no hop-by-hop fields, and Host, who asked, and by which name, as
	 * X-Forwarded-*, from what the gateway says and not from what its client does. */
	const struct net_header *headers;
	size_t headers_n;
	const void *body; /* NULL: none */
	size_t body_n;
};
/* In the arena; strings may be the event's. ERR_REQUEST_INVALID. */
enum err_code gateway_parse(const json_t *event, struct arena *a, struct gateway_request *ret,
	struct err *e) MUST_CHECK;
const char *gateway_header(const struct gateway_request *r, const char *name); /* NULL: none */

struct gateway_header {
	char *name, *value;
};
struct gateway_answer {
	int status;
	struct gateway_header *headers;
	size_t n, cap;
};
void gateway_answer_add(struct gateway_answer *g, const char *name, const char *value);
void gateway_answer_done(struct gateway_answer *g);
/* {"statusCode", …} with the body as text where it is text, else in base64. */
json_t *gateway_answer_json(const struct gateway_answer *g, int version, const void *body,
	size_t n);
/* The same for a problem of our own (RFC 9457). */
json_t *gateway_problem(const struct gateway_request *r, int status, const struct err *why);

/* A field that concerns one connection only (RFC 9110 §7.6.1), or that is made anew. */
bool gateway_is_hop(const char *name);

#endif
