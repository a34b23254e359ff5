/* SPDX-License-Identifier: MIT
 *
 * llhttp 8.1 forgives some things even in strict mode: a bare LF after the request line and after
 * the last field, folded lines, an empty field name, "gzip, chunked", HTTP/2.0. A proxy in front
 * may read each of them differently, which is how requests are smuggled. So every byte of a head
 * passes here first, by someone who knows nothing but lines: CRLF and only CRLF ends one, none is
 * folded, the first ends in HTTP/1.0 or HTTP/1.1. The head's size is counted here too.
 */
#include "http/h1_guard.h"

#include "http/h1.h"

#include <string.h>

static enum err_code guard_line_end(struct h1_guard *g, struct err *e)
{
	static const char v10[] = "HTTP/1.0", v11[] = "HTTP/1.1";
	char tail[8];
	if (g->line && !g->requested) {
		for (size_t i = 0; i < 8; i++)
			tail[i] = (char)(g->tail >> (56 - 8 * i));
		if (memcmp(tail, v10, 8) != 0 && memcmp(tail, v11, 8) != 0)
			return err_set(e, ERR_REQUEST_MALFORMED,
				"the request line does not end in HTTP/1.1 or HTTP/1.0");
		g->requested = true;
		g->head = 0;
	} else if (!g->line && g->requested) {
		g->done = true;
	}
	g->line = 0;
	return OK;
}

static enum err_code guard_size(struct h1_guard *g, struct err *e)
{
	if (++g->head > H1_HEAD_BYTES && g->requested)
		return err_set(e, ERR_REQUEST_HEADERS_TOO_LARGE,
			"the header fields are over %d bytes", H1_HEAD_BYTES);
	if (g->head > H1_URI_BYTES + 64 && !g->requested)
		return err_set(e, ERR_REQUEST_URI_TOO_LONG, "the URI is over %d bytes",
			H1_URI_BYTES);
	return OK;
}

static enum err_code guard_byte(struct h1_guard *g, char b, struct err *e)
{
	if (guard_size(g, e))
		return e->code;
	if (b == '\0')
		return err_set(e, ERR_REQUEST_MALFORMED, "the head has a NUL in it");
	if ((b == '\n') != g->cr)
		return err_set(e, ERR_REQUEST_MALFORMED, "a line ends in a bare %s",
			g->cr ? "CR" : "LF");
	if (g->cr) {
		g->cr = false;
		return guard_line_end(g, e);
	}
	if (b == '\r') {
		g->cr = true;
		return OK;
	}
	if (g->line == 0 && (b == ' ' || b == '\t'))
		return err_set(e, ERR_REQUEST_MALFORMED, "a header line begins with white space");
	g->line++;
	g->tail = g->tail << 8 | (unsigned char)b;
	return OK;
}

enum err_code h1_guard_pass(struct h1_guard *g, const char *data, size_t n, struct err *e)
{
	for (size_t i = 0; i < n && !g->done; i++) {
		if (guard_byte(g, data[i], e))
			return e->code;
	}
	return OK;
}
