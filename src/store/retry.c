/* SPDX-License-Identifier: MIT
 *
 * Running again what failed: the job goes back to running, its failed items become fresh, a pass at
 * a time, and are planned like any others. Until the last pass the job cannot end. Items that
 * succeeded but for their cut-out run again too: what they have is found where it is. Where a
 * cut-out may have been paid for, it is left alone unless the caller confirms that.
 */
#include "store/operations.h"

#include <assert.h>

/* Of failed items, and of those whose cut-out failed; $2: charges are confirmed. 7 is
 * CUT_REASON_CHARGE_UNKNOWN. */
#define FAILED_ITEMS                                                                               \
	" FROM item i WHERE i.job = $1 AND i.state = 3"                                            \
	" AND NOT ($2 = 0 AND i.cut_state = 3 AND i.cut_reason = 7)"
#define FAILED_CUTS                                                                                \
	" FROM item i WHERE i.job = $1 AND i.state = 2 AND i.cut_state = 3"                        \
	" AND NOT ($2 = 0 AND i.cut_reason = 7)"
static_assert(ITEM_SUCCEEDED == 2 && ITEM_FAILED == 3 && CUT_FAILED == 3 &&
		CUT_REASON_CHARGE_UNKNOWN == 7,
	"the texts above");

static enum err_code make_fresh(struct tx *t, struct tx_job *j, const struct tx_item *it,
	struct err *e)
{
	int64_t changed = 0;
	enum err_code code = sql_run(t->db,
		"UPDATE item SET state = 0, run = $1, started = 0, task = NULL, cache = NULL,"
		" original = NULL, results = NULL, outcome = NULL, tries = 0, made = 0,"
		" planned_ms = NULL, started_ms = NULL, cut_state = $2, cut_task = NULL, cut = NULL,"
		" cut_reason = 0, cut_outcome = NULL"
		" WHERE job = $3 AND n = $4 AND state = $5 AND run = $6",
		SQL(sql_i(j->run), sql_i(it->cut_state == CUT_OFF ? CUT_OFF : CUT_WANTED),
			sql_i(j->no), sql_i(it->n), sql_i(it->state), sql_i(it->run)),
		&changed, e);

	if (code != OK || changed == 0)
		return code;
	j->failed -= it->state == ITEM_FAILED;
	j->succeeded -= it->state == ITEM_SUCCEEDED;
	j->cuts[it->cut_state]--;
	j->fresh++;
	j->cached -= it->original && it->cache > CACHE_MISS;
	return OK;
}

static enum err_code fresh_again(struct tx *t, struct tx_job *j, const struct tx_items *l,
	size_t max, struct err *e)
{
	enum err_code code = OK;

	for (size_t i = 0; code == OK && i < l->n && i < max; i++)
		code = make_fresh(t, j, &l->v[i], e);
	return code;
}

enum err_code retry_pass(struct tx *t, struct tx_job *j, bool *ret_more, struct err *e)
{
	struct tx_items failed = { 0 }, cuts = { 0 };
	enum err_code code = items_load(t,
		"SELECT " ITEM_COLUMNS FAILED_ITEMS " AND i.run < $3 ORDER BY i.job, i.n LIMIT $4",
		SQL(sql_i(j->no), sql_i(j->confirm_all), sql_i(j->run), sql_i(PASS_ROWS + 1)),
		&failed, e);

	if (code == OK && failed.n <= PASS_ROWS && j->cuts[CUT_FAILED] > 0)
		code = items_load(t,
			"SELECT " ITEM_COLUMNS FAILED_CUTS
			" AND i.run < $3 ORDER BY i.job, i.n LIMIT $4",
			SQL(sql_i(j->no), sql_i(j->confirm_all), sql_i(j->run),
				sql_i((int64_t)(PASS_ROWS + 1 - failed.n))),
			&cuts, e);
	if (code == OK)
		code = fresh_again(t, j, &failed, PASS_ROWS, e);
	if (code == OK && failed.n <= PASS_ROWS)
		code = fresh_again(t, j, &cuts, PASS_ROWS - failed.n, e);
	j->dirty = true;
	*ret_more = j->retrying = failed.n + cuts.n > PASS_ROWS;
	t->work = true;
	return code == OK && !j->retrying ? job_end_if_done(t, j, e) : code;
}

/* How many items would run again. The rows count, not the job's numbers: lost ones cannot. */
static enum err_code count_failed(struct tx *t, const struct tx_job *j, bool confirm, int64_t *ret,
	struct err *e)
{
	int64_t cuts = 0;
	enum err_code code = sql_get(t->db, "SELECT count(*)" FAILED_ITEMS,
		SQL(sql_i(j->no), sql_i(confirm)), ret, e);

	if (code == OK && j->cuts[CUT_FAILED] > 0)
		code = sql_get(t->db, "SELECT count(*)" FAILED_CUTS,
			SQL(sql_i(j->no), sql_i(confirm)), &cuts, e);
	*ret += cuts;
	return code;
}

/* Charges whose end is unknown until now may be bought again in this run. */
static enum err_code confirm(struct tx *t, struct tx_job *j, bool confirmed, struct err *e)
{
	enum err_code code = OK;

	if (!confirmed && !j->confirm_all)
		return OK;
	j->confirm_all = confirmed;
	if (confirmed)
		code = charge_last(t, &j->confirm, e);
	if (code != OK)
		return code;
	return sql_run(t->db, "UPDATE job SET confirm = $1, confirm_all = $2 WHERE no = $3",
		SQL(sql_i(j->confirm), sql_i(j->confirm_all), sql_i(j->no)), NULL, e);
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
	if (code == OK)
		code = count_failed(t, j, op->confirm, &op->items, e);
	if (code != OK || op->items == 0)
		return code;
	j->run++;
	j->state = JOB_RUNNING;
	j->ended_ms = 0;
	j->cancel = OK;
	j->retrying = true;
	code = restart_deadline(t, j, e);
	if (code == OK)
		code = manifest_reopened(t, j->no, e);
	if (code == OK)
		code = hook_reopened(t, j->no, e);
	if (code == OK)
		code = confirm(t, j, op->confirm, e);
	if (code == OK)
		code = retry_pass(t, j, &more, e);
	return code == OK ? event_job(t, j, EVENT_JOB_RETRIED, NULL, e) : code;
}
