/* SPDX-License-Identifier: MIT
 *
 * Where the bytes of a source go as they arrive: a memfd and a digest, up to a limit. Private to
 * fetch.
 */
#ifndef BULB_FETCH_SINK_H
#define BULB_FETCH_SINK_H

#include "fetch/fetch.h"

struct sink {
	int fd; /* -1 before the first byte */
	int64_t bytes, max_bytes;
	struct sha256 *sha;
	_Atomic int64_t *progress; /* or NULL */
};
#define SINK_INIT(max, prog)                                                                       \
	{                                                                                          \
		.fd = -1, .max_bytes = (max), .progress = (prog)                                   \
	}

/* ERR_FETCH_TOO_LARGE, ERR_SYSTEM, ERR_MEMORY. */
enum err_code sink_add(struct sink *s, const void *data, size_t n, struct err *e) MUST_CHECK;
/* Hands the sealed memfd, its length and digest over. ERR_FETCH_NOT_IMAGE when nothing came. */
enum err_code sink_end(struct sink *s, struct fetch_result *ret, struct err *e) MUST_CHECK;
enum err_code sink_too_large(int64_t bytes, int64_t max_bytes, struct err *e);
void sink_done(struct sink *s); /* for CLEANUP; fine after sink_end */

#endif
