/* SPDX-License-Identifier: MIT
 *
 * Forgetting jobs, on request or when their time is over: hidden at once, then dropped in passes.
 * With its results means: those that no other item names; whoever is in doubt keeps them, gc asks
 * again.
 */
#include "store/operations.h"

#include <string.h>

#define EVENT_ROWS  2000 /* of one pass */
#define EXPIRE_JOBS 20
#define OTHERS_MAX  100 /* items that share an original before we stop looking */

/* Rows of originals and results say in their data how many bytes their blob has. */
static int64_t bytes_of(const char *data)
{
	autojson *doc = NULL;

	if (!data || json_parse(data, strlen(data), &doc, NULL) != OK)
		return 0;
	return json_get_int(doc, "bytes", 0);
}

enum err_code result_forget(struct tx *t, int64_t id, struct err *e)
{
	const char *blob = NULL;
	struct sql_rows r = sql_query(t->db,
		"DELETE FROM result WHERE id = $1 RETURNING blob, scope, data", SQL(sql_i(id)), e);

	if (sql_next(&r)) {
		blob = arena_strdup(t->arena, sql_text(&r, 0));
		usage_stored(t, sql_int(&r, 1), -bytes_of(sql_text(&r, 2)));
	}
	enum err_code code = sql_end(&r);
	return code == OK ? trash_put(t, blob, t->now_ms + t->opts->link_ms, e) : code;
}

enum err_code original_forget(struct tx *t, int64_t id, struct err *e)
{
	const char *blob = NULL;
	enum err_code code = charges_forget(t, id, e);
	if (code == OK)
		code = sql_run(t->db, "DELETE FROM source WHERE original = $1", SQL(sql_i(id)),
			NULL, e);
	struct sql_rows r = sql_query(t->db,
		"DELETE FROM original WHERE id = $1 RETURNING blob, scope, data", SQL(sql_i(id)),
		e);

	if (code == OK && sql_next(&r)) {
		blob = arena_strdup(t->arena, sql_text(&r, 0));
		usage_stored(t, sql_int(&r, 1), blob ? -bytes_of(sql_text(&r, 2)) : 0);
	}
	enum err_code end = sql_end(&r);
	code = code == OK ? end : code;
	return code == OK ? trash_put(t, blob, t->now_ms + t->opts->link_ms, e) : code;
}

struct others {
	size_t n;
	bool open;
	const char *results[OTHERS_MAX];
	int64_t cuts[OTHERS_MAX];
};

static enum err_code find_others(struct tx *t, int64_t original, struct others *ret, struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT state, results, cut FROM item WHERE original = $1 LIMIT $2",
		SQL(sql_i(original), sql_i(OTHERS_MAX)), e);

	*ret = (struct others){ 0 };
	while (ret->n < OTHERS_MAX && sql_next(&r)) {
		ret->open |= sql_int(&r, 0) == ITEM_OPEN;
		ret->cuts[ret->n] = sql_int(&r, 2);
		ret->results[ret->n++] = arena_strdup(t->arena, sql_text(&r, 1));
	}
	ret->open |= ret->n == OTHERS_MAX;
	return sql_end(&r);
}

static bool others_name(const struct others *o, int64_t id)
{
	for (size_t i = 0; i < o->n; i++) {
		autojson *list = NULL;
		size_t k;
		json_t *v;
		if (o->cuts[i] == id)
			return true;
		if (!o->results[i] ||
			json_parse(o->results[i], strlen(o->results[i]), &list, NULL) != OK)
			continue;
		json_array_foreach(list, k, v) if (json_integer_value(v) == id) return true;
	}
	return false;
}

/* The item's row is gone already. */
static enum err_code drop_results(struct tx *t, const struct tx_item *it, struct err *e)
{
	autojson *list = NULL;
	struct others o;
	bool ours = false;
	size_t k;
	json_t *v;

	if (!it->original)
		return OK;
	enum err_code code = original_lock(t, it->original, &ours, e);
	if (code != OK || !ours)
		return code;
	code = find_others(t, it->original, &o, e);
	if (code != OK || o.open)
		return code;
	if (it->results && json_parse(it->results, strlen(it->results), &list, e) != OK)
		return err_set(e, ERR_INTERNAL, "item: bad results");
	json_array_foreach(list, k, v) if (code == OK && !others_name(&o, json_integer_value(v)))
		code = result_forget(t, json_integer_value(v), e);
	if (code == OK && it->cut && !others_name(&o, it->cut))
		code = result_forget(t, it->cut, e);
	return code == OK && o.n == 0 ? original_forget(t, it->original, e) : code;
}

