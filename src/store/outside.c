/* SPDX-License-Identifier: MIT
 *
 * Tasks that are lent to somebody who cannot reach the store: a function that reports over HTTP. What
 * it says ends the task as a worker of ours would, in one transaction with a row that remembers it, so
 * that the same report may come twice, or twice at once. An owner of such a task has a name that begins
 * with OUTSIDE_OWNER: it outlives the process that lent it.
 */
#include "store/operations.h"

#include <string.h>

#define REMEMBER_MS                                                                                \
	((int64_t)24 * 3600 * 1000) /* the platform gives up its own retries long before */
#define ITEMS_MAX   200             /* whose wishes are told to who fetches */
#define ROWS_MAX    10000
#define LEND_MIN_MS 1000 /* what is left of a lease, to begin a make in */

/* ---- what a task is about ------------------------------------------------------------------- */

struct wish {
	struct tx_job job;
	struct tx_item item;
};

static enum err_code load_wishes(struct tx *t, int64_t task, struct wish *v, size_t *ret_n,
	struct err *e)
{
	size_t n = 0;
	struct sql_rows r = sql_query(t->db,
		"SELECT i.job, i.extra, i.cut_state FROM item i WHERE i.task = $1"
		" AND " ITEM_IS_OPEN " ORDER BY i.job, i.n LIMIT $2",
		SQL(sql_i(task), sql_i(ITEMS_MAX)), e);

	for (; n < ITEMS_MAX && sql_next(&r); n++)
		v[n] = (struct wish){
			.job.no = sql_int(&r, 0),
			.item.extra = arena_strdup(t->arena, sql_text(&r, 1)),
			.item.cut_state = (enum cut_state)sql_int(&r, 2),
		};
	*ret_n = n;
	return sql_end(&r);
}

static bool is_listed(const struct lent *l, const uint8_t digest[VARIANT_DIGEST_LEN])
{
	for (size_t i = 0; i < l->recipe.n; i++)
		if (memcmp(l->digests[i], digest, VARIANT_DIGEST_LEN) == 0)
			return true;
	return false;
}

static void list(struct lent *l, const struct variant *v, const uint8_t digest[VARIANT_DIGEST_LEN])
{
	if (is_listed(l, digest) || l->recipe.n == LENT_VARIANTS_MAX)
		return;
	l->recipe.variants[l->recipe.n] = *v;
	memcpy(l->digests[l->recipe.n++], digest, VARIANT_DIGEST_LEN);
}

/* What is made from a cut-out cannot be made from what is fetched. */
static enum err_code add_wish(struct tx *t, struct wish *w, struct lent *l, struct err *e)
{
	struct tx_recipe r;

	w->item.job = &w->job;
	enum err_code code = tx_recipe(t, &w->item, &r, e);
	if (code != OK || (r.cut && r.cut->apply != CUT_APPLY_CUTOUT))
		return code;
	for (size_t i = 0; i < r.n; i++)
		list(l, &r.variants[i], r.digests[i]);
	return OK;
}

static enum err_code fetch_wishes(struct tx *t, struct lent *l, struct err *e)
{
	struct wish *v = arena_alloc(t->arena, ITEMS_MAX * sizeof *v);
	size_t n = 0;
	enum err_code code = load_wishes(t, l->task.id, v, &n, e);

	for (size_t i = 0; code == OK && i < n; i++)
		code = add_wish(t, &v[i], l, e);
	return code;
}

static enum err_code make_wishes(struct tx *t, struct lent *l, struct err *e)
{
	uint8_t digest[VARIANT_DIGEST_LEN];
	struct make_input in;
	enum err_code code = make_input_parse(l->task.input, &in, e);

	if (code != OK)
		return code;
	for (size_t i = 0; i < in.recipe.n; i++) {
		variant_digest(&in.recipe.variants[i], t->opts->codecs, digest);
		list(l, &in.recipe.variants[i], digest);
	}
	recipe_done(&in.recipe);
	return OK;
}

