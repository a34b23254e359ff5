/* SPDX-License-Identifier: MIT
 *
 * The trash: blobs that no row names any more, with the time from which they may be deleted. A blob
 * enters it in the transaction that drops its last name, and leaves it when it is gone for good.
 * One that was named after all (a clock that leapt made it look forgotten) stays where it is.
 */
#include "store/operations.h"

enum err_code trash_put(struct tx *t, const char *blob, int64_t after_ms, struct err *e)
{
	if (!blob || !blob[0])
		return OK;
	return sql_run(t->db,
		"INSERT INTO trash (blob, after_ms) VALUES ($1, $2) ON CONFLICT (blob) DO NOTHING",
		SQL(sql_t(blob), sql_i(after_ms)), NULL, e);
}

static enum err_code is_named(struct tx *t, const char *blob, bool trash_too, bool *ret,
	struct err *e)
{
	int64_t one = 0;
	enum err_code code = sql_get(t->db,
		"SELECT 1 FROM original WHERE blob = $1 UNION ALL SELECT 1 FROM result WHERE blob = $1"
		" UNION ALL SELECT 1 FROM charge WHERE blob = $1"
		" UNION ALL SELECT 1 FROM manifest WHERE blob = $1",
		SQL(sql_t(blob)), &one, e);

	if (code == OK && !one && trash_too)
		code = sql_get(t->db, "SELECT 1 FROM trash WHERE blob = $1", SQL(sql_t(blob)), &one,
			e);
	if (code == OK)
		*ret = one == 1;
	return code;
}

/* Written and never named, so no link to it was given out: it may go at once. */
enum err_code op_trash_add(struct tx *t, void *arg, struct err *e)
{
	struct op_blobs *op = arg;

	for (size_t i = 0; i < op->n; i++) {
		bool named = false;
		enum err_code code = is_named(t, op->keys[i], false, &named, e);
		if (code == OK && !named)
			code = trash_put(t, op->keys[i], t->now_ms, e);
		if (code != OK)
			return code;
	}
	return OK;
}

enum err_code op_trash_gone(struct tx *t, void *arg, struct err *e)
{
	struct op_blobs *op = arg;

	for (size_t i = 0; i < op->n; i++) {
		enum err_code code = sql_run(t->db, "DELETE FROM trash WHERE blob = $1",
			SQL(sql_t(op->keys[i])), NULL, e);
		if (code != OK)
			return code;
	}
	return OK;
}

enum err_code op_trash_due(struct tx *t, void *arg, struct err *e)
{
	struct op_blobs *op = arg;
	struct sql_rows r = sql_query(t->db,
		"SELECT blob FROM trash WHERE after_ms <= $1"
		" AND NOT EXISTS (SELECT 1 FROM original o WHERE o.blob = trash.blob)"
		" AND NOT EXISTS (SELECT 1 FROM result r WHERE r.blob = trash.blob)"
		" AND NOT EXISTS (SELECT 1 FROM charge c WHERE c.blob = trash.blob)"
		" AND NOT EXISTS (SELECT 1 FROM manifest m WHERE m.blob = trash.blob)"
		" ORDER BY after_ms LIMIT $2",
		SQL(sql_i(t->now_ms), sql_i((int64_t)op->max)), e);

	op->n = 0;
	op->due = arena_alloc(op->arena, op->max * sizeof *op->due);
	while (op->n < op->max && sql_next(&r))
		op->due[op->n++] = arena_strdup(op->arena, sql_text(&r, 0));
	return sql_end(&r);
}

enum err_code op_blobs_named(struct tx *t, void *arg, struct err *e)
{
	struct op_blobs *op = arg;
	enum err_code code = OK;

	for (size_t i = 0; i < op->n && code == OK; i++)
		code = is_named(t, op->keys[i], true, &op->named[i], e);
	return code;
}
