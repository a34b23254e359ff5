/* SPDX-License-Identifier: MIT
 *
 * Settling: a task ended, and every item that waited for it moves on or ends. Its row goes first, so
 * that an item which needs the same done once more gets a task of its own. A task may have any number
 * of waiting items: where one pass does not see them all its row stays (done or failed, no longer live)
 * with what the settling needs to know.
 *
 * The row's outcome: {"o": original, "n": not modified, "x": outcome}, and of a cut {"c": result,
 * "s": cut state, "r": reason}.
 */
#include "store/tx.h"

#include <string.h>

struct ending {
	struct tx_original original;
	bool not_modified;
	struct outcome outcome;
	enum cut_state cut_state;
	enum cut_reason cut_reason;
	struct cut_row cut; /* of CUT_SUCCEEDED; id 0: it is gone */
};

static enum err_code ending_write(struct tx *t, const struct tx_task *k,
	const struct tx_ending *end, struct err *e)
{
	autojson *doc = json_obj();

	json_put_int(doc, "o", end->original ? end->original->id : 0);
	json_put_bool(doc, "n", end->not_modified);
	json_put(doc, "x", outcome_json(end->outcome));
	if (k->kind == TASK_CUT) {
		json_put_int(doc, "c", end->cut);
		json_put_int(doc, "s", end->cut_state);
		json_put_int(doc, "r", end->cut_reason);
	}
	autofree char *text = json_text(doc);
	return sql_run(t->db,
		"UPDATE task SET state = $1, outcome = $2, owner = NULL WHERE id = $3",
		SQL(sql_i(end->state), sql_t(text), sql_i(k->id)), NULL, e);
}

static enum err_code ending_of(struct tx *t, const struct tx_ending *how, struct ending *ret,
	struct err *e)
{
	enum err_code code = OK;

	*ret = (struct ending){
		.not_modified = how->not_modified,
		.outcome = *how->outcome,
		.cut_state = how->cut_state,
		.cut_reason = how->cut_reason,
	};
	if (how->original)
		ret->original = *how->original;
	if (how->cut)
		code = cut_by_id(t, how->cut, &ret->cut, e);
	ret->cut.reason = ret->cut_reason;
	return code;
}

static enum err_code ending_read(struct tx *t, const struct tx_task *k, struct ending *ret,
	struct err *e)
{
	autojson *doc = NULL;
	enum err_code code = json_parse(k->outcome, strlen(k->outcome), &doc, e);

	if (code != OK)
		return err_set(e, ERR_INTERNAL, "task %lld: bad outcome", (long long)k->id);
	autofree char *x = json_text(json_object_get(doc, "x"));
	int64_t original = json_get_int(doc, "o", 0);
	struct tx_original from = { 0 };
	struct outcome outcome;
	struct tx_ending how = {
		.original = &from,
		.not_modified = json_get_bool(doc, "n", false),
		.cut_state = (enum cut_state)json_get_int(doc, "s", CUT_OFF),
		.cut_reason = (enum cut_reason)json_get_int(doc, "r", CUT_REASON_ASKED),
		.cut = json_get_int(doc, "c", 0),
		.outcome = &outcome,
	};
	code = outcome_parse(x, &outcome, e);
	if (code == OK && original)
		code = original_by_id(t, original, &from, e);
	return code == OK ? ending_of(t, &how, ret, e) : code;
}

/* What this step took is added to what earlier steps took. */
static enum err_code merge(struct tx_item *it, const struct outcome *step, struct outcome *ret,
	struct err *e)
{
	struct outcome before;

	*ret = *step;
	if (!it->outcome)
		return OK;
	enum err_code code = outcome_parse(it->outcome, &before, e);
	if (code != OK)
		return code;
	if (ret->download_ms < 0)
		ret->download_ms = before.download_ms;
	if (ret->process_ms < 0)
		ret->process_ms = before.process_ms;
	if (ret->store_ms < 0)
		ret->store_ms = before.store_ms;
	if (!ret->final_url[0])
		memcpy(ret->final_url, before.final_url, sizeof ret->final_url);
	return OK;
}

static void original_known(struct tx_item *it, const struct ending *end)
{
	if (!end->original.id)
		return;
	it->original = end->original.id;
	if (it->cache < 0)
		it->cache = end->not_modified ? CACHE_REVALIDATED : CACHE_MISS;
}

static enum err_code settle_failed(struct tx *t, struct tx_item *it, const struct tx_task *k,
	const struct ending *end, struct err *e)
{
	struct outcome o = { 0 };
	enum err_code code = merge(it, &end->outcome, &o, e);

	if (k->kind == TASK_FETCH && !end->original.id)
		it->original = 0; /* a copy that was to be revalidated is not what the item got */
	if (k->kind == TASK_FETCH)
		original_known(it, end);
	return code == OK ? item_end(t, it, ITEM_FAILED, &o, e) : code;
}

/* What the item was cut or made from. A make may have had a cut-out as its subject. */
static enum err_code original_of(struct tx *t, const struct tx_item *it, const struct ending *end,
	struct tx_original *ret, struct err *e)
{
	*ret = end->original;
	if (it->original == end->original.id)
		return OK;
	return original_by_id(t, it->original, ret, e);
}

static enum err_code settle_done(struct tx *t, struct tx_item *it, const struct tx_task *k,
	const struct ending *end, struct err *e)
{
	struct outcome o = { 0 };
	enum err_code code = merge(it, &end->outcome, &o, e);

	struct tx_original from;
	if (code != OK)
		return code;
	it->outcome = outcome_text(t, &o);
	it->task = 0;
	if (k->kind == TASK_FETCH)
		original_known(it, end);
	code = original_of(t, it, end, &from, e);
	/* A make whose results are not what the item asks for starts again, but not for ever. */
	int tries = k->kind == TASK_MAKE ? k->tries + 1 : 0;
	if (code == OK && t->brought)
		code = brought_count(t, it, e);
	return code == OK ? item_resolve(t, it, k->scope, &from, tries, e) : code;
}

