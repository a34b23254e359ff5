/* SPDX-License-Identifier: MIT
 *
 * Only data lines matter to us: the event's id and type stand inside the CloudEvents envelope, too.
 */
#include "app/sse.h"

#include <string.h>

#define SSE_EVENT_MAX (1 << 20)

void sse_init(struct sse_parser *p, bool (*event)(void *ctx, const char *data, size_t n), void *ctx)
{
	*p = (struct sse_parser){
		.line = BUF_INIT(SSE_EVENT_MAX),
		.data = BUF_INIT(SSE_EVENT_MAX),
		.event = event,
		.ctx = ctx,
	};
}

void sse_done(struct sse_parser *p)
{
	buf_done(&p->line);
	buf_done(&p->data);
}

static bool dispatch(struct sse_parser *p)
{
	bool go_on = p->data.len == 0 || p->event(p->ctx, p->data.data, p->data.len);
	buf_reset(&p->data);
	return go_on;
}

static bool line_ends(struct sse_parser *p)
{
	const char *line = buf_str(&p->line);
	size_t n = p->line.len;
	bool go_on = true;
	if (n == 0) {
		go_on = dispatch(p);
	} else if (n >= 5 && memcmp(line, "data:", 5) == 0) {
		size_t skip = n > 5 && line[5] == ' ' ? 6 : 5;
		if (p->data.len)
			buf_putc(&p->data, '\n');
		buf_add(&p->data, line + skip, n - skip);
	}
	buf_reset(&p->line);
	return go_on && !p->data.full;
}

bool sse_feed(struct sse_parser *p, const void *data, size_t n)
{
	const char *s = data;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\n' && p->skip_lf) {
			p->skip_lf = false;
			continue;
		}
		p->skip_lf = s[i] == '\r';
		if (s[i] == '\n' || s[i] == '\r') {
			if (!line_ends(p))
				return false;
		} else if (!buf_putc(&p->line, s[i])) {
			return false;
		}
	}
	return true;
}
