/* SPDX-License-Identifier: MIT
 *
 * Only 200 and 203 bring a source. The body of any other answer is read no further than it takes to
 * keep the connection for the next request, and never looked at.
 */
#include "fetch/receive.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DRAIN_BYTES_MAX (16 << 10)

void receive_start(struct receive *r, struct sink *sink, bool undo_encoding,
	_Atomic int64_t *bytes_total)
{
	r->sink = sink;
	r->undo_encoding = undo_encoding;
	r->bytes_total = bytes_total;
	r->status = 0;
	r->encoded = r->odd_encoding = false;
	r->declared_bytes = -1;
	r->retry_after_ms = r->drained_bytes = 0;
	r->etag[0] = r->last_modified[0] = r->location[0] = '\0';
	r->rc = OK;
}

bool receive_is_body(const struct receive *r)
{
	return r->status == 200 || r->status == 203;
}

bool receive_is_redirect(const struct receive *r)
{
	return r->status == 301 || r->status == 302 || r->status == 303 || r->status == 307 ||
		r->status == 308;
}

bool receive_status(void *ctx, int status)
{
	((struct receive *)ctx)->status = status;
	return true;
}

/* The digits of a Content-Length; libcurl has refused the ill-formed. */
static int64_t parse_length(const char *s)
{
	int64_t n = 0;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *s - '0', &n))
			return INT64_MAX;
	return n;
}

static bool see_length(struct receive *r, const char *value)
{
	r->declared_bytes = parse_length(value);
	if (!receive_is_body(r) || r->declared_bytes <= r->sink->max_bytes)
		return true;
	r->rc = sink_too_large(r->declared_bytes, r->sink->max_bytes, &r->why);
	return false;
}

/* What may be undone though nobody asked for it: not br and zstd, whose windows cost megabytes. */
static bool encoding_is_known(const char *s, size_t n)
{
	static const char *const known[] = { "identity", "gzip", "x-gzip", "deflate" };
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (n == strlen(known[i]) && strncasecmp(s, known[i], n) == 0)
			return true;
	return n == 0;
}

static bool see_encoding(struct receive *r, const char *value)
{
	if (!r->undo_encoding || !receive_is_body(r))
		return true;
	r->encoded = true;
	for (const char *s = value; *s != '\0'; s += strspn(s, ", \t")) {
		size_t n = strcspn(s, ", \t");
		if (!encoding_is_known(s, n))
			r->odd_encoding = true;
		s += n;
	}
	return !r->odd_encoding;
}

/* A validator that does not fit whole is of no use, and one with control characters of no good. */
static void copy_whole(char *to, size_t room, const char *value)
{
	size_t n = strlen(value);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
			return;
	if (n < room)
		memcpy(to, value, n + 1);
}

bool receive_header(void *ctx, const char *name, const char *value)
{
	struct receive *r = ctx;
	if (strcasecmp(name, "Content-Length") == 0)
		return see_length(r, value);
	if (strcasecmp(name, "Content-Encoding") == 0)
		return see_encoding(r, value);
	if (strcasecmp(name, "ETag") == 0)
		copy_whole(r->etag, sizeof(r->etag), value);
	else if (strcasecmp(name, "Last-Modified") == 0)
		copy_whole(r->last_modified, sizeof(r->last_modified), value);
	else if (strcasecmp(name, "Retry-After") == 0)
		r->retry_after_ms = net_retry_after(value);
	else if (strcasecmp(name, "Location") == 0 && r->location[0] == '\0')
		snprintf(r->location, sizeof(r->location), "%s", value);
	return true;
}

bool receive_body(void *ctx, const void *data, size_t n)
{
	struct receive *r = ctx;
	if (!receive_is_body(r)) {
		r->drained_bytes += (int64_t)n;
		return r->drained_bytes <= DRAIN_BYTES_MAX;
	}
	if (r->sink->bytes == 0 && r->bytes_total != NULL)
		atomic_store(r->bytes_total, r->encoded ? -1 : r->declared_bytes);
	r->rc = sink_add(r->sink, data, n, &r->why);
	return r->rc == OK;
}