static void cut_known(struct tx *t, struct tx_item *it, const struct tx_task *k,
	const struct ending *end)
{
	bool failed = k->state == TASK_FAILED;

	it->cut_task = 0;
	if (!failed && end->cut_state == CUT_SUCCEEDED) {
		if (end->cut.id) /* else it was dropped since, and is still wanted */
			cut_take(t, it, &end->cut);
		return;
	}
	it->cut_state = failed ? CUT_FAILED : CUT_NONE;
	it->cut_reason = end->cut_reason;
	if (end->outcome.code == ERR_MATTE_CHARGE_UNKNOWN)
		it->cut_reason = CUT_REASON_CHARGE_UNKNOWN;
	it->cut_outcome = outcome_text(t, &end->outcome);
}

/* Variants that are still being made, or bytes that are fetched again, are waited for. */
static enum err_code settle_cut(struct tx *t, struct tx_item *it, const struct tx_task *k,
	const struct ending *end, struct err *e)
{
	struct tx_original from;
	struct outcome o;
	enum err_code code = OK;
	bool won;

	cut_known(t, it, k, end);
	if (it->task)
		return item_save(t, it, &won, e);
	if (it->results && it->cut_state != CUT_WANTED)
		return item_succeed(t, it, e);
	if (!it->results) { /* its variants come from the cut-out, and so does their time */
		code = merge(it, &end->outcome, &o, e);
		if (code == OK)
			it->outcome = outcome_text(t, &o);
	}
	if (code == OK)
		code = original_of(t, it, end, &from, e);
	return code == OK ? item_resolve(t, it, k->scope, &from, 0, e) : code;
}

static enum err_code settle_item(struct tx *t, struct tx_item *it, const struct tx_task *k,
	const struct ending *end, struct err *e)
{
	if (it->tries < k->tries + 1)
		it->tries = k->tries + 1;
	if (k->kind == TASK_CUT)
		return settle_cut(t, it, k, end, e);
	return k->state == TASK_FAILED ? settle_failed(t, it, k, end, e)
				       : settle_done(t, it, k, end, e);
}

static enum err_code waiting(struct tx *t, const struct tx_task *k, struct tx_items *ret,
	struct err *e)
{
	if (k->kind == TASK_CUT)
		return items_load(t,
			"SELECT " ITEM_COLUMNS
			" FROM item i WHERE i.cut_task = $1 AND " ITEM_IS_OPEN
			" ORDER BY i.job, i.n LIMIT $2",
			SQL(sql_i(k->id), sql_i(PASS_ROWS + 1)), ret, e);
	return items_load(t,
		"SELECT " ITEM_COLUMNS " FROM item i WHERE i.task = $1 AND " ITEM_IS_OPEN
		" ORDER BY i.job, i.n LIMIT $2",
		SQL(sql_i(k->id), sql_i(PASS_ROWS + 1)), ret, e);
}

/* Whoever waited first had it done. */
static void count_work(struct tx *t, const struct tx_task *k, const struct tx_items *l)
{
	int64_t tenant = l->n > 0 ? l->v[0].job->tenant : k->scope;
	const struct usage_row done = t->work_done;

	t->work_done = (struct usage_row){ 0 };
	if (!tenant ||
		!(done.downloads || done.encodes || done.cutouts || done.bytes_in || done.cpu_ms))
		return;
	struct usage_row *u = usage_of(t, tenant);
	u->downloads += done.downloads;
	u->encodes += done.encodes;
	u->cutouts += done.cutouts;
	u->bytes_in += done.bytes_in;
	u->bytes_out += done.bytes_out;
	u->cpu_ms += done.cpu_ms;
}

/* Of those who wait, as many as a pass may see; the task's row is gone by then unless there are more. */
static enum err_code settle_items(struct tx *t, const struct tx_task *k, const struct ending *end,
	const struct tx_items *l, struct err *e)
{
	bool all = l->n <= PASS_ROWS;
	enum err_code code = OK;

	count_work(t, k, l);
	for (size_t i = 0; code == OK && i < l->n && i < PASS_ROWS; i++)
		code = settle_item(t, &l->v[i], k, end, e);
	/* only now is it known of all who waited whether they need the original */
	for (size_t i = 0; all && code == OK && i < l->n; i++)
		code = original_drop_if_done(t, &l->v[i], e);
	t->work |= !all;
	return code;
}

enum err_code settle_pass(struct tx *t, int64_t id, struct err *e)
{
	struct tx_items l = { 0 };
	struct tx_task *k = NULL;
	struct ending end = { 0 };
	enum err_code code = task_find(t, id, &k, e);

	if (code != OK || !k)
		return code;
	code = ending_read(t, k, &end, e);
	if (code == OK)
		code = waiting(t, k, &l, e);
	if (code == OK && l.n <= PASS_ROWS)
		code = task_delete(t, id, e);
	return code == OK ? settle_items(t, k, &end, &l, e) : code;
}

enum err_code settle_begin(struct tx *t, struct tx_task *k, const struct tx_ending *how,
	struct err *e)
{
	struct tx_items l = { 0 };
	struct ending end = { 0 };
	enum err_code code = waiting(t, k, &l, e);

	if (code == OK)
		code = ending_of(t, how, &end, e);
	k->state = how->state;
	if (code == OK)
		code = l.n <= PASS_ROWS ? task_delete(t, k->id, e) : ending_write(t, k, how, e);
	return code == OK ? settle_items(t, k, &end, &l, e) : code;
}
