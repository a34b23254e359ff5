/* SPDX-License-Identifier: MIT
 *
 * The little of SQL that the transitions need, so that they are written once: one connection that
 * runs texts with values and hands out rows. For one thread at a time.
 *
 * Texts are string literals (a connection caches what it prepared by the literal's address), in the
 * dialect that SQLite and PostgreSQL share, with placeholders $1 … $n numbered in the order of
 * their first use. What only PostgreSQL is to read stands in SQL_PG(), a comment to SQLite: locks, which
 * a database with one writer does not need. A text must not be started again while its rows are still
 * being read.
 */
#ifndef BULB_STORE_SQL_H
#define BULB_STORE_SQL_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum sql_type { SQL_TYPE_NULL, SQL_TYPE_INT, SQL_TYPE_TEXT, SQL_TYPE_BLOB };
/* A value to bind; what it points to must live until the statement ends. */
struct sql_value {
	enum sql_type type;
	int64_t i;
	const void *p;
	size_t n;
};
static inline struct sql_value sql_i(int64_t v)
{
	return (struct sql_value){ .type = SQL_TYPE_INT, .i = v };
}
static inline struct sql_value sql_b(const void *p, size_t n)
{
	return (struct sql_value){ .type = SQL_TYPE_BLOB, .p = p, .n = n };
}
struct sql_value sql_t(const char *s); /* NULL becomes SQL's NULL */
static inline struct sql_value sql_i_or_null(int64_t v, bool known)
{
	return known ? sql_i(v) : (struct sql_value){ .type = SQL_TYPE_NULL };
}
/* The values of a text, as two arguments. */
#define SQL(...)                                                                                   \
	(const struct sql_value[]){ __VA_ARGS__ },                                                 \
		sizeof((const struct sql_value[]){ __VA_ARGS__ }) / sizeof(struct sql_value)
#define SQL_NONE NULL, 0
/* Part of a text. A reader's connection, which locks nothing, takes it for a comment as well. */
#define SQL_PG(text) " /*pg " text " */"
#define SQL_LOCK     SQL_PG("FOR UPDATE")
#define SQL_LOCK_ANY SQL_PG("FOR UPDATE SKIP LOCKED") /* those that nobody has locked */
#define SQL_SHARE    SQL_PG("FOR KEY SHARE")          /* may not be deleted before we commit */

/* What an open transaction of one of many writers has locked. Jobs come first, ascending, then
 * whatever else; only so may a lock be waited for (tx_job_get). */
struct sql_locks {
	int64_t *jobs; /* heap */
	size_t n;
	bool late;      /* something beside jobs is locked */
	int64_t wanted; /* the job whose lock was needed out of turn; 0: none */
	bool busy;      /* something that is not waited for was locked */
};

struct sql;
struct sql_stmt;
/* For implementers; the calls below are for everyone else. */
struct sql_impl {
	/* Bind the values to the text; the first row is not there yet. */
	enum err_code (*start)(struct sql *db, const char *text, const struct sql_value *v,
		size_t n, struct sql_stmt **ret, struct err *e);
	/* Run it; nobody needs the answer, and an error may come with a later call. must_change: rows
	 * that it must change, or -1. NULL where a statement costs no round trip. */
	enum err_code (*post)(struct sql *db, const char *text, const struct sql_value *v, size_t n,
		int64_t must_change, struct err *e);
	enum err_code (*next)(struct sql_stmt *st, bool *ret_row, struct err *e);
	void (*end)(struct sql_stmt *st);
	bool (*is_null)(struct sql_stmt *st, int col);
	int64_t (*get_int)(struct sql_stmt *st, int col);
	const char *(*get_text)(struct sql_stmt *st, int col);
	const void *(*get_blob)(struct sql_stmt *st, int col, size_t *ret_n);
	int64_t (*changes)(struct sql *db); /* rows that the last statement changed */
	void (*free)(struct sql *db);
};
struct sql {
	const struct sql_impl *impl;
	struct sql_locks *locks; /* NULL: there is one writer, which needs none */
};

/* Rows of a query:
 *
 *	struct sql_rows r = sql_query(db, "SELECT …", SQL(sql_i(no)), e);
 *	while (sql_next(&r))
 *		… sql_int(&r, 0) …
 *	return sql_end(&r);
 *
 * sql_end must be called, also after leaving the loop early, and has the code of what failed.
 * Texts and blobs live until the next row. */
struct sql_rows {
	struct sql *db;
	struct sql_stmt *st;
	struct err *e;
	enum err_code code;
};
struct sql_rows sql_query(struct sql *db, const char *text, const struct sql_value *v, size_t n,
	struct err *e);
bool sql_next(struct sql_rows *r);
enum err_code sql_end(struct sql_rows *r) MUST_CHECK;
bool sql_is_null(struct sql_rows *r, int col);
int64_t sql_int(struct sql_rows *r, int col);      /* NULL is 0 */
const char *sql_text(struct sql_rows *r, int col); /* NULL for SQL's NULL */
const void *sql_blob(struct sql_rows *r, int col, size_t *ret_n);
/* A blob of exactly n bytes; zeroes where it is NULL or of another length. */
void sql_bytes(struct sql_rows *r, int col, void *out, size_t n);

/* A statement without rows. *ret_changes may be NULL. */
enum err_code sql_run(struct sql *db, const char *text, const struct sql_value *v, size_t n,
	int64_t *ret_changes, struct err *e) MUST_CHECK;
/* An UPDATE that changes one row if it still is what was read: *ret_won. Where its lock is held it must
 * be, and that is not waited for. */
enum err_code sql_guard(struct sql *db, const char *text, const struct sql_value *v, size_t n,
	bool *ret_won, struct err *e) MUST_CHECK;
/* An UPDATE that changes so many rows; else something is not as it was read: ERR_STORE_UNAVAILABLE. */
enum err_code sql_must(struct sql *db, const char *text, const struct sql_value *v, size_t n,
	int64_t rows, struct err *e) MUST_CHECK;
/* The integer in the first row; none or NULL: *ret is left alone. */
enum err_code sql_get(struct sql *db, const char *text, const struct sql_value *v, size_t n,
	int64_t *ret, struct err *e) MUST_CHECK;
void sql_free(struct sql *db); /* NULL is fine */

#endif
