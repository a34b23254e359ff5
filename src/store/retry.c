/* SPDX-License-Identifier: MIT
 *
 * Running again what failed: the job goes back to running, its failed items become fresh, a pass at
 * a time, and are planned like any others. Until the last pass the job cannot end.
 */
#include "store/tx.h"

static enum err_code make_fresh(struct tx *t, struct tx_job *j, const struct tx_item *it,
	struct err *e)
{
	int64_t changed = 0;
	enum err_code code = sql_run(t->db,
		"UPDATE item SET state = 0, run = $1, started = 0, task = NULL, cache = NULL,"
		" original = NULL, results = NULL, outcome = NULL, tries = 0, made = 0,"
		" planned_ms = NULL, started_ms = NULL"
		" WHERE job = $2 AND n = $3 AND state = 3 AND run = $4",
		SQL(sql_i(j->run), sql_i(j->no), sql_i(it->n), sql_i(it->run)), &changed, e);

	if (code != OK || changed == 0)
		return code;
	j->failed--;
	j->fresh++;
	j->cached -= it->original && it->cache > CACHE_MISS;
	return OK;
}

enum err_code retry_pass(struct tx *t, struct tx_job *j, bool *ret_more, struct err *e)
{
	struct tx_items l = { 0 };
	enum err_code code = items_load(t,
		"SELECT " ITEM_COLUMNS
		" FROM item i WHERE i.job = $1 AND i.state = 3 AND i.run < $2"
		" ORDER BY i.job, i.n LIMIT $3",
		SQL(sql_i(j->no), sql_i(j->run), sql_i(PASS_ROWS + 1)), &l, e);

	for (size_t i = 0; code == OK && i < l.n && i < PASS_ROWS; i++)
		code = make_fresh(t, j, &l.v[i], e);
	j->dirty = true;
	*ret_more = j->retrying = l.n > PASS_ROWS;
	t->work = true;
	return code == OK && !j->retrying ? job_end_if_done(t, j, e) : code;
}

/* A deadline counts from the retry, or the job would be canceled at once. */
static enum err_code restart_deadline(struct tx *t, struct tx_job *j, struct err *e)
{
	enum err_code code = tx_job_settings(t, j, e);

	if (code != OK || j->settings.deadline_ms <= 0)
		return code;
	return sql_run(t->db, "UPDATE job SET deadline_ms = $1 WHERE no = $2",
		SQL(sql_i(t->now_ms + j->settings.deadline_ms), sql_i(j->no)), NULL, e);
}

enum err_code op_retry(struct tx *t, void *arg, struct err *e)
{
	struct op_job *op = arg;
	struct tx_job *j;
	bool more;
	enum err_code code = tx_job_find(t, op->tenant, op->id, &j, e);

	if (code == OK && !j)
		return err_set(e, ERR_NOT_FOUND, "job '%s': not there", op->id);
	if (code == OK && !job_has_ended(j->state))
		return err_set(e, ERR_JOB_NOT_ENDED, "job '%s': has not ended", op->id);
	op->items = 0;
	if (code == OK) /* the rows, not the count: lost ones cannot run again */
		code = sql_get(t->db, "SELECT count(*) FROM item WHERE job = $1 AND state = 3",
			SQL(sql_i(j->no)), &op->items, e);
	if (code != OK || op->items == 0)
		return code;
	j->run++;
	j->state = JOB_RUNNING;
	j->ended_ms = 0;
	j->cancel = OK;
	j->retrying = true;
	code = restart_deadline(t, j, e);
	if (code == OK)
		code = retry_pass(t, j, &more, e);
	return code == OK ? event_job(t, j, EVENT_JOB_RETRIED, NULL, e) : code;
}
