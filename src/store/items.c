/* SPDX-License-Identifier: MIT
 *
 * Items as a transaction moves them. Every change of an item's row goes through item_save, which
 * asks the row whether it still is what was read, and which alone moves the job's counts: so a
 * count can never disagree with the rows, and an item cannot end twice in a run.
 */
#include "store/tx.h"

#include <assert.h>
#include <string.h>

/* Jobs are filled in afterwards, when the statement has ended: `original` holds nothing yet. */
static void item_from_row(struct tx *t, struct sql_rows *r, struct tx_item *it)
{
	*it = (struct tx_item){
		.n = sql_int(r, 1),
		.url = arena_strdup(t->arena, sql_text(r, 2)),
		.extra = arena_strdup(t->arena, sql_text(r, 4)),
		.state = (enum item_state)sql_int(r, 5),
		.run = (int)sql_int(r, 6),
		.started = sql_int(r, 7) != 0,
		.task = sql_int(r, 8),
		.cache = sql_is_null(r, 9) ? -1 : (int)sql_int(r, 9),
		.original = sql_int(r, 10),
		.results = arena_strdup(t->arena, sql_text(r, 11)),
		.outcome = arena_strdup(t->arena, sql_text(r, 12)),
		.tries = (int)sql_int(r, 13),
		.made = (int)sql_int(r, 14),
		.planned_ms = sql_int(r, 15),
		.started_ms = sql_int(r, 16),
		.cut_state = (enum cut_state)sql_int(r, 17),
		.cut_task = sql_int(r, 18),
		.cut = sql_int(r, 19),
		.cut_reason = (enum cut_reason)sql_int(r, 20),
		.cut_outcome = arena_strdup(t->arena, sql_text(r, 21)),
		.charge = sql_int(r, 22),
	};
	it->was = it->state;
	it->cut_was = it->cut_state;

	sql_bytes(r, 3, it->source_key, SHA256_LEN);
}

/* *ret_again: some jobs were not ours when the rows were read. */
static enum err_code load_once(struct tx *t, const char *text, const struct sql_value *v, size_t n,
	struct tx_items *ret, bool *ret_again, struct err *e)
{
	struct sql_rows r = sql_query(t->db, text, v, n, e);
	struct tx_items l = { 0 };
	int64_t *jobs = NULL;
	size_t room = 0;

	while (sql_next(&r)) {
		if (l.n == room) {
			room = room ? room * 2 : 16;
			l.v = mem_realloc(l.v, room, sizeof *l.v);
			jobs = mem_realloc(jobs, room, sizeof *jobs);
		}
		jobs[l.n] = sql_int(&r, 0);
		item_from_row(t, &r, &l.v[l.n++]);
	}
	enum err_code code = sql_end(&r);
	size_t held = t->db->locks ? t->db->locks->n : 0;
	*ret_again = false;
	for (size_t i = 0; code == OK && i < l.n; i++) {
		code = tx_job_get(t, jobs[i], &l.v[i].job, e);
		if (code == ERR_NOT_FOUND && t->db->locks) { /* deleted since */
			*ret_again = true;
			code = OK;
		}
	}
	*ret_again |= t->db->locks && t->db->locks->n > held;
	if (code == OK && l.n > 0) {
		ret->v = arena_alloc(t->arena, l.n * sizeof *l.v);
		memcpy(ret->v, l.v, l.n * sizeof *l.v);
	}
	if (code == OK)
		ret->n = l.n;
	free(jobs);
	free(l.v);
	return code;
}

enum err_code items_load(struct tx *t, const char *text, const struct sql_value *v, size_t n,
	struct tx_items *ret, struct err *e)
{
	bool again = true;
	enum err_code code = OK;

	while (code == OK && again)
		code = load_once(t, text, v, n, ret, &again, e);
	return code;
}

static int64_t *count_of(struct tx_job *j, enum item_state s, bool started)
{
	switch (s) {
	case ITEM_FRESH:
		return &j->fresh;
	case ITEM_OPEN:
		return started ? &j->running : &j->waiting;
	case ITEM_SUCCEEDED:
		return &j->succeeded;
	case ITEM_FAILED:
		return &j->failed;
	default:
		return &j->canceled;
	}
}

/* Counts follow the row: `started` only moves from false to true within a run, and item_start says
 * so itself. */
