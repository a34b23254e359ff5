/* SPDX-License-Identifier: MIT
 *
 * Items as they are now. The public status of an open item is its task's step, which is why steps
 * write no item row.
 */
#include "store/operations.h"
#include "store/read.h"

#include <string.h>

#define PAGE_MIN 500 /* rows that are looked at in one go for those that match */

struct raw {
	const char *results;
	int64_t original, cut;
	bool paid;
};

static const char *const query =
	"SELECT i.n, i.url, i.extra, i.state, i.run, i.started, i.cache, i.original, i.results,"
	" i.outcome, i.tries, i.planned_ms, i.started_ms, k.step, k.tries, k.kind,"
	" i.source_key, i.cut_state, i.cut, i.cut_reason, i.cut_outcome, i.charge"
	" FROM item i LEFT JOIN task k ON k.id = coalesce(i.task, i.cut_task)"
	" WHERE i.job = $1 AND i.n > $2 ORDER BY i.n LIMIT $3";

static enum task_step step_of(struct sql_rows *r)
{
	enum task_step least = sql_int(r, 15) == TASK_FETCH ? STEP_DOWNLOADING : STEP_PROCESSING;
	enum task_step step = (enum task_step)sql_int(r, 13);

	if (sql_int(r, 5) == 0 || sql_is_null(r, 13))
		return STEP_QUEUED;
	return step < least ? least : step;
}

static int tries_of(struct sql_rows *r)
{
	int done = (int)sql_int(r, 10), now = (int)sql_int(r, 14) + 1;

	return sql_int(r, 5) && !sql_is_null(r, 14) && now > done ? now : done;
}

/* Not less than nothing, wherever the clock was set meanwhile. */
static int64_t queued_of(struct sql_rows *r)
{
	int64_t ms = sql_int(r, 12) - sql_int(r, 11);

	return sql_is_null(r, 12) ? -1 : ms > 0 ? ms : 0;
}

static enum err_code item_row(struct sql_rows *r, struct arena *a, const struct read_job *j,
	struct item_row *ret, struct raw *raw, struct read_job *names, struct err *e)
{
	*ret = (struct item_row){
		.n = sql_int(r, 0),
		.url = arena_strdup(a, sql_text(r, 1)),
		.state = (enum item_state)sql_int(r, 3),
		.run = (int)sql_int(r, 4),
		.step = step_of(r),
		.tries = tries_of(r),
		.has_cache = !sql_is_null(r, 6) && !sql_is_null(r, 7),
		.cache = (enum item_cache)sql_int(r, 6),
		.queued_ms = queued_of(r),
		.cut = (enum cut_state)sql_int(r, 17),
		.cut_reason = (enum cut_reason)sql_int(r, 19),
	};
	sql_bytes(r, 16, ret->source_key, SHA256_LEN);
	raw->original = sql_int(r, 7);
	raw->results = arena_strdup(a, sql_text(r, 8));
	raw->cut = sql_int(r, 18);
	raw->paid = !sql_is_null(r, 21);
	enum err_code code = read_extra(sql_text(r, 2), a, j, ret, names, e);
	if (code == OK)
		code = read_outcome(sql_text(r, 20), a, &ret->cut_outcome, e);
	return code == OK ? read_outcome(sql_text(r, 9), a, &ret->outcome, e) : code;
}

static bool has_ref(const struct item_row *it, const char *ref)
{
	for (size_t i = 0; i < it->refs_n; i++)
		if (strcmp(it->refs[i], ref) == 0)
			return true;
	return false;
}

static bool matches(const struct item_query *q, const struct item_row *it)
{
	if (q->url && strcmp(q->url, it->url) != 0)
		return false;
	if (q->ref && !has_ref(it, q->ref))
		return false;
	return !q->status || strcmp(q->status, item_status_name(it->state, it->step)) == 0;
}

static enum err_code join(struct tx *t, const struct raw *raw, const struct read_job *names,
	struct arena *a, struct item_row *ret, struct err *e)
{
	autojson *results = NULL;
	enum err_code code = OK;

	if (ret->has_cache)
		code = read_original(t, raw->original, a, &ret->source, e);
	if (code == OK && ret->cut != CUT_OFF)
		code = read_cut(t, raw->cut, raw->paid, names, a, ret, e);
	if (code == OK && raw->results)
		code = json_parse(raw->results, strlen(raw->results), &results, e);
	if (code != OK || !results)
		return code;
	return read_variants(t, raw->original, names->apply == CUT_APPLY_CUTOUT ? 0 : raw->cut,
		results, names, a, ret, e);
}

/* The next rows, whether they match or not. */
static enum err_code read_page(struct tx *t, struct op_read *op, const struct read_job *job,
	int64_t *after, bool *ret_more, struct err *e)
{
	const struct item_query *q = op->items;
	size_t page = q->max < PAGE_MIN ? PAGE_MIN : q->max, seen = 0;
	bool all = !q->status && !q->ref && !q->url;
	struct sql_rows r = sql_query(t->db, query,
		SQL(sql_i(q->job_no), sql_i(*after), sql_i((int64_t)(all ? q->max : page))), e);

	while (op->n < q->max && sql_next(&r)) {
		struct item_row *it = &op->item_rows[op->n];
		struct read_job names;
		struct raw raw;
		r.code = item_row(&r, op->arena, job, it, &raw, &names, e);
		*after = it->n;
		seen++;
		if (r.code != OK || !matches(q, it))
			continue;
		r.code = join(t, &raw, &names, op->arena, it, e);
		op->n++;
	}
	*ret_more = op->n < q->max && seen == page;
	return sql_end(&r);
}

enum err_code op_items(struct tx *t, void *arg, struct err *e)
{
	struct op_read *op = arg;
	const struct item_query *q = op->items;
	struct read_job job;
	int64_t after = q->after_n;
	bool more = q->max > 0;
	enum err_code code = read_job_names(t, q->job_no, op->arena, &job, e);

	op->n = 0;
	op->item_rows = arena_alloc(op->arena, (q->max + 1) * sizeof *op->item_rows);
	while (code == OK && more)
		code = read_page(t, op, &job, &after, &more, e);
	return code;
}
