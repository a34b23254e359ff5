/* SPDX-License-Identifier: MIT
 *
 * Money. Before a paid call there is a row that says so, and in the same transaction its cost is
 * taken out of the budget that pays it: whoever asks next finds that much less. The row becomes the
 * answer, or goes when the provider refused; where nobody can tell, because whoever asked is gone,
 * it stays as unknown, counts as spent, and stands in the way of buying the same again until
 * somebody confirms. A confirmation is worth the charges that there were when it was given, so a
 * crash in the second call is unknown like one in the first.
 *
 * The budget's columns of a job are written here alone, and at once.
 */
#include "store/operations.h"

#include <string.h>

#define ORPHANS_MAX 100

enum charge_state {
	CHARGE_ASKED = 0,
	CHARGE_ANSWERED = 1,
	CHARGE_UNKNOWN = 2,
	CHARGE_SUPERSEDED = 3, /* unknown for ever: it was confirmed and asked again */
	CHARGE_CLOSED = 4      /* its answer is gone */
};

struct charge {
	int64_t id, scope, tenant, job, item, task, lease, cost, before, ended_ms;
	enum charge_state state;
	uint8_t sha256[SHA256_LEN];
	const char *blob, *media_type;
};

#define CHARGE_COLUMNS                                                                             \
	"id, scope, tenant, job, item, task, lease, cost, before, ended_ms, state, sha256, blob,"  \
	" media_type"

static enum err_code load(struct tx *t, const char *text, const struct sql_value *v, size_t n,
	struct charge *ret, struct err *e)
{
	struct sql_rows r = sql_query(t->db, text, v, n, e);

	*ret = (struct charge){ 0 };
	if (sql_next(&r)) {
		*ret = (struct charge){
			.id = sql_int(&r, 0),
			.scope = sql_int(&r, 1),
			.tenant = sql_int(&r, 2),
			.job = sql_int(&r, 3),
			.item = sql_int(&r, 4),
			.task = sql_int(&r, 5),
			.lease = sql_int(&r, 6),
			.cost = sql_int(&r, 7),
			.before = sql_int(&r, 8),
			.ended_ms = sql_int(&r, 9),
			.state = (enum charge_state)sql_int(&r, 10),
			.blob = arena_strdup(t->arena, sql_text(&r, 12)),
			.media_type = arena_strdup(t->arena, sql_text(&r, 13)),
		};
		sql_bytes(&r, 11, ret->sha256, SHA256_LEN);
	}
	return sql_end(&r);
}

static enum err_code charge_get(struct tx *t, int64_t id, struct charge *ret, struct err *e)
{
	return load(t, "SELECT " CHARGE_COLUMNS " FROM charge WHERE id = $1" SQL_LOCK,
		SQL(sql_i(id)), ret, e);
}

static enum err_code charge_live(struct tx *t, const struct tx_task *k,
	const uint8_t digest[SHA256_LEN], struct charge *ret, struct err *e)
{
	return load(t,
		"SELECT " CHARGE_COLUMNS " FROM charge WHERE scope = $1 AND sha256 = $2"
		" AND digest = $3 AND state < 3" SQL_LOCK,
		SQL(sql_i(k->scope), sql_b(k->subject, SHA256_LEN), sql_b(digest, SHA256_LEN)), ret,
		e);
}

static enum err_code set_state(struct tx *t, int64_t id, enum charge_state state, struct err *e)
{
	return sql_run(t->db, "UPDATE charge SET state = $1, ended_ms = $2 WHERE id = $3",
		SQL(sql_i(state), sql_i(t->now_ms), sql_i(id)), NULL, e);
}

/* ---- budgets ---- */

/* The job may be gone; its charges are not. */
static enum err_code job_pays(struct tx *t, const struct charge *c, int64_t reserved, int64_t spent,
	int64_t unknown, struct err *e)
{
	return sql_run(t->db,
		"UPDATE job SET reserved = reserved + $1, spent = spent + $2, unknown = unknown + $3"
		" WHERE no = $4",
		SQL(sql_i(reserved), sql_i(spent), sql_i(unknown), sql_i(c->job)), NULL, e);
}

static enum err_code count_unknown(struct tx *t, const struct charge *c, int64_t at_ms, int sign,
	struct err *e)
{
	struct usage_row u = {
		.day = usage_day(at_ms),
		.unknown = sign * c->cost,
		.unknown_calls = sign,
	};

