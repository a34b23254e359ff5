/* SPDX-License-Identifier: MIT
 *
 * Requests that two parsers could read in two ways. Shared by the test that they are refused and by
 * the one that shows which of them only llhttp's strict mode refuses.
 */
#ifndef BULB_TESTS_UNIT_HTTP_SMUGGLING_H
#define BULB_TESTS_UNIT_HTTP_SMUGGLING_H

#include <stddef.h>

struct shape {
	const char *name, *bytes;
	size_t n;
};
#define SHAPE(name, text)                                                                          \
	{                                                                                          \
		name, text, sizeof(text) - 1                                                       \
	}
#define POST    "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

/* Refused because llhttp is built in strict mode, and for no other reason. */
static const struct shape only_strict[] = {
	SHAPE("space before a colon", "GET / HTTP/1.1\r\nHost : a\r\nHost: a\r\n\r\n"),
	SHAPE("junk after a chunk", CHUNKED "3\r\nabcXX0\r\n\r\n"),
	SHAPE("junk after the second chunk", CHUNKED "1\r\na\r\n3\r\nabc..0\r\n\r\n"),
	SHAPE("raw UTF-8 in the target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"),
};

/* llhttp takes these even in strict mode; the guard of heads and the checks after it do not. */
static const struct shape only_ours[] = {
	SHAPE("bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
	SHAPE("bare LF at the end of the head", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
	SHAPE("folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"),
	SHAPE("folded Transfer-Encoding", POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
	SHAPE("empty field name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"),
	SHAPE("gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
	SHAPE("coding in HTTP/1.0",
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	SHAPE("bare LF at the end of a chunked body", CHUNKED "0\r\n\n"),
	SHAPE("trailer", CHUNKED "0\r\nX: y\r\n\r\n"),
	SHAPE("no Host", "GET / HTTP/1.1\r\n\r\n"),
	SHAPE("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
	SHAPE("HTTP/0.9", "GET /\r\n\r\n"),
	SHAPE("HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
	SHAPE("RTSP", "GET / RTSP/1.0\r\nHost: a\r\n\r\n"),
	SHAPE("fragment", "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n"),
};

static const struct shape others[] = {
	SHAPE("both lengths",
		POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	SHAPE("two lengths", POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
	SHAPE("list of lengths", POST "Content-Length: 1, 1\r\n\r\na"),
	SHAPE("space before the colon of a length", POST "Content-Length : 1\r\n\r\na"),
	SHAPE("bare LF after a field", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
	SHAPE("bare CR in a field", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"),
	SHAPE("bare CR at the end of the head", "GET / HTTP/1.1\r\nHost: a\r\n\rX"),
	SHAPE("NUL", "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"),
	SHAPE("space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
	SHAPE("chunk size that is none", CHUNKED "x\r\n\r\n0\r\n\r\n"),
	SHAPE("bare LF after a chunk size", CHUNKED "1\na\r\n0\r\n\r\n"),
};

#endif
