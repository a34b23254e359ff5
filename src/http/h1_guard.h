/* SPDX-License-Identifier: MIT
 *
 * What is looked at in a request's head before it is parsed: its lines.
 */
#ifndef BULB_HTTP_H1_GUARD_H
#define BULB_HTTP_H1_GUARD_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where it is within the head's lines; all zero before a request's first byte. */
struct h1_guard {
	size_t head, line; /* bytes of the field lines so far; of the line in hand */
	uint64_t tail;     /* the last eight bytes of the request line */
	bool cr, requested, done;
};
/* Look at the next bytes; those behind the head are passed over. ERR_REQUEST_*. */
enum err_code h1_guard_pass(struct h1_guard *g, const char *data, size_t n, struct err *e)
	MUST_CHECK;

#endif
