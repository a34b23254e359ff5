/* SPDX-License-Identifier: MIT
 *
 * What the operations of one commit share, where each statement costs a round trip: the jobs that they
 * hold, as the operations before left them, and what they are to say. A job's row is then written once
 * a commit and not once an operation, and so are events, many in one statement.
 *
 * Only operations that meet jobs through tx_job_get alone may share. All others find every row written,
 * and what they change is read again.
 */
#include "store/operations.h"

#include <string.h>

#define EVENTS 8 /* in one statement */

void batch_init(struct tx_batch *b)
{
	*b = (struct tx_batch){ .arena = arena_new() };
}

void batch_done(struct tx_batch *b)
{
	tx_settings_free(b->settings);
	arena_free(b->arena);
	*b = (struct tx_batch){ 0 };
}

bool batch_shares(tx_fn fn)
{
	static const tx_fn sharing[] = { op_claim, op_later, op_fail, op_finish_fetch,
		op_finish_make, op_finish_cut };

	for (size_t i = 0; i < ARRAY_LEN(sharing); i++)
		if (sharing[i] == fn)
			return true;
	return false;
}

int64_t batch_task(tx_fn fn, const void *arg)
{
	return batch_shares(fn) && fn != op_claim ? ((const struct op_end *)arg)->id : 0;
}

struct tx_job *batch_job(struct tx_batch *b, int64_t no)
{
	struct tx_job *j = b->jobs;

	while (j && j->no != no)
		j = j->next;
	return j;
}

/* Texts of an operation do not outlive it. */
static void keep_job(struct tx_batch *b, const struct tx_job *from)
{
	struct tx_job *to = batch_job(b, from->no);
	bool dirty = from->dirty || (to && to->dirty);

	if (!to) {
		to = arena_alloc(b->arena, sizeof *to);
		to->next = b->jobs;
		b->jobs = to;
	}
	struct tx_job *next = to->next;
	*to = *from;
	to->next = next;
	to->dirty = dirty;
	to->id = NULL;
	to->seq_before = to->seq;
}

void batch_take(struct tx_batch *b, struct tx *t)
{
	for (const struct tx_job *j = t->jobs; j; j = j->next)
		keep_job(b, j);
	if (!t->events)
		return;
	struct tx_event *last = t->events;
	while (last->next)
		last = last->next;
	last->next = b->events;
	b->events = TAKE(&t->events);
}

#define INSERT                "INSERT INTO event (job, seq, type, item, at_ms, data) VALUES "
#define ROW(a, b, c, d, e, f) "($" #a ", $" #b ", $" #c ", $" #d ", $" #e ", $" #f ")"

static enum err_code write_events(struct sql *db, const struct sql_value *v, size_t n,
	struct err *e)
{
	enum err_code code = OK;

	if (n == EVENTS)
		return sql_run(db,
			INSERT ROW(1, 2, 3, 4, 5, 6) ", " ROW(7, 8, 9, 10, 11, 12) ", " ROW(13, 14,
				15, 16, 17, 18) ", " ROW(19, 20, 21, 22, 23, 24) ", " ROW(25, 26,
				27, 28, 29, 30) ", " ROW(31, 32, 33, 34, 35, 36) ", " ROW(37, 38,
				39, 40, 41, 42) ", " ROW(43, 44, 45, 46, 47, 48),
			v, 6 * n, NULL, e);
	for (size_t i = 0; code == OK && i < n; i++)
		code = sql_run(db, INSERT ROW(1, 2, 3, 4, 5, 6), v + 6 * i, 6, NULL, e);
	return code;
}

static enum err_code write_all_events(struct tx_batch *b, struct sql *db, struct err *e)
{
	struct sql_value v[6 * EVENTS];
	enum err_code code = OK;
	size_t n = 0;

	for (const struct tx_event *x = b->events; code == OK && x; x = x->next) {
		const struct sql_value row[] = { sql_i(x->job), sql_i(x->seq), sql_i(x->type),
			sql_i_or_null(x->item, x->item > 0), sql_i(x->at_ms), sql_t(x->data) };
		memcpy(v + 6 * n++, row, sizeof row);
		if (n == EVENTS || !x->next) {
			code = write_events(db, v, n, e);
			n = 0;
		}
	}
	b->events = NULL;
	return code;
}

enum err_code batch_write(struct tx_batch *b, struct sql *db, struct err *e)
{
	enum err_code code = write_all_events(b, db, e);

	for (struct tx_job *j = b->jobs; code == OK && j; j = j->next) {
		if (j->dirty)
			code = job_write(db, j, e);
		j->dirty = false;
	}
	b->jobs = NULL;
	return code;
}
