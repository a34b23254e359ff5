/* SPDX-License-Identifier: MIT
 *
 * The client's side of server-sent events (HTML Living Standard §9.2): bytes in, events out.
 */
#ifndef BULB_APP_SSE_H
#define BULB_APP_SSE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct sse_parser {
	struct buf line, data;
	bool skip_lf; /* a CR ended the last line */
	/* Called for every event; false stops the parsing. */
	bool (*event)(void *ctx, const char *data, size_t n);
	void *ctx;
};

void sse_init(struct sse_parser *p, bool (*event)(void *ctx, const char *data, size_t n),
	void *ctx);
void sse_done(struct sse_parser *p);
/* false when event() stopped it or an event was over 1 MiB. */
bool sse_feed(struct sse_parser *p, const void *data, size_t n);

#endif