static void move_count(struct tx_item *it)
{
	if (it->was == it->state)
		return;
	--*count_of(it->job, it->was, it->started);
	++*count_of(it->job, it->state, it->started);
	it->job->dirty = true;
}

/* What the row knows of its cut-out; most items have none. */
static enum err_code cut_save(struct tx *t, struct tx_item *it, struct err *e)
{
	enum err_code code = sql_run(t->db,
		"UPDATE item SET cut_state = $1, cut_task = $2, cut = $3, cut_reason = $4,"
		" cut_outcome = $5 WHERE job = $6 AND n = $7",
		SQL(sql_i(it->cut_state), sql_i_or_null(it->cut_task, it->cut_task > 0),
			sql_i_or_null(it->cut, it->cut > 0), sql_i(it->cut_reason),
			sql_t(it->cut_outcome), sql_i(it->job->no), sql_i(it->n)),
		NULL, e);

	if (it->cut_was != it->cut_state) {
		it->job->cuts[it->cut_was]--;
		it->job->cuts[it->cut_state]++;
		it->job->dirty = true;
		it->cut_was = it->cut_state;
	}
	return code;
}

enum err_code item_save(struct tx *t, struct tx_item *it, bool *ret_won, struct err *e)
{
	enum err_code code = sql_guard(t->db,
		"UPDATE item SET state = $1, started = $2, task = $3, cache = $4, original = $5,"
		" results = $6, outcome = $7, tries = $8, made = $9, planned_ms = $10, started_ms = $11"
		" WHERE job = $12 AND n = $13 AND state = $14 AND run = $15",
		SQL(sql_i(it->state), sql_i(it->started), sql_i_or_null(it->task, it->task > 0),
			sql_i_or_null(it->cache, it->cache >= 0),
			sql_i_or_null(it->original, it->original > 0), sql_t(it->results),
			sql_t(it->outcome), sql_i(it->tries), sql_i(it->made),
			sql_i_or_null(it->planned_ms, it->planned_ms > 0),
			sql_i_or_null(it->started_ms, it->started_ms > 0), sql_i(it->job->no),
			sql_i(it->n), sql_i(it->was), sql_i(it->run)),
		ret_won, e);

	if (code != OK)
		return code;
	if (*ret_won)
		move_count(it);
	it->was = it->state;
	return *ret_won && it->cut_state != CUT_OFF ? cut_save(t, it, e) : OK;
}

enum err_code item_start(struct tx *t, struct tx_item *it, struct err *e)
{
	bool won = false;

	assert(it->state == ITEM_OPEN && it->was == ITEM_OPEN);
	if (it->started)
		return OK;
	it->started = true;
	it->started_ms = t->now_ms;
	enum err_code code = item_save(t, it, &won, e);
	return code == OK && won ? item_started(t, it, e) : code;
}

enum err_code item_started(struct tx *t, struct tx_item *it, struct err *e)
{
	it->started = true;
	it->started_ms = t->now_ms;
	it->job->waiting--;
	it->job->running++;
	it->job->dirty = true;
	return event_item(t, it, EVENT_ITEM_STARTED, e);
}

enum err_code item_progress(struct tx *t, struct tx_item *it, struct err *e)
{
	it->task = 0;
	it->step = STEP_PROCESSING;
	enum err_code code = item_wait(t, it, true, e);
	return code == OK ? event_item(t, it, EVENT_ITEM_PROGRESS, e) : code;
}

enum err_code item_wait(struct tx *t, struct tx_item *it, bool running, struct err *e)
{
	bool won = false;

	it->state = ITEM_OPEN;
	if (!it->planned_ms)
		it->planned_ms = t->now_ms;
	enum err_code code = item_save(t, it, &won, e);
	if (code == OK && won && running)
		code = item_start(t, it, e);
	return code;
}

static bool was_cached(const struct tx_item *it)
{
	return it->original && it->cache > CACHE_MISS;
}

/* What the item's end adds to its job beside the count of its state. */
static enum err_code tally(struct tx *t, struct tx_item *it, const struct outcome *o, struct err *e)
{
	struct tx_job *j = it->job;
	struct usage_row *u = usage_of(t, j->tenant);
	int cache = it->original && it->cache >= 0 ? it->cache : CACHE_COALESCED + 1;

