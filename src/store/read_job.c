/* SPDX-License-Identifier: MIT
 *
 * Reading jobs. One that is being deleted, or whose time is over, is not there for any reader.
 */
#include "store/operations.h"
#include "store/read.h"

#include "base/buf.h"

#define ROW_COLUMNS                                                                                \
	"no, tenant, id, state, run, seq, total, duplicates, fresh + waiting, running, succeeded," \
	" failed, canceled, cached, saved_downloads, saved_encodes, saved_paid, priority, tag,"    \
	" base_url, metadata, keep_source, created_ms, ended_ms, expires_ms, cuts_succeeded,"      \
	" cuts_failed, cuts_none"
#define VISIBLE " hidden = 0 AND (ended_ms IS NULL OR expires_ms > $1)"

static void job_row(struct sql_rows *r, struct arena *a, struct job_row *ret)
{
	*ret = (struct job_row){
		.no = sql_int(r, 0),
		.tenant = sql_int(r, 1),
		.id = arena_strdup(a, sql_text(r, 2)),
		.state = (enum job_state)sql_int(r, 3),
		.run = (int)sql_int(r, 4),
		.seq = sql_int(r, 5),
		.counts = { sql_int(r, 6), sql_int(r, 7), sql_int(r, 8), sql_int(r, 9),
			sql_int(r, 10), sql_int(r, 11), sql_int(r, 12), sql_int(r, 13),
			{ sql_int(r, 25), sql_int(r, 26), sql_int(r, 27) } },
		.savings = { sql_int(r, 14), sql_int(r, 15), sql_int(r, 16) },
		.priority = (enum priority)sql_int(r, 17),
		.tag = arena_strdup(a, sql_text(r, 18)),
		.base_url = arena_strdup(a, sql_text(r, 19)),
		.metadata = arena_strdup(a, sql_text(r, 20)),
		.keep_source = sql_int(r, 21) != 0,
		.created_ms = sql_int(r, 22),
		.ended_ms = sql_int(r, 23),
		.expires_ms = sql_int(r, 24),
	};
}

enum err_code op_job_find(struct tx *t, void *arg, struct err *e)
{
	struct op_read *op = arg;
	struct sql_rows r = sql_query(t->db,
		"SELECT " ROW_COLUMNS " FROM job WHERE" VISIBLE " AND tenant = $2 AND id = $3",
		SQL(sql_i(t->now_ms), sql_i(op->tenant), sql_t(op->id)), e);

	op->job_rows = NULL;
	if (sql_next(&r)) {
		op->job_rows = arena_alloc(op->arena, sizeof *op->job_rows);
		job_row(&r, op->arena, op->job_rows);
	}
	return sql_end(&r);
}

enum err_code read_job_by_no(struct tx *t, int64_t no, struct arena *a, const struct job_row **ret,
	struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT " ROW_COLUMNS " FROM job WHERE" VISIBLE " AND no = $2",
		SQL(sql_i(t->now_ms), sql_i(no)), e);
	struct job_row *row = NULL;

	if (sql_next(&r)) {
		row = arena_alloc(a, sizeof *row);
		job_row(&r, a, row);
	}
	*ret = row;
	return sql_end(&r);
}

/* Two texts, so that each has the index it needs. */
static struct sql_rows jobs_query(struct tx *t, const struct job_query *q, struct err *e)
{
	int64_t before = q->before_no > 0 ? q->before_no : INT64_MAX;

	if (q->tag)
		return sql_query(t->db,
			"SELECT " ROW_COLUMNS " FROM job WHERE" VISIBLE
			" AND tenant = $2 AND no < $3"
			" AND ($4 < 0 OR state = $4) AND tag = $5 ORDER BY no DESC LIMIT $6",
			SQL(sql_i(t->now_ms), sql_i(q->tenant), sql_i(before), sql_i(q->state),
				sql_t(q->tag), sql_i((int64_t)q->max)),
			e);
	return sql_query(t->db,
		"SELECT " ROW_COLUMNS " FROM job WHERE" VISIBLE " AND tenant = $2 AND no < $3"
		" AND ($4 < 0 OR state = $4) ORDER BY no DESC LIMIT $5",
		SQL(sql_i(t->now_ms), sql_i(q->tenant), sql_i(before), sql_i(q->state),
			sql_i((int64_t)q->max)),
		e);
}

enum err_code op_jobs(struct tx *t, void *arg, struct err *e)
{
	struct op_read *op = arg;
	struct sql_rows r = jobs_query(t, op->jobs, e);

	op->n = 0;
	op->job_rows = arena_alloc(op->arena, (op->jobs->max + 1) * sizeof *op->job_rows);
	while (op->n < op->jobs->max && sql_next(&r))
		job_row(&r, op->arena, &op->job_rows[op->n++]);
	return sql_end(&r);
}

enum err_code op_seqs(struct tx *t, void *arg, struct err *e)
{
	struct op_read *op = arg;

	for (size_t i = 0; i < op->n; i++) {
		op->seqs[i] = -1;
		enum err_code code = sql_get(t->db,
			"SELECT seq FROM job WHERE" VISIBLE " AND no = $2",
			SQL(sql_i(t->now_ms), sql_i(op->nos[i])), &op->seqs[i], e);
		if (code != OK)
			return code;
	}
	return OK;
}

enum err_code op_queue(struct tx *t, void *arg, struct err *e)
{
	struct op_read *op = arg;
	struct sql_rows r = sql_query(t->db,
		"SELECT priority, sum(fresh + waiting + running), min(created_ms) FROM job"
		" WHERE ended_ms IS NULL AND hidden = 0 GROUP BY priority",
		SQL_NONE, e);

	op->queue = (struct queue_stats){ 0 };
	while (sql_next(&r)) {
		int64_t p = sql_int(&r, 0);
		if (p < 0 || p > PRIORITY_BULK)
			continue;
		op->queue.items[p] = sql_int(&r, 1);
		op->queue.oldest_ms[p] = sql_int(&r, 2);
	}
	return sql_end(&r);
}
