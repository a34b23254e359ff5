/* SPDX-License-Identifier: MIT
 *
 * The growing buffer. Growth doubles, so that many small appends stay linear; the maximum is looked
 * at before any memory is asked for, so that a stranger's size cannot make us ask.
 */
#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP ((size_t)64)

void buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ .max = b->max };
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->full = false;
	if (b->data)
		b->data[0] = '\0';
}

/* cap counts the NUL, max does not. */
bool buf_reserve(struct buf *b, size_t more)
{
	if (b->len > b->max || more > b->max - b->len)
		goto full;
	size_t need = b->len + more + 1;
	if (need <= b->cap)
		return true;
	size_t cap = b->cap ? b->cap : FIRST_CAP;
	while (cap < need && cap <= b->max / 2)
		cap *= 2;
	if (cap < need)
		cap = need;
	char *data = realloc(b->data, cap);
	if (!data)
		goto full;
	b->data = data;
	b->cap = cap;
	b->data[b->len] = '\0';
	return true;
full:
	b->full = true;
	return false;
}

bool buf_add(struct buf *b, const void *data, size_t n)
{
	if (!buf_reserve(b, n))
		return false;
	if (n)
		memcpy(b->data + b->len, data, n);
	b->len += n;
	b->data[b->len] = '\0';
	return true;
}

bool buf_puts(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

bool buf_putc(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	bool ok = n >= 0 && buf_reserve(b, (size_t)n);
	if (ok) {
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
	va_end(ap);
	b->full |= !ok;
	return ok;
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
	char *data = b->data ? TAKE(&b->data) : mem_strdup("");
	buf_done(b);
	return data;
}