static enum err_code lent_find(struct tx *t, int64_t id, int64_t lease, struct arena *a,
	struct lent *ret, struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT scope, kind, input, tries, host, owner, until_ms, lost FROM task"
		" WHERE id = $1 AND lease = $2 AND state = 1",
		SQL(sql_i(id), sql_i(lease)), e);

	*ret = (struct lent){ 0 };
	if (sql_next(&r))
		*ret = (struct lent){
			.held = true,
			.task = {
				.id = id,
				.lease = lease,
				.scope = sql_int(&r, 0),
				.kind = (enum task_kind)sql_int(&r, 1),
				.input = arena_strdup(a, sql_text(&r, 2)),
				.tries = (int)sql_int(&r, 3),
				.host = arena_strdup(a, sql_text(&r, 4)),
				.lost = (int)sql_int(&r, 7),
			},
			.owner = arena_strdup(a, sql_text(&r, 5)),
			.until_ms = sql_int(&r, 6),
		};
	return sql_end(&r);
}

enum err_code op_lent(struct tx *t, void *arg, struct err *e)
{
	struct op_outside *op = arg;
	struct lent *l = &op->lent;
	enum err_code code = lent_find(t, op->id, op->lease, op->arena, l, e);

	if (code != OK || !l->held)
		return code;
	l->recipe.variants = arena_alloc(op->arena, LENT_VARIANTS_MAX * sizeof *l->recipe.variants);
	l->digests = arena_alloc(op->arena, LENT_VARIANTS_MAX * sizeof *l->digests);
	return l->task.kind == TASK_FETCH ? fetch_wishes(t, l, e) : make_wishes(t, l, e);
}

/* All that is lent outside, the first to run out first. */
enum err_code op_outside_list(struct tx *t, void *arg, struct err *e)
{
	struct op_outside *op = arg;
	struct outside_row *v = NULL;
	size_t n = 0, room = 0;
	struct sql_rows r = sql_query(t->db,
		"SELECT id, lease, kind, host, owner, until_ms FROM task WHERE state IN (1, 2)"
		" AND state = 1 AND " OWNER_IS_OUTSIDE " ORDER BY until_ms LIMIT $1",
		SQL(sql_i(ROWS_MAX)), e);

	while (sql_next(&r)) {
		if (n == room)
			v = mem_realloc(v, room = room ? room * 2 : 32, sizeof *v);
		v[n++] = (struct outside_row){
			.id = sql_int(&r, 0),
			.lease = sql_int(&r, 1),
			.kind = (enum task_kind)sql_int(&r, 2),
			.host = arena_strdup(op->arena, sql_text(&r, 3)),
			.owner = arena_strdup(op->arena, sql_text(&r, 4)),
			.until_ms = sql_int(&r, 5),
		};
	}
	enum err_code code = sql_end(&r);
	op->rows = arena_alloc(op->arena, (n + 1) * sizeof *v);
	if (n > 0)
		memcpy(op->rows, v, n * sizeof *v);
	op->n = n;
	free(v);
	return code;
}

enum err_code op_hand(struct tx *t, void *arg, struct err *e)
{
	const struct op_outside *op = arg;
	enum err_code code = OK;

	for (size_t i = 0; code == OK && i < op->n; i++)
		code = sql_run(t->db,
			"UPDATE task SET owner = $1, until_ms = $2 WHERE id = $3 AND lease = $4"
			" AND state = 1",
			SQL(sql_t(op->owner), sql_i(t->now_ms + op->lease_ms),
				sql_i(op->names[i].id), sql_i(op->names[i].lease)),
			NULL, e);
	return code;
}

/* ---- what is said of it --------------------------------------------------------------------- */

/* A make that was lent along with the first answer, and still is. */
static enum err_code lent_again(struct tx *t, struct op_outside *op, int64_t id, int64_t lease,
	struct err *e)
{
	struct lent l;
	enum err_code code = lent_find(t, id, lease, op->arena, &l, e);

	if (code == OK && l.held)
		op->answer.next = l.task;
	return code;
}

static enum err_code recall(struct tx *t, struct op_outside *op, struct err *e)
{
	int64_t next = 0, next_lease = 0;
	bool known = false;
	struct sql_rows r = sql_query(t->db,
		"SELECT next, next_lease FROM reported WHERE task = $1 AND lease = $2",
		SQL(sql_i(op->report->id), sql_i(op->report->lease)), e);

	if (sql_next(&r)) {
		known = true;
		next = sql_int(&r, 0);
		next_lease = sql_int(&r, 1);
	}
	enum err_code code = sql_end(&r);
	op->answer.verdict = known ? OUTSIDE_REPEATED : OUTSIDE_STALE;
	return code == OK && next ? lent_again(t, op, next, next_lease, e) : code;
}

static enum err_code remember(struct tx *t, const struct op_outside *op, struct err *e)
{
	const struct task *next = &op->answer.next;