	return usage_add(t, c->tenant, &u, e);
}

static enum err_code count_spent(struct tx *t, const struct charge *c, int64_t cost, struct err *e)
{
	struct usage_row u = {
		.day = usage_day(t->now_ms),
		.paid_calls = 1,
		.spent = cost,
	};

	return usage_add(t, c->tenant, &u, e);
}

enum err_code charges_reserved(struct tx *t, int64_t tenant, int64_t *ret, struct err *e)
{
	*ret = 0;
	return sql_get(t->db, "SELECT sum(cost) FROM charge WHERE state = 0 AND tenant = $1",
		SQL(sql_i(tenant)), ret, e);
}

/* ---- asking ---- */

static void refuse(const struct tx_payer *s, struct op_charge *op)
{
	if (s->unknown && !s->confirmed) {
		op->code = ERR_MATTE_CHARGE_UNKNOWN;
		op->why = "an earlier call for these bytes may have been charged;"
			  " confirm_charge buys it again";
		return;
	}
	op->code = ERR_MATTE_BUDGET;
	op->why = s->month ? "the month's limit leaves too little for another call"
		: s->may   ? "what is left of max_cost does not pay for another call"
			   : "max_cost does not pay for a call";
}

static enum err_code reserve(struct tx *t, const struct tx_task *k, const struct tx_item *it,
	const uint8_t digest[SHA256_LEN], const struct charge *unknown, struct op_charge *op,
	struct err *e)
{
	struct charge c = { .job = it->job->no };
	enum err_code code = OK;

	if (unknown->id)
		code = sql_run(t->db, "UPDATE charge SET state = 3 WHERE id = $1",
			SQL(sql_i(unknown->id)), NULL, e);
	if (code == OK)
		code = sql_get(t->db,
			"INSERT INTO charge (scope, sha256, digest, state, tenant, job, item, task, lease,"
			" cost, before, asked_ms) VALUES ($1, $2, $3, 0, $4, $5, $6, $7, $8, $9, $10, $11)"
			" RETURNING id",
			SQL(sql_i(k->scope), sql_b(k->subject, SHA256_LEN),
				sql_b(digest, SHA256_LEN), sql_i(it->job->tenant),
				sql_i(it->job->no), sql_i(it->n), sql_i(k->id), sql_i(k->lease),
				sql_i(op->cost), sql_i_or_null(unknown->id, unknown->id > 0),
				sql_i(t->now_ms)),
			&c.id, e);
	if (code == OK)
		code = job_pays(t, &c, op->cost, 0, 0, e);
	if (code == OK)
		code = sql_run(t->db, "UPDATE item SET charge = $1 WHERE job = $2 AND n = $3",
			SQL(sql_i(c.id), sql_i(it->job->no), sql_i(it->n)), NULL, e);
	op->answer = (struct charge_answer){ .charge = c.id };
	return code;
}

/* ---- what becomes of an intent ---- */

static enum err_code make_unknown(struct tx *t, const struct charge *c, struct err *e)
{
	enum err_code code = set_state(t, c->id, CHARGE_UNKNOWN, e);

	if (code == OK)
		code = job_pays(t, c, -c->cost, 0, c->cost, e);
	return code == OK ? count_unknown(t, c, t->now_ms, 1, e) : code;
}

/* Whoever asked holds its task still. Not so the one who asks again: it does not know what became
 * of its first call. */
static enum err_code is_under_way(struct tx *t, const struct charge *c, const struct op_charge *op,
	bool *ret, struct err *e)
{
	int64_t one = 0;
	enum err_code code = sql_get(t->db,
		"SELECT 1 FROM task WHERE id = $1 AND lease = $2 AND state = 1",
		SQL(sql_i(c->task), sql_i(c->lease)), &one, e);

	*ret = one == 1 && c->task != op->task;
	return code;
}

/* Answered, or in somebody's hands: *ret_decided. An orphan is unknown from now on. */
static enum err_code meet(struct tx *t, struct charge *c, struct op_charge *op, bool *ret_decided,
	struct err *e)
{
	enum err_code code = OK;

