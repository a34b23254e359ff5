/* SPDX-License-Identifier: MIT
 *
 * Lending ready tasks, in the order of their turns. Hosts that have enough going on are passed over
 * without losing their place, and so are those of which nobody knows whether they answer, where that
 * would take the last idle lanes. Tasks that nobody waits for any more are dropped on the way and take
 * no place: a canceled job must not keep idle lanes from the next one.
 */
#include "store/operations.h"

#include <string.h>

#define PAGE_MIN 32 /* ready tasks that are looked at in one go, and, with PostgreSQL, locked: */
#define PAGE_MAX 500
#define TOGETHER 16 /* tasks whose items are asked for at once */

struct candidate {
	struct task task;
	const char *host;
};
struct candidates {
	struct candidate *v;
	size_t n;
	int64_t *unwanted;
	size_t unwanted_n, cuts;
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

#define READY_COLUMNS                                                                              \
	"SELECT id, host, kind, turn, lease, scope, input, tries, crashes, lost" SQL_PG(           \
		", EXISTS (SELECT 1 FROM item i WHERE i.task = task.id)"                           \
		" OR EXISTS (SELECT 1 FROM item i WHERE i.cut_task = task.id)") " FROM task"
#define AFTER " AND (turn, id) > ($1, $2) ORDER BY turn, id LIMIT $3" SQL_LOCK_ANY

struct place {
	int64_t turn, id;
};

/* Cuts may be many, and their places few: without them an index of its own is read. */
static struct sql_rows ready_query(struct tx *t, const struct claim *claim,
	const struct place *after, size_t page, struct err *e)
{
	if (claim->only_cuts)
		return sql_query(t->db, READY_COLUMNS " WHERE state = 0 AND kind = 2" AFTER,
			SQL(sql_i(after->turn), sql_i(after->id), sql_i((int64_t)page)), e);
	if (claim->no_cuts)
		return sql_query(t->db, READY_COLUMNS " WHERE state = 0 AND kind < 2" AFTER,
			SQL(sql_i(after->turn), sql_i(after->id), sql_i((int64_t)page)), e);
	return sql_query(t->db, READY_COLUMNS " WHERE state = 0" AFTER,
		SQL(sql_i(after->turn), sql_i(after->id), sql_i((int64_t)page)), e);
}

/* What many read at once has it in the row; that it is not, only its lock makes sure. */
static enum err_code is_wanted(struct tx *t, struct sql_rows *r, bool *ret, struct err *e)
{
	*ret = t->db->locks && sql_int(r, 10) != 0;
	return *ret ? OK : task_is_wanted(t, sql_int(r, 0), ret, e);
}

static struct candidate candidate_of(struct tx *t, struct sql_rows *r)
{
	return (struct candidate){
		.task = {
			.id = sql_int(r, 0),
			.kind = (enum task_kind)sql_int(r, 2),
			.lease = sql_int(r, 4) + 1,
			.scope = sql_int(r, 5),
			.input = arena_strdup(t->arena, sql_text(r, 6)),
			.tries = (int)sql_int(r, 7),
			.crashes = (int)sql_int(r, 8),
			.lost = (int)sql_int(r, 9),
		},
		.host = arena_strdup(t->arena, sql_text(r, 1)),
	};
}

/* *ret_more: the page was full, and there is room for more. */
static enum err_code find_page(struct tx *t, const struct claim *claim, struct place *after,
	struct candidates *ret, bool *ret_more, struct err *e)
{
	size_t page = claim->max < PAGE_MIN ? PAGE_MIN : claim->max, seen = 0;

	if (page > PAGE_MAX)
		page = PAGE_MAX;
	struct sql_rows r = ready_query(t, claim, after, page, e);
	while (ret->n < claim->max && ret->unwanted_n < PASS_ROWS && sql_next(&r)) {
		const char *host = sql_text(&r, 1);
		bool wanted = false, is_cut = sql_int(&r, 2) == TASK_CUT;
		*after = (struct place){ sql_int(&r, 3), sql_int(&r, 0) };
		seen++;
		if (!may_take(claim, ret, host) ||
			(is_cut && claim->max_cuts && ret->cuts == claim->max_cuts))
			continue;
		r.code = is_wanted(t, &r, &wanted, e);
		if (r.code == OK && !wanted)
			ret->unwanted[ret->unwanted_n++] = after->id;
		if (r.code != OK || !wanted)
			continue;
		ret->cuts += is_cut;
		ret->v[ret->n++] = candidate_of(t, &r);
	}
	*ret_more = seen == page && ret->n < claim->max && ret->unwanted_n < PASS_ROWS;
	return sql_end(&r);
}

static enum err_code find_ready(struct tx *t, const struct claim *claim, struct candidates *ret,
	struct err *e)
{
	struct place after = { INT64_MIN, 0 };
	enum err_code code = OK;
	bool more = true;

	*ret = (struct candidates){
		.v = arena_alloc(t->arena, claim->max * sizeof *ret->v),
		.unwanted = arena_alloc(t->arena, PASS_ROWS * sizeof *ret->unwanted),
	};
	while (code == OK && more)
		code = find_page(t, claim, &after, ret, &more, e);
	return code;
}

static enum err_code drop_unwanted(struct tx *t, const struct candidates *c, struct err *e)
{
	enum err_code code = OK;

