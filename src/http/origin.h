/* SPDX-License-Identifier: MIT
 *
 * The Origin of a request that is refused before it was parsed to its end: without it in the
 * answer's CORS fields, a browser shows its page no more than "network error".
 */
#ifndef BULB_HTTP_ORIGIN_H
#define BULB_HTTP_ORIGIN_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>

/* The value of the first field Origin in "url\0name\0value\0name…", which may be cut anywhere; in the
 * arena. NULL: none that is whole. */
const char *origin_in_fields(const char *text, size_t n, struct arena *a);
/* The same in raw lines, which may be anything; in_line: they begin within one. */
const char *origin_in_lines(const char *data, size_t n, bool in_line, struct arena *a);

#endif