	*ret_decided = c->id && c->state == CHARGE_ANSWERED;
	if (*ret_decided)
		op->answer = (struct charge_answer){
			.charge = c->id,
			.bought = true,
			.blob = arena_strdup(op->arena, c->blob),
			.media_type = arena_strdup(op->arena, c->media_type),
			.cost = c->cost,
		};
	if (!c->id || c->state != CHARGE_ASKED)
		return OK;
	code = is_under_way(t, c, op, ret_decided, e);
	if (code == OK && *ret_decided) {
		op->code = ERR_BUSY;
		op->why = "another task is buying the same";
	} else if (code == OK) {
		code = make_unknown(t, c, e);
	}
	return code;
}

enum err_code op_charge_ask(struct tx *t, void *arg, struct err *e)
{
	struct op_charge *op = arg;
	uint8_t digest[SHA256_LEN];
	struct tx_items l = { 0 };
	struct tx_task *k;
	struct charge c;
	bool decided = false;
	enum err_code code = task_held(t, op->task, op->lease, &k, e);

	op->code = OK;
	cut_charge_digest(t->opts->cuts, digest);
	if (code == OK)
		code = charge_live(t, k, digest, &c, e);
	if (code == OK)
		code = meet(t, &c, op, &decided, e);
	if (code != OK || decided)
		return code;
	code = items_load(t,
		"SELECT " ITEM_COLUMNS " FROM item i WHERE i.cut_task = $1 AND " ITEM_IS_OPEN
		" ORDER BY i.job, i.n",
		SQL(sql_i(k->id)), &l, e);
	if (code == OK && l.n == 0)
		return err_set(e, ERR_STORE_STALE, "task %lld: nobody waits for it",
			(long long)k->id);
	struct tx_payer s = { .cost = op->cost, .unknown = c.id };
	if (code == OK)
		code = payer_find(t, &l, &s, e);
	if (code == OK && s.item)
		return reserve(t, k, s.item, digest, &c, op, e);
	refuse(&s, op);
	return code;
}

/* It never was: what it held is free again, and what it was to replace is unknown as before. */
static enum err_code undo(struct tx *t, const struct charge *c, struct err *e)
{
	enum err_code code = sql_run(t->db,
		"UPDATE item SET charge = NULL WHERE job = $1 AND n = $2 AND charge = $3",
		SQL(sql_i(c->job), sql_i(c->item), sql_i(c->id)), NULL, e);

	if (code == OK)
		code = sql_run(t->db, "DELETE FROM charge WHERE id = $1", SQL(sql_i(c->id)), NULL,
			e);
	if (code == OK && c->before && c->state != CHARGE_SUPERSEDED)
		code = sql_run(t->db, "UPDATE charge SET state = 2 WHERE id = $1 AND state = 3",
			SQL(sql_i(c->before)), NULL, e);
	return code;
}

static bool is_unknown(const struct charge *c)
{
	return c->state == CHARGE_UNKNOWN || c->state == CHARGE_SUPERSEDED;
}

enum err_code op_charge_refused(struct tx *t, void *arg, struct err *e)
{
	struct op_charge *op = arg;
	struct charge c;
	enum err_code code = charge_get(t, op->id, &c, e);
	bool asked = c.state == CHARGE_ASKED;

	if (code != OK || !c.id || (!asked && !is_unknown(&c)))
		return code;
	code = job_pays(t, &c, asked ? -c.cost : 0, 0, asked ? 0 : -c.cost, e);
	if (code == OK && !asked)
		code = count_unknown(t, &c, c.ended_ms, -1, e);
	return code == OK ? undo(t, &c, e) : code;
}

enum err_code op_charge_unknown(struct tx *t, void *arg, struct err *e)
{
	struct op_charge *op = arg;
	struct charge c;
	enum err_code code = charge_get(t, op->id, &c, e);

	return code == OK && c.id && c.state == CHARGE_ASKED ? make_unknown(t, &c, e) : code;
}

static enum err_code pay(struct tx *t, const struct charge *c, int64_t cost, struct err *e)
{
	bool asked = c->state == CHARGE_ASKED;
	enum err_code code = job_pays(t, c, asked ? -c->cost : 0, cost, asked ? 0 : -c->cost, e);

	if (code == OK && !asked)
		code = count_unknown(t, c, c->ended_ms, -1, e);
	return code == OK ? count_spent(t, c, cost, e) : code;
}

/* An answer may come after all where nobody waited for it any more: money that was unknown is then
 * spent. It is kept while the bytes that it belongs to are. */
