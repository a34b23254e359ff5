/* SPDX-License-Identifier: MIT
 *
 * Lambda's runtime API (version 2018-06-01): take an invocation, answer it, or say what went wrong;
 * and the extension (2020-01-01) whose registration makes Lambda send SIGTERM before it ends the
 * environment. One thread at a time.
 */
#ifndef BULB_LAMBDA_RUNTIME_H
#define BULB_LAMBDA_RUNTIME_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

struct runtime;
/* api: "host:port", what AWS_LAMBDA_RUNTIME_API says. */
struct runtime *runtime_new(const char *api);
void runtime_free(struct runtime *r);

/* Before the first runtime_next. A runtime that has no extensions is none the worse: false. */
bool runtime_register(struct runtime *r);

/* One event and what came with it. Lambda delivers at least once: the same id may come again. */
struct invocation {
	char *id;
	char *trace;         /* of X-Ray, or NULL */
	int64_t deadline_ms; /* monotonic; 0: not known */
	int64_t limit_ms;    /* how long it was at receipt; 0: not known */
	struct buf event;
};
void invocation_done(struct invocation *i);
/* INT64_MAX: not known. */
int64_t invocation_left_ms(const struct invocation *i);

/* Blocks until there is one; the caller ends it. ERR_FETCH_*: the runtime is gone. ERR_SYSTEM: it
 * answers nonsense. */
enum err_code runtime_next(struct runtime *r, struct invocation *ret, struct err *e) MUST_CHECK;
/* *ret_taken: false when the answer is too large for Lambda (RUNTIME_ANSWER_MAX); another may be
 * given in its place. */
#define RUNTIME_ANSWER_MAX (6 << 20)
enum err_code runtime_answer(struct runtime *r, const char *id, const char *text, size_t n,
	bool *ret_taken, struct err *e) MUST_CHECK;
/* The invocation failed; id NULL: the function cannot even start. */
enum err_code runtime_fault(struct runtime *r, const char *id, const struct err *why, struct err *e)
	MUST_CHECK;

#endif
