/* SPDX-License-Identifier: MIT
 *
 * What goes on by itself: whatever an operation left to later passes, and whatever time brings.
 * Each tick does a bounded piece of each kind, so that it never keeps an answer waiting for long.
 */
#include "store/operations.h"

#include <stdio.h>

#define TICK_MAX_MS     1000
#define LOST_MAX        20 /* owners that vanished */
#define TASK_ROWS       500
#define LATER_MAX_MS    (2 * 60 * 60 * 1000) /* longer is put back by nobody: the clock was set back */
#define BUILDING_MAX_MS (10 * 60 * 1000)     /* a submit that takes longer has died */

static enum err_code tick_settle(struct tx *t, bool *ret_more, struct err *e)
{
	int64_t id = 0;
	enum err_code code = sql_get(t->db,
		"SELECT id FROM task WHERE state >= 3 ORDER BY id LIMIT 1" SQL_LOCK_ANY, SQL_NONE,
		&id, e);

	*ret_more = id != 0;
	return code == OK && id ? settle_pass(t, id, e) : code;
}

static enum err_code tick_job(struct tx *t, const char *text,
	enum err_code (*pass)(struct tx *, struct tx_job *, bool *, struct err *), bool *ret_more,
	struct err *e)
{
	struct tx_job *j;
	int64_t no = 0;
	enum err_code code = sql_get(t->db, text, SQL_NONE, &no, e);

	*ret_more = no != 0;
	if (code != OK || !no)
		return code;
	bool more;
	code = tx_job_get(t, no, &j, e);
	return code == OK ? pass(t, j, &more, e) : code;
}

static enum err_code tick_cancel(struct tx *t, bool *ret_more, struct err *e)
{
	return tick_job(t,
		"SELECT no FROM job WHERE cancel IS NOT NULL AND ended_ms IS NULL AND hidden = 0"
		" ORDER BY no LIMIT 1" SQL_LOCK_ANY,
		cancel_pass, ret_more, e);
}

static enum err_code tick_retry(struct tx *t, bool *ret_more, struct err *e)
{
	return tick_job(t,
		"SELECT no FROM job WHERE retrying = 1 AND hidden = 0 ORDER BY no LIMIT 1" SQL_LOCK_ANY,
		retry_pass, ret_more, e);
}

static enum err_code tick_deadline(struct tx *t, bool *ret_more, struct err *e)
{
	struct tx_job *j = NULL;
	int64_t no = 0;
	enum err_code code = sql_get(t->db,
		"SELECT no FROM job WHERE deadline_ms IS NOT NULL AND ended_ms IS NULL"
		" AND deadline_ms <= $1 AND cancel IS NULL ORDER BY deadline_ms LIMIT 1" SQL_LOCK_ANY,
		SQL(sql_i(t->now_ms)), &no, e);

	*ret_more = no != 0;
	if (code == OK && no)
		code = tx_job_get(t, no, &j, e);
	return code == OK && no ? tx_job_cancel(t, j, ERR_DEADLINE, e) : code;
}

/* Two texts, so that each has the index it needs. */
static enum err_code tick_later(struct tx *t, bool *ret_more, struct err *e)
{
	int64_t due = 0, astray = 0;
	enum err_code code = sql_run(t->db,
		"UPDATE task SET state = 0 WHERE id IN"
		" (SELECT id FROM task WHERE state IN (1, 2) AND state = 2 AND until_ms <= $1"
		" LIMIT $2" SQL_LOCK_ANY ")",
		SQL(sql_i(t->now_ms), sql_i(TASK_ROWS)), &due, e);

	if (code == OK)
		code = sql_run(t->db,
			"UPDATE task SET state = 0 WHERE id IN (SELECT id FROM task"
			" WHERE state IN (1, 2) AND state = 2 AND until_ms > $1 LIMIT $2" SQL_LOCK_ANY
			")",
			SQL(sql_i(t->now_ms + LATER_MAX_MS), sql_i(TASK_ROWS)), &astray, e);
	*ret_more = due == TASK_ROWS || astray == TASK_ROWS;
	t->work |= due + astray > 0;
	return code;
}

/* The owner of a task has vanished: it is ready again, but not for ever. */
static enum err_code task_lost(struct tx *t, int64_t id, struct err *e)
{
	struct outcome o = {
		.code = ERR_WORK_LOST,
		.download_ms = -1,
		.process_ms = -1,
		.store_ms = -1,
	};
	struct tx_task *k;
	enum err_code code = task_find(t, id, &k, e);

	if (code != OK || !k)
		return code;
	t->work = true;
	o.stage = k->kind == TASK_FETCH ? "download" : "process";
	if (k->lost + 1 >= LOST_MAX)
		return task_fail(t, k, &o, NULL, e);
	return sql_run(t->db,
		"UPDATE task SET state = 0, lost = lost + 1, owner = NULL WHERE id = $1",
		SQL(sql_i(id)), NULL, e);
}

static enum err_code lose_tasks(struct tx *t, struct sql_rows r, int64_t *ret_n, struct err *e)
{
	int64_t ids[TASK_ROWS];
	size_t n = 0;

