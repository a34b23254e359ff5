/* SPDX-License-Identifier: MIT
 *
 * The head of an HTTP response as libcurl hands it over, line by line: interim responses and
 * trailers are passed over, and the whole is bounded. Private to net.
 */
#ifndef BULB_NET_HEAD_H
#define BULB_NET_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#define HEAD_LINES_MAX 200
#define HEAD_BYTES_MAX (64 << 10) /* of all lines, interim responses and trailers included */
#define HEAD_LINE_MAX  (16 << 10)

enum head_event {
	HEAD_NOTHING, /* a line that is nobody's concern */
	HEAD_STATUS,  /* head.status is that of the final response */
	HEAD_FIELD,   /* head.name and head.value, until the next line */
	HEAD_TOO_LARGE,
};
struct head {
	int status; /* 0 before the final response began */
	bool ended; /* its empty line was seen */
	const char *name, *value;
	size_t lines, bytes;
	char text[HEAD_LINE_MAX + 1];
};

void head_start(struct head *h);
enum head_event head_line(struct head *h, const char *line, size_t n);

#endif