static enum err_code delete_items(struct tx *t, int64_t no, int hidden, bool *ret_more,
	struct err *e)
{
	struct tx_items l = { 0 };
	enum err_code code = items_load(t,
		"SELECT " ITEM_COLUMNS " FROM item i WHERE i.job = $1 ORDER BY i.n LIMIT $2",
		SQL(sql_i(no), sql_i(PASS_ROWS)), &l, e);

	for (size_t i = 0; code == OK && i < l.n; i++) {
		code = sql_run(t->db, "DELETE FROM item WHERE job = $1 AND n = $2",
			SQL(sql_i(no), sql_i(l.v[i].n)), NULL, e);
		if (code == OK && hidden == JOB_HIDDEN_RESULTS)
			code = drop_results(t, &l.v[i], e);
	}
	*ret_more = l.n == PASS_ROWS;
	return code;
}

enum err_code delete_pass(struct tx *t, int64_t no, int hidden, bool *ret_more, struct err *e)
{
	int64_t events = 0;
	enum err_code code = delete_items(t, no, hidden, ret_more, e);

	if (code != OK || *ret_more)
		return code;
	code = sql_run(t->db,
		"DELETE FROM event WHERE job = $1 AND seq IN"
		" (SELECT seq FROM event WHERE job = $1 ORDER BY seq LIMIT $2)",
		SQL(sql_i(no), sql_i(EVENT_ROWS)), &events, e);
	*ret_more = events == EVENT_ROWS;
	if (code != OK || *ret_more)
		return code;
	code = hook_deleted(t, no, ret_more, e);
	if (code != OK || *ret_more)
		return code;
	return sql_run(t->db, "DELETE FROM job WHERE no = $1", SQL(sql_i(no)), NULL, e);
}

enum err_code job_hide(struct tx *t, struct tx_job *j, int hidden, struct err *e)
{
	bool more;

	j->hidden = hidden;
	j->cancel = ERR_CANCELED;
	j->dirty = true;
	enum err_code code = sql_run(t->db, "UPDATE job SET id = id || '~' || no WHERE no = $1",
		SQL(sql_i(j->no)), NULL, e);
	if (code == OK)
		code = manifest_deleted(t, j->no, e);
	if (code == OK)
		code = delete_pass(t, j->no, hidden, &more, e);
	t->work |= code == OK && more;
	return code;
}

enum err_code op_delete(struct tx *t, void *arg, struct err *e)
{
	struct op_job *op = arg;
	struct tx_job *j;
	enum err_code code = tx_job_find(t, op->tenant, op->id, &j, e);

	if (code == OK && !j)
		return err_set(e, ERR_NOT_FOUND, "job '%s': not there", op->id);
	return code == OK ? job_hide(t, j, op->results ? JOB_HIDDEN_RESULTS : JOB_HIDDEN, e) : code;
}

enum err_code hidden_pass(struct tx *t, bool *ret_more, struct err *e)
{
	int64_t no = 0, hidden = JOB_HIDDEN;
	struct sql_rows r = sql_query(t->db,
		"SELECT no, hidden FROM job WHERE hidden > 0 AND hidden < $1 ORDER BY no LIMIT 1" SQL_LOCK_ANY,
		SQL(sql_i(JOB_HIDDEN_BUILDING)), e);

	*ret_more = false;
	if (sql_next(&r)) {
		no = sql_int(&r, 0);
		hidden = sql_int(&r, 1);
	}
	enum err_code code = sql_end(&r);
	if (code != OK || !no)
		return code;
	code = delete_pass(t, no, (int)hidden, ret_more, e);
	*ret_more = true; /* perhaps another one */
	return code;
}

enum err_code expire_pass(struct tx *t, bool *ret_more, int64_t *ret_jobs, struct err *e)
{
	int64_t nos[EXPIRE_JOBS];
	size_t n = 0;
	struct sql_rows r = sql_query(t->db,
		"SELECT no FROM job WHERE ended_ms IS NOT NULL AND hidden = 0 AND expires_ms <= $1"
		" ORDER BY expires_ms LIMIT $2" SQL_LOCK_ANY,
		SQL(sql_i(t->now_ms), sql_i(EXPIRE_JOBS)), e);

	while (n < EXPIRE_JOBS && sql_next(&r))
		nos[n++] = sql_int(&r, 0);
	enum err_code code = sql_end(&r);
	for (size_t i = 0; code == OK && i < n; i++) {
		struct tx_job *j;
		code = tx_job_get(t, nos[i], &j, e);
		if (code == OK)
			code = job_hide(t, j, JOB_HIDDEN, e);
	}
	*ret_more = n == EXPIRE_JOBS;
	*ret_jobs = (int64_t)n;
	return code;
}
