/* SPDX-License-Identifier: MIT
 *
 * Lambda's Invoke call (API version 2015-03-31), asynchronous: whoever asks learns that the event was
 * taken, and nothing of what becomes of it.
 */
#ifndef BULB_LAMBDA_INVOKE_H
#define BULB_LAMBDA_INVOKE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* AWS says 256 KB of an asynchronous event; since October 2025 1 MB in most regions. */
#define INVOKE_EVENT_MAX (256 << 10)

struct invoker;
/* envp: keys and region as AWS's own tools find them, AWS_ENDPOINT_URL_LAMBDA; it has to live as long.
 * ERR_USAGE: no region. */
enum err_code invoker_new(char *const *envp, struct invoker **ret, struct err *e) MUST_CHECK;
void invoker_free(struct invoker *i);
/* function: name, name:version or ARN. One try of at most total_ms. ERR_RATE_LIMITED (429: throttled;
 * e->retry_after_ms where it was said), ERR_OVERLOADED (5xx), ERR_FETCH_* (not reached: it is not known
 * whether it was taken), ERR_REQUEST_TOO_LARGE, ERR_AUTH_FORBIDDEN, ERR_NOT_FOUND, ERR_REQUEST_INVALID,
 * ERR_USAGE (no keys). Thread-safe; blocks. */
enum err_code invoke_event(struct invoker *i, const char *function, const char *payload, size_t n,
	int64_t total_ms, struct err *e) MUST_CHECK;

/* The running function's own name, with its version unless that is $LATEST; NULL outside Lambda. The
 * caller frees. */
char *invoke_own_name(char *const *envp);

#endif