	for (size_t i = 0; code == OK && i < c->unwanted_n; i++)
		code = task_delete(t, c->unwanted[i], e);
	t->work |= c->unwanted_n == PASS_ROWS;
	return code;
}

/* As many placeholders as TOGETHER says; 0 is no task. */
#define THESE " IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
#define AFTER_THE_FIRST                                                                            \
	" IN ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
#define WAIT  " AND " ITEM_IS_OPEN " AND i.started = 0"
#define LOAD  "SELECT " ITEM_COLUMNS " FROM item i WHERE "
#define START "UPDATE item AS i SET started = 1, started_ms = $1 WHERE "

/* tasks: TOGETHER of them. */
static enum err_code load_items(struct tx *t, const struct sql_value *tasks, bool cuts,
	struct tx_items *ret, struct err *e)
{
	if (cuts)
		return items_load(t, LOAD "i.cut_task" THESE WAIT " ORDER BY i.job, i.n", tasks,
			TOGETHER, ret, e);
	return items_load(t, LOAD "i.task" THESE WAIT " ORDER BY i.job, i.n", tasks, TOGETHER, ret,
		e);
}

/* All their rows by one statement; v: the time, and TOGETHER tasks. */
static enum err_code start_rows(struct tx *t, const struct sql_value *v, bool cuts, size_t rows,
	struct err *e)
{
	if (cuts)
		return sql_must(t->db, START "i.cut_task" AFTER_THE_FIRST WAIT, v, TOGETHER + 1,
			(int64_t)rows, e);
	return sql_must(t->db, START "i.task" AFTER_THE_FIRST WAIT, v, TOGETHER + 1, (int64_t)rows,
		e);
}

/* All items of up to TOGETHER tasks of one kind or the other. */
static enum err_code start_items(struct tx *t, const struct candidate *c, size_t n, bool cuts,
	struct err *e)
{
	struct sql_value v[1 + TOGETHER] = { sql_i(t->now_ms) };
	struct tx_items l = { 0 };
	bool any = false, fetches = false;

	for (size_t i = 0; i < TOGETHER; i++) {
		bool is = i < n && (c[i].task.kind == TASK_CUT) == cuts;
		any |= is;
		fetches |= is && c[i].task.kind == TASK_FETCH;
		v[1 + i] = sql_i(is ? c[i].task.id : 0);
	}
	if (!any)
		return OK;
	enum err_code code = load_items(t, v + 1, cuts, &l, e);
	if (code == OK && l.n > 0)
		code = start_rows(t, v, cuts, l.n, e);
	for (size_t i = 0; code == OK && i < l.n; i++) {
		l.v[i].step = STEP_PROCESSING;
		for (size_t k = 0; fetches && k < n; k++)
			if (c[k].task.id == l.v[i].task && c[k].task.kind == TASK_FETCH)
				l.v[i].step = STEP_DOWNLOADING;
		code = item_started(t, &l.v[i], e);
	}
	return code;
}

/* Up to TOGETHER of them. */
static enum err_code lend(struct tx *t, const struct claim *claim, const struct candidate *c,
	size_t n, struct err *e)
{
	struct sql_value v[2 + TOGETHER] = {
		sql_t(claim->owner),
		sql_i(t->now_ms + claim->lease_ms),
	};

	for (size_t i = 0; i < TOGETHER; i++)
		v[2 + i] = sql_i(i < n ? c[i].task.id : 0);
	return sql_run(t->db,
		"UPDATE task SET state = 1, lease = lease + 1, owner = $1, until_ms = $2,"
		" step = CASE WHEN kind = 0 THEN 1 ELSE 2 END WHERE id IN ($3, $4, $5, $6, $7, $8,"
		" $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
		v, ARRAY_LEN(v), NULL, e);
}

static void answer(struct op_claim *op, const struct candidates *c)
{
	for (op->n = 0; op->n < c->n; op->n++) {
		struct task *to = &op->tasks[op->n];
		*to = c->v[op->n].task;
		to->host = arena_strdup(op->arena, c->v[op->n].host);
		to->input = arena_strdup(op->arena, to->input);
	}
}

/* Where others write, too: the jobs of what is first in line, in their order, before any task is locked.
 * Most claims then need no other. */
static enum err_code lock_first_jobs(struct tx *t, const struct claim *claim, struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT DISTINCT i.job FROM (SELECT id FROM task WHERE state = 0"
		" ORDER BY turn, id LIMIT $1) k"
		" JOIN item i ON i.task = k.id OR i.cut_task = k.id ORDER BY i.job",
		SQL(sql_i((int64_t)claim->max)), e);

	while (sql_next(&r)) {
		struct tx_job *j;
		r.code = tx_job_get(t, sql_int(&r, 0), &j, e);
		if (r.code == ERR_NOT_FOUND)
			r.code = OK;
	}
	return sql_end(&r);
}

enum err_code op_claim(struct tx *t, void *arg, struct err *e)
{
	struct op_claim *op = arg;
	struct candidates c;

	op->n = 0;
	op->tasks = arena_alloc(op->arena, op->claim->max * sizeof *op->tasks);
	enum err_code code = t->db->locks ? lock_first_jobs(t, op->claim, e) : OK;
	if (code == OK)
		code = find_ready(t, op->claim, &c, e);
	if (code == OK)
		code = drop_unwanted(t, &c, e);
	if (code == OK)
		answer(op, &c);
	for (size_t i = 0; code == OK && i < c.n; i += TOGETHER) {
		size_t n = c.n - i < TOGETHER ? c.n - i : TOGETHER;
		code = lend(t, op->claim, &c.v[i], n, e);
		if (code == OK)
			code = start_items(t, &c.v[i], n, false, e);
		if (code == OK)
			code = start_items(t, &c.v[i], n, true, e);
	}
	return code;
}
