/* SPDX-License-Identifier: MIT
 *
 * Canceling: the job is marked, so that nothing more of it is planned, and its open items end, a
 * pass at a time. Tasks are not touched: other jobs may wait for them, and one that nobody waits
 * for is dropped by its lane's next heartbeat or by the next claim.
 */
#include "store/operations.h"

static enum err_code cancel_items(struct tx *t, struct tx_job *j, const struct tx_items *l,
	struct err *e)
{
	enum err_code code = OK;

	for (size_t i = 0; code == OK && i < l->n; i++) {
		struct outcome o = {
			.code = j->cancel,
			.download_ms = -1,
			.process_ms = -1,
			.store_ms = -1,
		};
		code = item_end(t, &l->v[i], ITEM_CANCELED, &o, e);
		if (code == OK)
			code = original_drop_if_done(t, &l->v[i], e);
	}
	return code;
}

enum err_code cancel_pass(struct tx *t, struct tx_job *j, bool *ret_more, struct err *e)
{
	struct tx_items open = { 0 }, fresh = { 0 };
	enum err_code code = items_load(t,
		"SELECT " ITEM_COLUMNS " FROM item i WHERE i.job = $1 AND i.state = 1"
		" ORDER BY i.job, i.n LIMIT $2",
		SQL(sql_i(j->no), sql_i(PASS_ROWS)), &open, e);

	if (code == OK && open.n < PASS_ROWS)
		code = items_load(t,
			"SELECT " ITEM_COLUMNS " FROM item i WHERE i.job = $1 AND i.state = 0"
			" ORDER BY i.job, i.n LIMIT $2",
			SQL(sql_i(j->no), sql_i((int64_t)(PASS_ROWS - open.n))), &fresh, e);
	if (code == OK)
		code = cancel_items(t, j, &open, e);
	if (code == OK)
		code = cancel_items(t, j, &fresh, e);
	if (code == OK && open.n + fresh.n == 0)
		code = job_lose_items(t, j, ITEM_CANCELED, e);
	*ret_more = code == OK && !job_has_ended(j->state);
	t->work |= *ret_more;
	return code;
}

enum err_code tx_job_cancel(struct tx *t, struct tx_job *j, enum err_code code, struct err *e)
{
	bool more;

	if (job_has_ended(j->state) || j->cancel != OK)
		return OK;
	j->cancel = code;
	j->dirty = true;
	return cancel_pass(t, j, &more, e);
}

enum err_code op_cancel(struct tx *t, void *arg, struct err *e)
{
	struct op_job *op = arg;
	struct tx_job *j;
	enum err_code code = tx_job_find(t, op->tenant, op->id, &j, e);

	if (code == OK && !j)
		return err_set(e, ERR_NOT_FOUND, "job '%s': not there", op->id);
	return code == OK ? tx_job_cancel(t, j, op->code, e) : code;
}
