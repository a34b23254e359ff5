/* SPDX-License-Identifier: MIT
 *
 * PostgreSQL behind struct sql. Statements are prepared once a connection and found by the address of
 * their literal; what stands in SQL_PG() is taken out of its comment on the way, once.
 *
 * A statement that locks or writes anything but jobs marks the transaction as late: from then on it
 * must not wait for a job that somebody else holds (struct sql_locks).
 */
#include "store/sql_pg.h"

#include "base/json.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

#define SLOTS  512 /* a power of two, well over the number of texts in the room */
#define OPENS  "/*pg "
#define CLOSES "*/"

struct slot {
	const char *literal;
	char *text;
	struct pg_stmt own, *st; /* st: own, or that of the first slot of the same text */
	bool locks;              /* something beside jobs */
};
struct sql_stmt {
	struct pg_rows *rows;
	int row;
};
struct pg_db {
	struct sql base;
	struct pg *conn;
	struct sql_locks locks;
	struct slot slots[SLOTS];
	int64_t changed;
	bool reads, unprepared;
};

static const struct sql_impl impl;

static struct pg_db *down(struct sql *db)
{
	assert(db->impl == &impl);
	return container_of(db, struct pg_db, base);
}

/* ---- texts ---- */

static char *uncomment(const char *literal)
{
	char *text = mem_strdup(literal), *to = text;

	for (const char *from = literal; *from;) {
		if (strncmp(from, OPENS, strlen(OPENS)) == 0)
			from += strlen(OPENS);
		else if (strncmp(from, CLOSES, strlen(CLOSES)) == 0)
			from += strlen(CLOSES);
		else
			*to++ = *from++;
	}
	*to = 0;
	return text;
}

static bool starts(const char *text, const char *word)
{
	return strncmp(text, word, strlen(word)) == 0;
}

static bool locks_late(const char *text)
{
	if (starts(text, "INSERT") || starts(text, "UPDATE") || starts(text, "DELETE"))
		return true;
	return starts(text, "SELECT") && strstr(text, " FOR ") && !strstr(text, " FROM job ");
}

/* Two literals may have one text, and its name is prepared once. */
static struct pg_stmt *stmt_of(struct pg_db *d, struct slot *s)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (d->slots[i].st && strcmp(d->slots[i].text, s->text) == 0)
			return d->slots[i].st;
	pg_stmt_init(&s->own, s->text);
	return &s->own;
}

static struct slot *slot_of(struct pg_db *d, const char *literal)
{
	uintptr_t h = (uintptr_t)literal * (uintptr_t)0x9e3779b97f4a7c15u;
	struct slot *s;

	for (size_t i = h >> 40;; i++) {
		s = &d->slots[i & (SLOTS - 1)];
		if (!s->literal || s->literal == literal)
			break;
	}
	if (!s->literal) {
		s->literal = literal;
		s->text = d->reads ? mem_strdup(literal) : uncomment(literal);
		s->locks = locks_late(s->text);
		s->st = stmt_of(d, s);
	}
	if (d->unprepared)
		s->st->name[0] = 0;
	return s;
}

/* ---- values ---- */

/* Origins may send what is no UTF-8 in their headers; PostgreSQL takes nothing else. */
static const char *clean(const struct sql_value *v, char **ret_copy)
{
	const unsigned char *p = v->p;
	size_t bad = 0;

	for (size_t i = 0, len; i < v->n && !bad; i += len)
		if ((len = p[i] < 0x80 ? 1 : utf8_length(p + i)) == 0)
			bad = 1;
	if (!bad)
		return v->p;
	char *copy = mem_strndup(v->p, v->n);
	for (size_t i = 0; i < v->n; i++)
		if (copy[i] & 0x80)
			copy[i] = '?';
	return *ret_copy = copy;
}

struct values {
	struct pg_value v[PG_VALUES_MAX];
	char *copies[PG_VALUES_MAX];
	size_t n;
};

