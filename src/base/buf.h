/* SPDX-License-Identifier: MIT
 *
 * A growing byte buffer with a maximum. Always NUL-terminated after data[len] so that text can be
 * read as a string. A failed append (over max, or out of memory) sets `full` and changes nothing
 * else; callers may append many times and look once.
 */
#ifndef BULB_BASE_BUF_H
#define BULB_BASE_BUF_H

#include "base/cdefs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* owned; "" when nothing was appended yet is NOT guaranteed: see buf_str */
	size_t len, cap, max;
	bool full;
};

#define BUF_INIT(max_bytes)                                                                        \
	{                                                                                          \
		.max = (max_bytes)                                                                 \
	}
void buf_done(struct buf *b);  /* frees; b may be used again */
void buf_reset(struct buf *b); /* len = 0, keeps the memory */
bool buf_add(struct buf *b, const void *data, size_t n);
bool buf_puts(struct buf *b, const char *s);
bool buf_putc(struct buf *b, char c);
bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool buf_reserve(struct buf *b, size_t more); /* room for `more` bytes without another allocation */
const char *buf_str(const struct buf *b);     /* never NULL */
char *buf_take(struct buf *b);                /* the caller owns it; b is empty; never NULL */

#endif
