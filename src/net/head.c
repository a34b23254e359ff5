/* SPDX-License-Identifier: MIT
 *
 * libcurl has split the response into lines and refused the grossest faults; what is left to do is
 * to know which lines belong to the final response, and not to take more of them than a picture's
 * server has reason to send.
 */
#include "net/head.h"

#include <string.h>
#include <strings.h>

void head_start(struct head *h)
{
	h->status = 0;
	h->ended = false;
	h->name = h->value = "";
	h->lines = h->bytes = 0;
}

/* "HTTP/1.1 200 OK" → 200, -1 if it is no status line. */
static int parse_status(const char *s)
{
	if (strncasecmp(s, "HTTP/", 5) != 0)
		return -1;
	s += 5 + strcspn(s + 5, " ");
	if (*s != ' ')
		return -1;
	int status = 0;
	for (int i = 1; i <= 3; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		status = status * 10 + (s[i] - '0');
	}
	return s[4] == '\0' || s[4] == ' ' ? status : -1;
}

/* A field whose name holds a blank, or is none, is not one; nor is a folded line. */
static bool split_field(struct head *h)
{
	size_t n = strcspn(h->text, ": \t");
	if (n == 0 || h->text[n] != ':')
		return false;
	h->text[n] = '\0';
	h->name = h->text;
	h->value = h->text + n + 1 + strspn(h->text + n + 1, " \t");
	return true;
}

static enum head_event start_response(struct head *h, int status)
{
	h->ended = false;
	h->status = status >= 200 ? status : 0;
	return h->status != 0 ? HEAD_STATUS : HEAD_NOTHING;
}

enum head_event head_line(struct head *h, const char *line, size_t n)
{
	h->bytes += n;
	if (++h->lines > HEAD_LINES_MAX || h->bytes > HEAD_BYTES_MAX || n > HEAD_LINE_MAX)
		return HEAD_TOO_LARGE;
	while (n > 0 && strchr("\r\n \t", line[n - 1]) != NULL)
		n--;
	if (memchr(line, '\0', n) != NULL)
		return HEAD_NOTHING;
	memcpy(h->text, line, n);
	h->text[n] = '\0';
	if (h->ended)
		return HEAD_NOTHING; /* a trailer */
	int status = h->status == 0 ? parse_status(h->text) : -1;
	if (status >= 0)
		return start_response(h, status);
	if (n == 0)
		h->ended = h->status != 0;
	return h->status != 0 && n > 0 && split_field(h) ? HEAD_FIELD : HEAD_NOTHING;
}
