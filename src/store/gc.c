/* SPDX-License-Identifier: MIT
 *
 * Collecting what nothing needs: originals and results that no item names and that were not used
 * for the time results are kept. One pass looks at a bounded number of rows in the order of their
 * numbers, and the next goes on from there.
 *
 * An item names its original while it is there, open or ended; a result counts as named while any
 * item names the original it was made from; variants of a cut-out have the digest of its file
 * instead, and are named by the items that name the cut-out.
 */
#include "store/operations.h"

#include <string.h>

struct row {
	int64_t id;
	bool needed;
};

static enum err_code load(struct tx *t, const char *text, int64_t after, int64_t before_ms,
	struct row *rows, size_t *ret_n, struct err *e)
{
	struct sql_rows r = sql_query(t->db, text,
		SQL(sql_i(after), sql_i(before_ms), sql_i(PASS_ROWS)), e);
	size_t n = 0;

	while (n < PASS_ROWS && sql_next(&r))
		rows[n++] = (struct row){ sql_int(&r, 0), sql_int(&r, 1) != 0 };
	*ret_n = n;
	return sql_end(&r);
}

/* Where others write at the same time, one that looked free may have been taken since: it is locked, and
 * looked at once more. */
static enum err_code original_is_free(struct tx *t, int64_t id, bool *ret, struct err *e)
{
	int64_t used = 0;
	enum err_code code = original_lock(t, id, ret, e);

	if (code != OK || !*ret || !t->db->locks)
		return code;
	code = sql_get(t->db, "SELECT 1 FROM item WHERE original = $1 LIMIT 1", SQL(sql_i(id)),
		&used, e);
	*ret = !used;
	return code;
}

static enum err_code gc_originals(struct tx *t, struct op_gc *op, int64_t before_ms, struct err *e)
{
	struct row rows[PASS_ROWS];
	size_t n = 0;
	enum err_code code = load(t,
		"SELECT o.id, EXISTS (SELECT 1 FROM item i WHERE i.original = o.id) FROM original o"
		" WHERE o.id > $1 AND o.used_ms <= $2 ORDER BY o.id LIMIT $3",
		op->after_original, before_ms, rows, &n, e);

	for (size_t i = 0; code == OK && i < n; i++) {
		bool is_free = !rows[i].needed;
		op->after_original = rows[i].id;
		if (is_free)
			code = original_is_free(t, rows[i].id, &is_free, e);
		if (code != OK || !is_free)
			continue;
		code = original_forget(t, rows[i].id, e);
		op->report.originals++;
		op->report.blobs++;
	}
	op->more |= n == PASS_ROWS;
	return code;
}

#define RESULT_IS_NAMED                                                                            \
	"(EXISTS (SELECT 1 FROM original o JOIN item i ON i.original = o.id"                       \
	" WHERE o.scope = r.scope AND o.sha256 = r.sha256)"                                        \
	" OR EXISTS (SELECT 1 FROM item i WHERE i.cut = r.id)"                                     \
	" OR EXISTS (SELECT 1 FROM result c JOIN item i ON i.cut = c.id"                           \
	" WHERE c.scope = r.scope AND c.file = r.sha256))"

/* Likewise. Whoever takes a result has locked its original or, of a cut-out's, the cut-out. */
static enum err_code result_is_free(struct tx *t, int64_t id, bool *ret, struct err *e)
{
	int64_t there = 0, ours = 0, named = 0;
	enum err_code code = sql_get(t->db,
		"SELECT count(*) FROM original o JOIN result r"
		" ON o.scope = r.scope AND o.sha256 = r.sha256 WHERE r.id = $1",
		SQL(sql_i(id)), &there, e);

	*ret = true;
	if (code == OK && there)
		code = sql_get(t->db,
			"SELECT 1 FROM original o JOIN result r"
			" ON o.scope = r.scope AND o.sha256 = r.sha256 WHERE r.id = $1" SQL_PG(
				"FOR UPDATE OF o SKIP LOCKED"),
			SQL(sql_i(id)), &ours, e);
	*ret = ours == there;
	if (code == OK && *ret)
		code = sql_get(t->db,
			"SELECT count(*) FROM (SELECT c.id FROM result r JOIN result c"
			" ON c.id = r.id OR (c.scope = r.scope AND c.file = r.sha256)"
			" WHERE r.id = $1" SQL_PG("FOR UPDATE OF c") ") l",
			SQL(sql_i(id)), &there, e);
	if (code == OK && *ret)
		code = sql_get(t->db, "SELECT 1 FROM result r WHERE r.id = $1 AND " RESULT_IS_NAMED,
			SQL(sql_i(id)), &named, e);
	*ret &= !named;
	return code;
}

static enum err_code gc_results(struct tx *t, struct op_gc *op, int64_t before_ms, struct err *e)
{
	struct row rows[PASS_ROWS];
	size_t n = 0;
	enum err_code code = load(t,
		"SELECT r.id, " RESULT_IS_NAMED " FROM result r"
		" WHERE r.id > $1 AND r.used_ms <= $2 ORDER BY r.id LIMIT $3",
		op->after_result, before_ms, rows, &n, e);

	for (size_t i = 0; code == OK && i < n; i++) {
		bool is_free = !rows[i].needed;
		op->after_result = rows[i].id;
		if (is_free && t->db->locks)
			code = result_is_free(t, rows[i].id, &is_free, e);
		if (code != OK || !is_free)
			continue;
		code = result_forget(t, rows[i].id, e);
		op->report.results++;
		op->report.blobs++;
	}
	op->more |= n == PASS_ROWS;
	return code;
}

/* It may run again from its start, so what it starts from stays as it is. */
enum err_code op_gc(struct tx *t, void *arg, struct err *e)
{
	struct op_gc *op = &((struct op_gc_step *)arg)->after;
	bool more_jobs, more_hidden;
	int64_t jobs;
	*op = ((const struct op_gc_step *)arg)->before;
	enum err_code code = expire_pass(t, &more_jobs, &jobs, e);
	if (code == OK)
		code = hidden_pass(t, &more_hidden, e);
	if (code != OK)
		return code;
	op->report.jobs += jobs;
	op->more = more_jobs || more_hidden;
	if (op->more || op->keep_ms < 0)
		return OK;
	code = gc_originals(t, op, t->now_ms - op->keep_ms, e);
	return code == OK ? gc_results(t, op, t->now_ms - op->keep_ms, e) : code;
}

/* What a collection would find now; jobs that would expire in it still count as naming. */
enum err_code op_gc_count(struct tx *t, void *arg, struct err *e)
{
	struct op_gc *op = arg;
	int64_t before_ms = op->keep_ms < 0 ? -1 : t->now_ms - op->keep_ms;
	enum err_code code = sql_get(t->db,
		"SELECT count(*) FROM job WHERE ended_ms IS NOT NULL AND hidden = 0"
		" AND expires_ms <= $1",
		SQL(sql_i(t->now_ms)), &op->report.jobs, e);

	if (code == OK)
		code = sql_get(t->db,
			"SELECT count(*) FROM original o WHERE o.used_ms <= $1"
			" AND NOT EXISTS (SELECT 1 FROM item i WHERE i.original = o.id)",
			SQL(sql_i(before_ms)), &op->report.originals, e);
	if (code == OK)
		code = sql_get(t->db,
			"SELECT count(*) FROM result r WHERE r.used_ms <= $1"
			" AND NOT " RESULT_IS_NAMED,
			SQL(sql_i(before_ms)), &op->report.results, e);
	op->report.blobs = op->report.originals + op->report.results;
	return code;
}
