/* SPDX-License-Identifier: MIT
 *
 * Lending ready tasks, in the order of their turns. Hosts that have enough going on are passed over
 * without losing their place, and so are those of which nobody knows whether they answer, where that
 * would take the last idle lanes. Tasks that nobody waits for any more are dropped on the way and take
 * no place: a canceled job must not keep idle lanes from the next one.
 */
#include "store/tx.h"

#include <string.h>

struct candidate {
	int64_t id;
	const char *host;
};
struct candidates {
	struct candidate *v;
	size_t n;
	int64_t *unwanted;
	size_t unwanted_n;
};

static size_t of_host(const struct candidates *c, const char *host)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += c->v[i].host && strcmp(c->v[i].host, host) == 0;
	return n;
}

static bool is_one_of(const char *const *hosts, size_t n, const char *host)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(hosts[i], host) == 0)
			return true;
	return false;
}

/* Lanes that are left for others, were `host`, which has n, to get one. */
static bool leaves_spare(const struct claim *claim, const struct candidates *c, const char *host,
	size_t n)
{
	size_t left = claim->max - c->n, least = n > 0 ? claim->spare : claim->spare / 4;

	return left > least || claim->spare == 0 ||
		is_one_of(claim->good_hosts, claim->good_hosts_n, host);
}

static bool may_take(const struct claim *claim, const struct candidates *c, const char *host)
{
	if (!host)
		return true;
	if (is_one_of(claim->full_hosts, claim->full_hosts_n, host))
		return false;
	size_t n = of_host(c, host);
	for (size_t i = 0; i < claim->at_hosts_n; i++)
		n += strcmp(claim->at_hosts[i], host) == 0;
	return (claim->per_host == 0 || n < claim->per_host) && leaves_spare(claim, c, host, n);
}

/* Cuts may be many, and their places few: without them an index of its own is read. */
static struct sql_rows ready_query(struct tx *t, const struct claim *claim, struct err *e)
{
	if (claim->no_cuts)
		return sql_query(t->db,
			"SELECT id, host, kind FROM task WHERE state = 0 AND kind < 2 ORDER BY turn, id",
			SQL_NONE, e);
	return sql_query(t->db, "SELECT id, host, kind FROM task WHERE state = 0 ORDER BY turn, id",
		SQL_NONE, e);
}

static enum err_code find_ready(struct tx *t, const struct claim *claim, struct candidates *ret,
	struct err *e)
{
	struct sql_rows r = ready_query(t, claim, e);
	size_t cuts = 0;

	*ret = (struct candidates){
		.v = arena_alloc(t->arena, claim->max * sizeof *ret->v),
		.unwanted = arena_alloc(t->arena, PASS_ROWS * sizeof *ret->unwanted),
	};
	while (ret->n < claim->max && ret->unwanted_n < PASS_ROWS && sql_next(&r)) {
		const char *host = sql_text(&r, 1);
		int64_t id = sql_int(&r, 0);
		bool wanted = false;
		bool is_cut = sql_int(&r, 2) == TASK_CUT;
		if (!may_take(claim, ret, host) ||
			(is_cut && claim->max_cuts && cuts == claim->max_cuts))
			continue;
		r.code = task_is_wanted(t, id, &wanted, e);
		if (r.code == OK && !wanted)
			ret->unwanted[ret->unwanted_n++] = id;
		if (r.code != OK || !wanted)
			continue;
		cuts += is_cut;
		ret->v[ret->n++] = (struct candidate){
			.id = id,
			.host = arena_strdup(t->arena, host),
		};
	}
	return sql_end(&r);
}

static enum err_code drop_unwanted(struct tx *t, const struct candidates *c, struct err *e)
{
	enum err_code code = OK;

	for (size_t i = 0; code == OK && i < c->unwanted_n; i++)
		code = task_delete(t, c->unwanted[i], e);
	t->work |= c->unwanted_n == PASS_ROWS;
	return code;
}

static enum err_code start_items(struct tx *t, const struct tx_task *k, struct err *e)
{
	struct tx_items l = { 0 };
	enum err_code code = k->kind == TASK_CUT
		? items_load(t,
			  "SELECT " ITEM_COLUMNS
			  " FROM item i WHERE i.cut_task = $1 AND i.state = 1"
			  " AND i.started = 0 ORDER BY i.job, i.n",
			  SQL(sql_i(k->id)), &l, e)
		: items_load(t,
			  "SELECT " ITEM_COLUMNS " FROM item i WHERE i.task = $1 AND i.state = 1"
			  " AND i.started = 0 ORDER BY i.job, i.n",
			  SQL(sql_i(k->id)), &l, e);

	for (size_t i = 0; code == OK && i < l.n; i++) {
		l.v[i].step = k->kind == TASK_FETCH ? STEP_DOWNLOADING : STEP_PROCESSING;
		code = item_start(t, &l.v[i], e);
	}
	return code;
}

static enum err_code lend(struct tx *t, struct op_claim *op, const struct candidate *c,
	struct err *e)
{
	struct tx_task *k = NULL;
	enum err_code code = sql_run(t->db,
		"UPDATE task SET state = 1, lease = lease + 1, owner = $1, until_ms = $2,"
		" step = CASE WHEN kind = 0 THEN 1 ELSE 2 END WHERE id = $3",
		SQL(sql_t(op->claim->owner), sql_i(t->now_ms + op->claim->lease_ms), sql_i(c->id)),
		NULL, e);

	if (code == OK)
		code = task_find(t, c->id, &k, e);
	if (code == OK)
		code = start_items(t, k, e);
	if (code != OK)
		return code;
	op->tasks[op->n++] = (struct task){
		.id = k->id,
		.lease = k->lease,
		.scope = k->scope,
		.kind = k->kind,
		.host = arena_strdup(op->arena, c->host),
		.input = arena_strdup(op->arena, k->input),
		.tries = k->tries,
		.crashes = k->crashes,
		.lost = k->lost,
	};
	return OK;
}

enum err_code op_claim(struct tx *t, void *arg, struct err *e)
{
	struct op_claim *op = arg;
	struct candidates c;

	op->n = 0;
	op->tasks = arena_alloc(op->arena, op->claim->max * sizeof *op->tasks);
	enum err_code code = find_ready(t, op->claim, &c, e);
	if (code == OK)
		code = drop_unwanted(t, &c, e);
	for (size_t i = 0; code == OK && i < c.n; i++)
		code = lend(t, op, &c.v[i], e);
	return code;
}