enum err_code op_charge_bought(struct tx *t, void *arg, struct err *e)
{
	struct op_charge *op = arg;
	struct tx_original o = { 0 };
	struct charge c;
	enum err_code code = charge_get(t, op->id, &c, e);

	if (code != OK)
		return code;
	if (c.id && c.state == CHARGE_ANSWERED && strcmp(c.blob, op->blob) == 0)
		return OK;
	if (!c.id || c.state == CHARGE_ANSWERED || c.state == CHARGE_CLOSED)
		return trash_put(t, op->blob, t->now_ms, e);
	code = pay(t, &c, op->cost, e);
	if (code == OK && c.state != CHARGE_SUPERSEDED)
		code = original_find(t, c.scope, c.sha256, &o, e);
	if (code == OK && !o.id)
		code = trash_put(t, op->blob, t->now_ms, e);
	if (code != OK)
		return code;
	return sql_run(t->db,
		"UPDATE charge SET state = $1, cost = $2, blob = $3, media_type = $4, ended_ms = $5"
		" WHERE id = $6",
		SQL(sql_i(o.id ? CHARGE_ANSWERED : CHARGE_CLOSED), sql_i(op->cost),
			sql_t(o.id ? op->blob : NULL), sql_t(op->media_type), sql_i(t->now_ms),
			sql_i(c.id)),
		NULL, e);
}

/* ---- by themselves ---- */

enum err_code charges_orphaned(struct tx *t, bool *ret_more, struct err *e)
{
	int64_t ids[ORPHANS_MAX] = { 0 };
	size_t n = 0;
	struct sql_rows r = sql_query(t->db,
		"SELECT c.id FROM charge c LEFT JOIN task k"
		" ON k.id = c.task AND k.lease = c.lease AND k.state = 1"
		" WHERE c.state = 0 AND k.id IS NULL LIMIT $1",
		SQL(sql_i(ORPHANS_MAX)), e);

	while (n < ORPHANS_MAX && sql_next(&r))
		ids[n++] = sql_int(&r, 0);
	enum err_code code = sql_end(&r);
	for (size_t i = 0; code == OK && i < n; i++)
		code = op_charge_unknown(t, &(struct op_charge){ .id = ids[i] }, e);
	*ret_more = n == ORPHANS_MAX;
	return code;
}

enum err_code charge_is_asked(struct tx *t, int64_t task, bool *ret, struct err *e)
{
	int64_t one = 0;
	enum err_code code = sql_get(t->db, "SELECT 1 FROM charge WHERE task = $1 AND state = 0",
		SQL(sql_i(task)), &one, e);

	*ret = one == 1;
	return code;
}

enum err_code charge_is_bought(struct tx *t, int64_t scope, const uint8_t sha256[SHA256_LEN],
	bool *ret, struct err *e)
{
	uint8_t digest[SHA256_LEN];
	int64_t one = 0;

	cut_charge_digest(t->opts->cuts, digest);
	enum err_code code = sql_get(t->db,
		"SELECT 1 FROM charge WHERE scope = $1 AND sha256 = $2 AND digest = $3"
		" AND state < 3 AND state = 1",
		SQL(sql_i(scope), sql_b(sha256, SHA256_LEN), sql_b(digest, SHA256_LEN)), &one, e);
	*ret = one == 1;
	return code;
}

enum err_code charges_forget(struct tx *t, int64_t original, struct err *e)
{
	struct charge c;
	enum err_code code;

	do {
		code = load(t,
			"SELECT " CHARGE_COLUMNS
			" FROM charge WHERE state < 3 AND state = 1 AND (scope, sha256) ="
			" (SELECT o.scope, o.sha256 FROM original o WHERE o.id = $1) LIMIT 1",
			SQL(sql_i(original)), &c, e);
		if (code != OK || !c.id)
			return code;
		code = sql_run(t->db, "UPDATE charge SET state = 4, blob = NULL WHERE id = $1",
			SQL(sql_i(c.id)), NULL, e);
		if (code == OK)
			code = trash_put(t, c.blob, t->now_ms, e);
	} while (code == OK);
	return code;
}

enum err_code charge_last(struct tx *t, int64_t *ret, struct err *e)
{
	*ret = 0;
	return sql_get(t->db, "SELECT max(id) FROM charge", SQL_NONE, ret, e);
}
