/* SPDX-License-Identifier: MIT
 *
 * Moving all that a store remembers into another one, of any kind: row by row as they are, numbers
 * included, so that whoever holds one finds the same under it. Blobs are the caller's to carry, before
 * the rows that name them.
 *
 * What is there already is compared and left alone, so a copy that was cut off goes on where it was, and one
 * that is made again brings what has changed since.
 */
#ifndef BULB_STORE_COPY_H
#define BULB_STORE_COPY_H

#include "store/store.h"

/* A blob that a row names and that the target's row did not name yet. */
struct copy_blob {
	const char *key;
	const uint8_t *sha256; /* NULL: nobody knows */
	int64_t bytes;         /* of which sha256 is; else unknown */
	bool spare;            /* nothing is missed when it is gone: it waits in the trash */
	bool bad;              /* set by the caller: it is not there, or not what it was */
};
struct copy_opts {
	struct store *from, *to; /* closed before the copy is freed; nobody else uses them */
	/* Carry these and make them durable. An error ends the copy; a blob that is bad does not: its row
	 * comes without it, as if it had been dropped, and the next copy tries it again. */
	enum err_code (*carry)(void *ctx, struct copy_blob *v, size_t n, struct err *e);
	/* After each commit: rows of this table that were looked at, of how many. */
	void (*progress)(void *ctx, const char *table, int64_t rows, int64_t of);
	void *ctx;
};
struct copy_table {
	const char *name;
	int64_t rows;             /* of the source, and as many of the target */
	int64_t written, removed; /* what had to be done for that */
};
struct copy;
struct copy *copy_new(const struct copy_opts *o);
void copy_free(struct copy *c); /* after both stores; NULL is fine */
/* The target must be empty or a copy of the same source, which nobody has used since: ERR_USAGE. It is
 * refused to everybody else (store_use) until this has answered OK. */
enum err_code copy_run(struct copy *c, struct err *e) MUST_CHECK;
const struct copy_table *copy_tables(const struct copy *c, size_t *ret_n);
/* Does another process use this shared store now? Asked before it is opened. */
enum err_code copy_is_in_use(const char *url, bool *ret, struct err *e) MUST_CHECK;

#endif
