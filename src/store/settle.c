/* SPDX-License-Identifier: MIT
 *
 * Settling: a task ended, and every item that waited for it moves on or ends. A task may have any
 * number of waiting items, so its row stays (done or failed, no longer live) with what the settling
 * needs to know, until passes of bounded size have seen them all.
 *
 * The row's outcome: {"o": original, "n": not modified, "x": outcome}.
 */
#include "store/tx.h"

#include <string.h>

struct ending {
	struct tx_original original;
	bool not_modified;
	struct outcome outcome;
};

static enum err_code ending_write(struct tx *t, const struct tx_task *k, enum task_state state,
	int64_t original, bool not_modified, const struct outcome *o, struct err *e)
{
	autojson *doc = json_obj();

	json_put_int(doc, "o", original);
	json_put_bool(doc, "n", not_modified);
	json_put(doc, "x", outcome_json(o));
	autofree char *text = json_text(doc);
	return sql_run(t->db,
		"UPDATE task SET state = $1, outcome = $2, owner = NULL WHERE id = $3",
		SQL(sql_i(state), sql_t(text), sql_i(k->id)), NULL, e);
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
	*ret = (struct ending){ .not_modified = json_get_bool(doc, "n", false) };
	code = outcome_parse(x, &ret->outcome, e);
	if (code == OK && original)
		code = original_by_id(t, original, &ret->original, e);
	return code;
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

static void original_known(struct tx_item *it, const struct ending *end, bool fetched)
{
	if (!end->original.id)
		return;
	it->original = end->original.id;
	if (fetched && it->cache < 0)
		it->cache = end->not_modified ? CACHE_REVALIDATED : CACHE_MISS;
}

static enum err_code settle_failed(struct tx *t, struct tx_item *it, const struct tx_task *k,
	const struct ending *end, struct err *e)
{
	struct outcome o = { 0 };
	enum err_code code = merge(it, &end->outcome, &o, e);

	if (k->kind == TASK_FETCH && !end->original.id)
		it->original = 0; /* a copy that was to be revalidated is not what the item got */
	original_known(it, end, k->kind == TASK_FETCH);
	return code == OK ? item_end(t, it, ITEM_FAILED, &o, e) : code;
}

static enum err_code settle_done(struct tx *t, struct tx_item *it, const struct tx_task *k,
	const struct ending *end, struct err *e)
{
	struct outcome o = { 0 };
	enum err_code code = merge(it, &end->outcome, &o, e);

	if (code != OK)
		return code;
	autojson *j = outcome_json(&o);
	autofree char *text = json_text(j);
	it->outcome = arena_strdup(t->arena, text);
	original_known(it, end, k->kind == TASK_FETCH);
	/* A make whose results are not what the item asks for starts again, but not for ever. */
	int tries = k->kind == TASK_MAKE ? k->tries + 1 : 0;
	return item_resolve(t, it, k->scope, &end->original, tries, e);
}

static enum err_code settle_item(struct tx *t, struct tx_item *it, const struct tx_task *k,
	const struct ending *end, struct err *e)
{
	if (it->tries < k->tries + 1)
		it->tries = k->tries + 1;
	return k->state == TASK_FAILED ? settle_failed(t, it, k, end, e)
				       : settle_done(t, it, k, end, e);
}

/* Only now is it known of all who waited whether they need the original. */
static enum err_code settled(struct tx *t, int64_t id, const struct tx_items *l, struct err *e)
{
	enum err_code code = task_delete(t, id, e);

	for (size_t i = 0; code == OK && i < l->n; i++)
		code = original_drop_if_done(t, &l->v[i], e);
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
		code = items_load(t,
			"SELECT " ITEM_COLUMNS " FROM item i WHERE i.task = $1 AND i.state = 1"
			" ORDER BY i.job, i.n LIMIT $2",
			SQL(sql_i(id), sql_i(PASS_ROWS + 1)), &l, e);
	for (size_t i = 0; code == OK && i < l.n && i < PASS_ROWS; i++)
		code = settle_item(t, &l.v[i], k, &end, e);
	if (code == OK && l.n <= PASS_ROWS)
		return settled(t, id, &l, e);
	t->work = true;
	return code;
}

enum err_code settle_begin(struct tx *t, const struct tx_task *k, enum task_state state,
	int64_t original, bool not_modified, const struct outcome *o, struct err *e)
{
	enum err_code code = ending_write(t, k, state, original, not_modified, o, e);

	return code == OK ? settle_pass(t, k->id, e) : code;
}
