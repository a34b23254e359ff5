/* SPDX-License-Identifier: MIT
 *
 * Columns of text for people: each as wide as its widest cell.
 */
#ifndef BULB_APP_TABLE_H
#define BULB_APP_TABLE_H

#include "base/cdefs.h"

#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS 10

struct table;
struct table *table_new(size_t columns);
/* Its first row are these. */
struct table *table_with_heads(const char *const *heads, size_t columns);
void table_free(struct table *t);
static inline void table_freep(struct table **t)
{
	table_free(*t);
	*t = NULL;
}
/* The next cell, row by row. Control characters become '?', so that no name can play with the
 * terminal. */
void table_cell(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Numbers stand at the right of their column. */
void table_number(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void table_print(const struct table *t, FILE *out);

#endif
