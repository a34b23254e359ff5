/* SPDX-License-Identifier: MIT
 *
 * Cells are kept until the whole table is known; tables here have at most a page of rows.
 */
#include "app/table.h"

#include "base/mem.h"

#include <stdbool.h>
#include <string.h>

struct cell {
	char *text;
	bool right;
};

struct table {
	size_t columns, n, cap;
	struct cell *cells;
};

struct table *table_new(size_t columns)
{
	struct table *t = mem_new(struct table);
	t->columns = columns;
	return t;
}

struct table *table_with_heads(const char *const *heads, size_t columns)
{
	struct table *t = table_new(columns);

	for (size_t i = 0; i < columns; i++)
		table_cell(t, "%s", heads[i]);
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}

static void add(struct table *t, bool right, const char *fmt, va_list ap)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->cells = mem_realloc(t->cells, t->cap, sizeof(*t->cells));
	}
	char *text = mem_vprintf(fmt, ap);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	t->cells[t->n++] = (struct cell){ text, right };
}

void table_cell(struct table *t, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add(t, false, fmt, ap);
	va_end(ap);
}

void table_number(struct table *t, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add(t, true, fmt, ap);
	va_end(ap);
}

/* Characters, not bytes: continuation bytes of UTF-8 take no place. */
static int width_of(const char *s)
{
	int n = 0;
	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

void table_print(const struct table *t, FILE *out)
{
	int widest[TABLE_COLUMNS] = { 0 };
	for (size_t i = 0; i < t->n; i++) {
		int w = width_of(t->cells[i].text);
		if (w > widest[i % t->columns])
			widest[i % t->columns] = w;
	}
	for (size_t i = 0; i < t->n; i++) {
		size_t column = i % t->columns;
		bool last = column + 1 == t->columns;
		int pad = widest[column] - width_of(t->cells[i].text);
		fprintf(out, "%*s%s%*s%s", t->cells[i].right ? pad : 0, "", t->cells[i].text,
			t->cells[i].right || last ? 0 : pad, "", last ? "\n" : "  ");
	}
}