	return sql_run(t->db,
		"INSERT INTO reported (task, lease, next, next_lease, until_ms)"
		" VALUES ($1, $2, $3, $4, $5)",
		SQL(sql_i(op->report->id), sql_i(op->report->lease), sql_i(next->id),
			sql_i(next->lease), sql_i(t->now_ms + REMEMBER_MS)),
		NULL, e);
}

/* Who has fetched goes on with a make, for as long as its own lease had to go. */
static enum err_code end_fetch(struct tx *t, struct op_outside *op, struct err *e)
{
	struct lent l;
	enum err_code code = lent_find(t, op->report->id, op->report->lease, t->arena, &l, e);
	int64_t left_ms = l.until_ms - t->now_ms;
	struct op_end end = {
		.id = op->report->id,
		.lease = op->report->lease,
		.fetched = op->report->fetched,
		.made = op->report->made,
		.owner = op->report->goes_on && left_ms >= LEND_MIN_MS ? l.owner : NULL,
		.lease_ms = left_ms,
		.arena = op->arena,
	};

	if (code == OK)
		code = op_finish_fetch(t, &end, e);
	op->answer.next = end.make;
	op->answer.original = end.original;
	op->answer.has_original = true;
	return code;
}

static enum err_code end_as_said(struct tx *t, struct op_outside *op, const struct tx_task *k,
	struct err *e)
{
	const struct outside_report *r = op->report;
	struct op_end end = {
		.id = r->id,
		.lease = r->lease,
		.made = r->made,
		.outcome = r->outcome,
		.found = r->found,
		.until_ms = t->now_ms + r->after_ms,
		.arena = op->arena,
	};

	if (r->fetched)
		return end_fetch(t, op, e);
	if (r->made)
		return op_finish_make(t, &end, e);
	if (!r->later || (r->outcome && k->tries + 1 >= r->max_tries))
		return op_fail(t, &end, e);
	return op_later(t, &end, e);
}

enum err_code op_report(struct tx *t, void *arg, struct err *e)
{
	struct op_outside *op = arg;
	struct tx_task *k = NULL;
	enum err_code code = task_held(t, op->report->id, op->report->lease, &k, e);

	op->answer = (struct outside_answer){ .verdict = OUTSIDE_RECORDED };
	if (code == ERR_STORE_STALE)
		return recall(t, op, e);
	if (code == OK)
		code = end_as_said(t, op, k, e);
	return code == OK ? remember(t, op, e) : code;
}

enum err_code reported_pass(struct tx *t, bool *ret_more, struct err *e)
{
	int64_t n = 0;
	enum err_code code = sql_run(t->db,
		"DELETE FROM reported WHERE (task, lease) IN (SELECT task, lease FROM reported"
		" WHERE until_ms <= $1 LIMIT $2" SQL_LOCK_ANY ")",
		SQL(sql_i(t->now_ms), sql_i(PASS_ROWS)), &n, e);

	*ret_more = n == PASS_ROWS;
	return code;
}

/* ---- variants that came with their original ------------------------------------------------- */

enum err_code brought_put(struct tx *t, const struct tx_task *k, const struct tx_original *o,
	const struct made *m, struct err *e)
{
	enum err_code code = OK;

	t->brought = m;
	t->brought_counted = arena_alloc(t->arena, m->n + 1);
	for (size_t i = 0; code == OK && i < m->n; i++) {
		t->work_done.encodes++;
		t->work_done.bytes_out += m->products[i].bytes;
		code = result_put(t, k->scope, o->data.sha256, &m->products[i], e);
	}
	return code;
}

static bool asks_for(const struct tx_recipe *r, const uint8_t digest[VARIANT_DIGEST_LEN])
{
	for (size_t i = 0; i < r->n; i++)
		if (memcmp(r->digests[i], digest, VARIANT_DIGEST_LEN) == 0)
			return true;
	return false;
}

/* Each was encoded once: for who waited first and asks for it. */
enum err_code brought_count(struct tx *t, struct tx_item *it, struct err *e)
{
	struct tx_recipe r;
	enum err_code code = tx_recipe(t, it, &r, e);

	for (size_t i = 0; code == OK && i < t->brought->n; i++)
		if (!t->brought_counted[i] && asks_for(&r, t->brought->products[i].recipe)) {
			t->brought_counted[i] = true;
			it->made++;
		}
	return code;
}