static void values_fill(struct values *to, const struct sql_value *v, size_t n)
{
	static const enum pg_type types[] = {
		[SQL_TYPE_NULL] = PG_NULL,
		[SQL_TYPE_INT] = PG_INT,
		[SQL_TYPE_TEXT] = PG_TEXT,
		[SQL_TYPE_BLOB] = PG_BYTES,
	};

	assert(n <= PG_VALUES_MAX);
	to->n = n;
	for (size_t i = 0; i < n; i++) {
		to->copies[i] = NULL;
		to->v[i] = (struct pg_value){ types[v[i].type], v[i].i, v[i].p, v[i].n };
		if (v[i].type == SQL_TYPE_TEXT)
			to->v[i].p = clean(&v[i], &to->copies[i]);
	}
}

static void values_done(struct values *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->copies[i]);
}

/* ---- statements ---- */

static enum err_code post(struct sql *db, const char *text, const struct sql_value *v, size_t n,
	int64_t must_change, struct err *e)
{
	struct pg_db *d = down(db);
	struct slot *s = slot_of(d, text);
	struct values values;

	values_fill(&values, v, n);
	d->locks.late |= s->locks;
	enum err_code code = pg_post(d->conn, s->st, values.v, n, must_change, e);
	values_done(&values);
	return code;
}

static enum err_code start(struct sql *db, const char *text, const struct sql_value *v, size_t n,
	struct sql_stmt **ret, struct err *e)
{
	struct pg_db *d = down(db);
	struct slot *s = slot_of(d, text);
	struct pg_rows *rows = NULL;
	struct values values;

	values_fill(&values, v, n);
	d->locks.late |= s->locks;
	enum err_code code = pg_ask(d->conn, s->st, values.v, n, &rows, e);
	values_done(&values);
	if (code != OK)
		return code;
	d->changed = pg_rows_changed(rows);
	*ret = mem_new(struct sql_stmt);
	**ret = (struct sql_stmt){ rows, -1 };
	return OK;
}

static enum err_code next(struct sql_stmt *s, bool *ret_row, struct err *e)
{
	(void)e;
	*ret_row = ++s->row < pg_rows_n(s->rows);
	return OK;
}

static void end(struct sql_stmt *s)
{
	pg_rows_free(s->rows);
	free(s);
}

static bool is_null(struct sql_stmt *s, int col)
{
	return pg_is_null(s->rows, s->row, col);
}

static int64_t get_int(struct sql_stmt *s, int col)
{
	return pg_int(s->rows, s->row, col);
}

static const char *get_text(struct sql_stmt *s, int col)
{
	return pg_text(s->rows, s->row, col);
}

static const void *get_blob(struct sql_stmt *s, int col, size_t *ret_n)
{
	return pg_bytes(s->rows, s->row, col, ret_n);
}

static int64_t changes(struct sql *db)
{
	return down(db)->changed;
}

static void pg_db_free(struct sql *db)
{
	struct pg_db *d = down(db);

	for (size_t i = 0; i < SLOTS; i++)
		free(d->slots[i].text);
	free(d->locks.jobs);
	pg_free(d->conn);
	free(d);
}

static const struct sql_impl impl = {
	.start = start,
	.post = post,
	.next = next,
	.end = end,
	.is_null = is_null,
	.get_int = get_int,
	.get_text = get_text,
	.get_blob = get_blob,
	.changes = changes,
	.free = pg_db_free,
};

enum err_code sql_pg_open(const char *url, bool reads, struct sql **ret, struct err *e)
{
	struct pg *conn = NULL;
	bool pooled = false;
	enum err_code code = pg_open(url, &conn, e);

	if (code == OK)
		code = pg_is_pooled(conn, &pooled, e);
	if (code != OK) {
		pg_free(conn);
		return code;
	}
	struct pg_db *d = mem_new(struct pg_db);
	d->base.impl = &impl;
	d->base.locks = reads ? NULL : &d->locks;
	d->conn = conn;
	d->reads = reads;
	d->unprepared = pooled;
	*ret = &d->base;
	return OK;
}

struct pg *sql_pg_conn(struct sql *db)
{
	return down(db)->conn;
}

void sql_pg_forget(struct sql *db)
{
	down(db)->unprepared = true;
}
