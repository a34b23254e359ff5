/* SPDX-License-Identifier: MIT
 *
 * Inside a copy: its tables, and the texts that read and write them in either dialect.
 */
#ifndef BULB_STORE_COPY_IMPL_H
#define BULB_STORE_COPY_IMPL_H

#include "store/copy.h"
#include "store/tx.h"

#define COPY_COLUMNS 60
#define COPY_PAGE    500 /* rows in memory at a time, twice */

struct copy_column {
	const char *name;
	enum sql_type type;
	int key;       /* its place in the primary key, from 1; 0: it is not in it */
	bool is_fixed; /* the target gets `fixed` in its place */
	int64_t fixed;
};
/* Texts for one of the two stores. */
struct copy_texts {
	const char *count;
	const char *first, *next;   /* a page of rows, after a key */
	const char *upto, *between; /* all rows up to a key, after another */
	const char *insert, *erase, *erase_all, *erase_after;
	const char *number, *set_number; /* the last one given to a row; NULL: rows have none */
	const char *no_number;           /* before it is set; or NULL */
};
struct copy_shape {
	struct copy_table report; /* what callers see; its name */
	struct copy_column columns[COPY_COLUMNS];
	size_t n, keys_n, page; /* page: rows in memory at a time */
	const char *identity;   /* the column that is numbered, or NULL */
	int blob, data;         /* columns; -1: it has none */
	struct copy_texts from, to;
};
struct copy {
	struct copy_opts o;
	struct arena *arena; /* of texts, which connections know by their addresses */
	struct copy_shape *shapes;
	struct copy_table *reports;
	size_t n;
};

/* copy_shape.c: every table of the schema, and what is said of it to each store. */
enum err_code copy_shapes(struct copy *c, struct err *e) MUST_CHECK;
/* copy_rows.c: the rows of one table, of which the source has about `of`. */
enum err_code copy_rows(struct copy *c, struct copy_shape *s, int64_t of, struct err *e) MUST_CHECK;

#endif
