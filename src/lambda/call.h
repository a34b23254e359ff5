/* SPDX-License-Identifier: MIT
 *
 * One HTTP call whose answer is kept whole in memory: to the runtime, to the app server, to Lambda.
 * Private to lambda.
 */
#ifndef BULB_LAMBDA_CALL_H
#define BULB_LAMBDA_CALL_H

#include "base/buf.h"
#include "net/net.h"

struct call {
	const char *method, *url;
	const struct net_header *headers;
	size_t headers_n;
	const void *body; /* or NULL */
	size_t body_n;
	int64_t connect_ms, total_ms; /* 0: as long as it takes */
	bool once;                    /* as in net.h */
	size_t max_bytes;             /* of the answer; 0: CALL_TEXT_MAX */
	/* Or NULL: one call for each header of the answer. */
	void (*on_header)(void *ctx, const char *name, const char *value);
	void *ctx;
};
#define CALL_TEXT_MAX (32 << 20)
struct call_answer {
	int status;
	struct buf body;
};
/* ERR_FETCH_* when there was no answer, ERR_REQUEST_TOO_LARGE when it is longer than may be; any
 * status is an answer. The caller ends *ret with call_done, also after a failure. */
enum err_code call_do(struct net_client *c, const struct call *k, struct call_answer *ret,
	struct err *e) MUST_CHECK;
void call_done(struct call_answer *a);
/* A client for addresses that the operator chose. */
struct net_client *call_client_new(void);

#endif