	while (n < TASK_ROWS && sql_next(&r))
		ids[n++] = sql_int(&r, 0);
	enum err_code code = sql_end(&r);
	for (size_t i = 0; code == OK && i < n; i++)
		code = task_lost(t, ids[i], e);
	*ret_n = (int64_t)n;
	return code;
}

static enum err_code tick_overdue(struct tx *t, bool *ret_more, struct err *e)
{
	int64_t n = 0;
	struct sql_rows r = sql_query(t->db,
		"SELECT id FROM task WHERE state IN (1, 2) AND state = 1 AND until_ms <= $1"
		" ORDER BY until_ms LIMIT $2" SQL_LOCK_ANY,
		SQL(sql_i(t->now_ms), sql_i(TASK_ROWS)), e);
	enum err_code code = lose_tasks(t, r, &n, e);

	*ret_more = n == TASK_ROWS;
	return code;
}

/* Whoever was building this job died. */
static enum err_code drop_half_built(struct tx *t, int64_t before_ms, struct err *e)
{
	return sql_run(t->db,
		"UPDATE job SET hidden = 1 WHERE no IN (SELECT no FROM job WHERE hidden > 0"
		" AND hidden = $1 AND created_ms <= $2" SQL_LOCK_ANY ")",
		SQL(sql_i(JOB_HIDDEN_BUILDING), sql_i(before_ms)), NULL, e);
}

static enum err_code tick_half_built(struct tx *t, bool *ret_more, struct err *e)
{
	*ret_more = false;
	return drop_half_built(t, t->now_ms - BUILDING_MAX_MS, e);
}

static enum err_code tick_expiry(struct tx *t, bool *ret_more, struct err *e)
{
	int64_t jobs, keys = 0;
	enum err_code code = expire_pass(t, ret_more, &jobs, e);

	if (code == OK)
		code = sql_run(t->db,
			"DELETE FROM idempotency WHERE (tenant, key) IN"
			" (SELECT tenant, key FROM idempotency WHERE expires_ms <= $1 LIMIT $2" SQL_LOCK_ANY
			")",
			SQL(sql_i(t->now_ms), sql_i(TASK_ROWS)), &keys, e);
	*ret_more |= keys == TASK_ROWS;
	bool more = false;
	if (code == OK)
		code = tokens_expire(t, TASK_ROWS, &more, e);
	*ret_more |= more;
	return code;
}

static enum err_code next_due(struct tx *t, int64_t *ret, struct err *e)
{
	int64_t due = t->now_ms + TICK_MAX_MS, other = due;
	enum err_code code = sql_get(t->db,
		"SELECT until_ms FROM task WHERE state IN (1, 2) ORDER BY until_ms LIMIT 1",
		SQL_NONE, &due, e);

	if (code == OK)
		code = sql_get(t->db,
			"SELECT deadline_ms FROM job WHERE deadline_ms IS NOT NULL AND ended_ms IS NULL"
			" AND cancel IS NULL ORDER BY deadline_ms LIMIT 1",
			SQL_NONE, &other, e);
	due = other < due ? other : due;
	due -= t->now_ms;
	*ret = due < 0 ? 0 : due > TICK_MAX_MS ? TICK_MAX_MS : due;
	return code;
}

enum err_code op_tick(struct tx *t, void *arg, struct err *e)
{
	static enum err_code (*const passes[])(struct tx *, bool *, struct err *) = {
		tick_settle,
		tick_later,
		tick_overdue,
		charges_orphaned,
		tick_deadline,
		tick_cancel,
		tick_retry,
		tick_half_built,
		hidden_pass,
		tick_expiry,
		reported_pass,
	};
	struct op_tick *op = arg;
	enum err_code code = OK;
	bool any = false;

	for (size_t i = 0; code == OK && i < ARRAY_LEN(passes); i++) {
		bool more = false;
		code = passes[i](t, &more, e);
		any |= more;
	}
	op->next_ms = 0;
	return code == OK && !any ? next_due(t, &op->next_ms, e) : code;
}

/* What was lent outside is not lost with the process that lent it. */
static struct sql_rows running_here(struct tx *t, struct err *e)
{
	return sql_query(t->db,
		"SELECT id FROM task WHERE state IN (1, 2) AND state = 1 AND NOT " OWNER_IS_OUTSIDE
		" LIMIT $1",
		SQL(sql_i(TASK_ROWS)), e);
}

enum err_code op_recover(struct tx *t, void *arg, struct err *e)
{
	struct op_tick *op = arg;
	int64_t n;
	enum err_code code;

	op->tasks = 0;
	do {
		code = lose_tasks(t, running_here(t, e), &n, e);
		op->tasks += n;
	} while (code == OK && n == TASK_ROWS);
	for (bool more = true; code == OK && more;)
		code = charges_orphaned(t, &more, e);
	if (code == OK)
		code = sql_run(t->db, "UPDATE manifest SET until_ms = 0 WHERE due = 1", SQL_NONE,
			NULL, e);
	if (code == OK)
		code = deliveries_recover(t, e);
	return code == OK ? drop_half_built(t, INT64_MAX, e) : code;
}

enum err_code op_ping(struct tx *t, void *arg, struct err *e)
{
	(void)arg;
	return sql_run(t->db, "UPDATE meta SET ping = $1", SQL(sql_i(t->now_ms)), NULL, e);
}