	t->tally.items[it->state][cache]++;
	u->items += it->state != ITEM_CANCELED;
	if (it->state == ITEM_FAILED)
		t->tally.errors[o->code]++;
	if (was_cached(it)) {
		j->cached++;
		j->savings.downloads++;
		t->tally.saved.downloads++;
		u->saved.downloads++;
	}
	if (it->state != ITEM_SUCCEEDED)
		return OK;
	struct tx_recipe r;
	enum err_code code = tx_recipe(t, it, &r, e);
	if (code != OK)
		return code;
	int64_t saved = (int64_t)r.n - it->made;
	if (saved > 0) {
		j->savings.encodes += saved;
		t->tally.saved.encodes += saved;
		u->saved.encodes += saved;
	}
	return OK;
}

static enum event_type end_event(enum item_state s)
{
	if (s == ITEM_SUCCEEDED)
		return EVENT_ITEM_SUCCEEDED;
	return s == ITEM_FAILED ? EVENT_ITEM_FAILED : EVENT_ITEM_CANCELED;
}

const char *outcome_text(struct tx *t, const struct outcome *o)
{
	autojson *j = outcome_json(o);
	autofree char *text = json_text(j);

	return arena_strdup(t->arena, text);
}

enum err_code item_end(struct tx *t, struct tx_item *it, enum item_state state,
	const struct outcome *o, struct err *e)
{
	bool won = false;

	it->state = state;
	it->task = it->cut_task = 0;
	it->outcome = outcome_text(t, o);
	enum err_code code = item_save(t, it, &won, e);
	if (code == OK && won)
		code = tally(t, it, o, e);
	if (code == OK && won)
		code = event_item(t, it, end_event(state), e);
	if (code == OK && won)
		code = job_end_if_done(t, it->job, e);
	return code;
}

static enum err_code open_rows(struct tx *t, const struct tx_job *j, int64_t started, int64_t *ret,
	struct err *e)
{
	return sql_get(t->db,
		"SELECT count(*) FROM item i WHERE i.job = $1 AND i.state = 1 AND i.started = $2",
		SQL(sql_i(j->no), sql_i(started)), ret, e);
}

enum err_code job_lose_items(struct tx *t, struct tx_job *j, enum item_state as, struct err *e)
{
	int64_t waiting = 0, running = 0;
	enum err_code code = open_rows(t, j, 0, &waiting, e);

	if (code == OK)
		code = open_rows(t, j, 1, &running, e);
	int64_t lost = j->fresh + j->waiting - waiting + j->running - running;
	if (code != OK || lost <= 0)
		return code;
	j->fresh = 0;
	j->waiting = waiting;
	j->running = running;
	*count_of(j, as, false) += lost;
	j->lost += lost;
	j->dirty = true;
	t->tally.items[as][CACHE_COALESCED + 1] += lost;
	if (as == ITEM_FAILED)
		t->tally.errors[ERR_WORK_LOST] += lost;
	code = tx_job_public_id(t, j, e);
	return code == OK ? job_end_if_done(t, j, e) : code;
}

static enum job_state end_state(const struct tx_job *j)
{
	if (j->canceled > 0)
		return JOB_CANCELED;
	if (j->succeeded == 0)
		return JOB_FAILED;
	return j->failed > 0 || j->cuts[CUT_FAILED] > 0 ? JOB_PARTIAL : JOB_SUCCEEDED;
}

/* A job may have taken longer than jobs are kept: who waited for its end has time to read it. */
static void expire_later(const struct tx *t, struct tx_job *j)
{
	int64_t least = t->now_ms + t->opts->keep_ms / 10;

	if (j->expires_ms < least)
		j->expires_ms = least;
}

enum err_code job_end_if_done(struct tx *t, struct tx_job *j, struct err *e)
{
	static const enum event_type type[] = {
		[JOB_SUCCEEDED] = EVENT_JOB_SUCCEEDED,
		[JOB_PARTIAL] = EVENT_JOB_PARTIAL,
		[JOB_FAILED] = EVENT_JOB_FAILED,
		[JOB_CANCELED] = EVENT_JOB_CANCELED,
	};

	if (j->hidden || j->retrying || job_has_ended(j->state) ||
		j->fresh + j->waiting + j->running > 0)
		return OK;
	j->state = end_state(j);
	j->ended_ms = t->now_ms;
	expire_later(t, j);
	t->tally.jobs[j->state]++;
	enum err_code code = event_job(t, j, type[j->state], NULL, e);
	return code == OK ? manifest_ended(t, j, e) : code;
}
