/* SPDX-License-Identifier: MIT
 *
 * The loop around a statement, written once: whatever fails, the statement is ended and the first
 * error stays. Transitions above this read like the SQL they run.
 */
#include "store/sql.h"

#include <string.h>

struct sql_value sql_t(const char *s)
{
	if (!s)
		return (struct sql_value){ .type = SQL_TYPE_NULL };
	return (struct sql_value){ .type = SQL_TYPE_TEXT, .p = s, .n = strlen(s) };
}

struct sql_rows sql_query(struct sql *db, const char *text, const struct sql_value *v, size_t n,
	struct err *e)
{
	struct sql_rows r = { .db = db, .e = e };

	r.code = db->impl->start(db, text, v, n, &r.st, e);
	return r;
}

bool sql_next(struct sql_rows *r)
{
	bool row = false;

	if (r->code == OK)
		r->code = r->db->impl->next(r->st, &row, r->e);
	return r->code == OK && row;
}

enum err_code sql_end(struct sql_rows *r)
{
	if (r->st)
		r->db->impl->end(r->st);
	r->st = NULL;
	return r->code;
}

bool sql_is_null(struct sql_rows *r, int col)
{
	return r->db->impl->is_null(r->st, col);
}

int64_t sql_int(struct sql_rows *r, int col)
{
	return r->db->impl->get_int(r->st, col);
}

const char *sql_text(struct sql_rows *r, int col)
{
	return r->db->impl->get_text(r->st, col);
}

const void *sql_blob(struct sql_rows *r, int col, size_t *ret_n)
{
	return r->db->impl->get_blob(r->st, col, ret_n);
}

void sql_bytes(struct sql_rows *r, int col, void *out, size_t n)
{
	size_t len = 0;
	const void *p = sql_blob(r, col, &len);

	memset(out, 0, n);
	if (p && len == n)
		memcpy(out, p, n);
}

enum err_code sql_run(struct sql *db, const char *text, const struct sql_value *v, size_t n,
	int64_t *ret_changes, struct err *e)
{
	if (!ret_changes && db->impl->post)
		return db->impl->post(db, text, v, n, -1, e);
	struct sql_rows r = sql_query(db, text, v, n, e);

	while (sql_next(&r))
		;
	enum err_code code = sql_end(&r);
	if (code == OK && ret_changes)
		*ret_changes = db->impl->changes(db);
	return code;
}

enum err_code sql_guard(struct sql *db, const char *text, const struct sql_value *v, size_t n,
	bool *ret_won, struct err *e)
{
	int64_t changed = 1;
	enum err_code code = db->impl->post ? db->impl->post(db, text, v, n, 1, e)
					    : sql_run(db, text, v, n, &changed, e);

	if (code == OK)
		*ret_won = changed == 1;
	return code;
}

enum err_code sql_must(struct sql *db, const char *text, const struct sql_value *v, size_t n,
	int64_t rows, struct err *e)
{
	int64_t changed = rows;
	enum err_code code = db->impl->post ? db->impl->post(db, text, v, n, rows, e)
					    : sql_run(db, text, v, n, &changed, e);

	if (code == OK && changed != rows)
		return err_set(e, ERR_STORE_UNAVAILABLE, "%lld rows changed, not %lld, at '%.60s'",
			(long long)changed, (long long)rows, text);
	return code;
}

enum err_code sql_get(struct sql *db, const char *text, const struct sql_value *v, size_t n,
	int64_t *ret, struct err *e)
{
	struct sql_rows r = sql_query(db, text, v, n, e);

	if (sql_next(&r) && !sql_is_null(&r, 0))
		*ret = sql_int(&r, 0);
	return sql_end(&r);
}

void sql_free(struct sql *db)
{
	if (db)
		db->impl->free(db);
}
