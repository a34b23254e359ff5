/* SPDX-License-Identifier: MIT
 *
 * Jobs as a transaction holds them. Sequence numbers and counts of a job live in one row; reading
 * it once and writing it once an operation keeps the log gap-free and the commit small, however
 * many items the operation moved.
 */
#include "store/tx.h"

#include "base/clock.h"
#include "base/metrics.h"

#include <assert.h>
#include <string.h>

void tx_init(struct tx *t, struct sql *db, const struct store_opts *o)
{
	*t = (struct tx){ .db = db, .opts = o, .arena = arena_new() };
	t->now_ms = o->clock_ms ? o->clock_ms() : clock_wall_ms();
}

void tx_done(struct tx *t)
{
	tx_settings_free(t->settings);
	usage_done(&t->usage);
	arena_free(t->arena);
	free(t->news);
	*t = (struct tx){ 0 };
}

#define JOB_COLUMNS                                                                                \
	"no, tenant, seq, state, run, hidden, cancel, retrying, keep_source, total, duplicates,"   \
	" fresh, waiting, running, succeeded, failed, canceled, cached, weight, turn,"             \
	" saved_downloads, saved_encodes, saved_paid, ended_ms, expires_ms, progress_ms,"          \
	" progress_hash, cuts_succeeded, cuts_failed, cuts_none, confirm, confirm_all"

/* Put in front of a list. */
static struct tx_job *job_from_row(struct arena *a, struct tx_job **list, struct sql_rows *r)
{
	struct tx_job *j = arena_alloc(a, sizeof *j);
	const char *cancel = sql_text(r, 6);

	*j = (struct tx_job){
		.no = sql_int(r, 0),
		.tenant = sql_int(r, 1),
		.seq = sql_int(r, 2),
		.seq_before = sql_int(r, 2),
		.state = (enum job_state)sql_int(r, 3),
		.run = (int)sql_int(r, 4),
		.hidden = (int)sql_int(r, 5),
		.cancel = cancel ? err_from_name(cancel) : OK,
		.retrying = sql_int(r, 7) != 0,
		.keep_source = sql_int(r, 8) != 0,
		.total = sql_int(r, 9),
		.duplicates = sql_int(r, 10),
		.fresh = sql_int(r, 11),
		.waiting = sql_int(r, 12),
		.running = sql_int(r, 13),
		.succeeded = sql_int(r, 14),
		.failed = sql_int(r, 15),
		.canceled = sql_int(r, 16),
		.cached = sql_int(r, 17),
		.weight = sql_int(r, 18),
		.turn = sql_int(r, 19),
		.savings = { sql_int(r, 20), sql_int(r, 21), sql_int(r, 22) },
		.ended_ms = sql_int(r, 23),
		.expires_ms = sql_int(r, 24),
		.progress_ms = sql_int(r, 25),
		.progress_hash = sql_int(r, 26),
		.cuts = { [CUT_SUCCEEDED] = sql_int(r, 27),
			[CUT_FAILED] = sql_int(r, 28),
			[CUT_NONE] = sql_int(r, 29) },
		.confirm = sql_int(r, 30),
		.confirm_all = sql_int(r, 31) != 0,
	};
	j->next = *list;
	*list = j;
	return j;
}

/* By this operation, or by one before it in the batch. */
static struct tx_job *loaded(struct tx *t, int64_t no)
{
	struct tx_job *j = t->jobs;

	while (j && j->no != no)
		j = j->next;
	const struct tx_job *shared = t->batch && !j ? batch_job(t->batch, no) : NULL;
	if (!shared)
		return j;
	j = arena_alloc(t->arena, sizeof *j);
	*j = *shared;
	j->dirty = false;
	j->next = t->jobs;
	t->jobs = j;
	return j;
}

/* ---- locks ---- */

static bool is_held(const struct sql_locks *l, int64_t no)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->jobs[i] == no)
			return true;
	return false;
}

/* Ascending, and before all else: only so can two that wait for each other not be. */
static bool may_wait(const struct sql_locks *l, int64_t no)
{
	if (l->late)
		return false;
	for (size_t i = 0; i < l->n; i++)
		if (l->jobs[i] > no)
			return false;
	return true;
}

static void hold(struct sql_locks *l, int64_t no)
{
	if (is_held(l, no))
		return;
	l->jobs = mem_realloc(l->jobs, l->n + 1, sizeof *l->jobs);
	l->jobs[l->n++] = no;
}

/* It was not among those that nobody has locked. */
static enum err_code out_of_turn(struct tx *t, int64_t no, struct err *e)
{
	int64_t one = 0;
	enum err_code code = sql_get(t->db, "SELECT 1 FROM job WHERE no = $1", SQL(sql_i(no)), &one,
		e);

	if (code != OK || !one)
		return code;
	t->db->locks->wanted = no;
	return err_set(e, ERR_STORE_UNAVAILABLE, "job %lld: others hold it", (long long)no);
}

static enum err_code job_read(struct arena *a, struct tx_job **list, struct sql_rows r,
	struct tx_job **ret)
{
	if (sql_next(&r))
		*ret = job_from_row(a, list, &r);
	enum err_code code = sql_end(&r);
	if (code == OK && r.db->locks && *ret)
		hold(r.db->locks, (*ret)->no);
	return code;
}

static struct sql_rows job_query(struct sql *db, int64_t no, struct err *e)
{
	return sql_query(db, "SELECT " JOB_COLUMNS " FROM job WHERE no = $1" SQL_LOCK,
		SQL(sql_i(no)), e);
}

enum err_code tx_lock_job(struct tx_batch *b, struct sql *db, int64_t no, struct err *e)
{
	struct tx_job *j = NULL;

	return job_read(b->arena, &b->jobs, job_query(db, no, e), &j);
}

/* NULL in *ret: there is none, or somebody else has it. */
static enum err_code job_load_if_free(struct tx *t, int64_t no, struct tx_job **ret, struct err *e)
{
	return job_read(t->arena, &t->jobs,
		sql_query(t->db, "SELECT " JOB_COLUMNS " FROM job WHERE no = $1" SQL_LOCK_ANY,
			SQL(sql_i(no)), e),
		ret);
}

static enum err_code job_load(struct tx *t, int64_t no, struct tx_job **ret, struct err *e)
{
	const struct sql_locks *l = t->db->locks;

	if (!l || is_held(l, no) || may_wait(l, no))
		return job_read(t->arena, &t->jobs, job_query(t->db, no, e), ret);
	enum err_code code = job_load_if_free(t, no, ret, e);
	return code == OK && !*ret ? out_of_turn(t, no, e) : code;
}

enum err_code tx_job_get(struct tx *t, int64_t no, struct tx_job **ret, struct err *e)
{
	struct tx_job *j = loaded(t, no);
	enum err_code code = j ? OK : job_load(t, no, &j, e);

	if (code != OK)
		return code;
	if (!j)
		return err_set(e, ERR_NOT_FOUND, "job %lld: not there", (long long)no);
	*ret = j;
	return OK;
}

enum err_code tx_job_try(struct tx *t, int64_t no, struct err *e)
{
	struct tx_job *j = loaded(t, no);
	enum err_code code = OK;

	if (!j && t->db->locks)
		code = job_load_if_free(t, no, &j, e);
	else if (!j)
		code = job_load(t, no, &j, e);
	return code;
}

enum err_code tx_job_find(struct tx *t, int64_t tenant, const char *id, struct tx_job **ret,
	struct err *e)
{
	int64_t no = 0;
	enum err_code code = sql_get(t->db,
		"SELECT no FROM job WHERE tenant = $1 AND id = $2 AND hidden = 0"
		" AND (ended_ms IS NULL OR expires_ms > $3)",
		SQL(sql_i(tenant), sql_t(id), sql_i(t->now_ms)), &no, e);

	if (code != OK)
		return code;
	*ret = NULL;
	if (!no)
		return OK;
	code = tx_job_get(t, no, ret, e);
	if (code == ERR_NOT_FOUND || (code == OK && (*ret)->hidden)) { /* since we looked */
		*ret = NULL;
		return OK;
	}
	return code;
}

static void add_news(struct tx *t, const struct tx_job *j)
{
	t->news = mem_realloc(t->news, t->news_n + 1, sizeof *t->news);
	t->news[t->news_n++] = (struct tx_news){
		.job = j->no,
		.seq = j->seq,
		.lost = j->lost,
		.id = j->id,
	};
}

enum err_code job_write(struct sql *db, const struct tx_job *j, struct err *e)
{
	const char *cancel = j->cancel == OK ? NULL : err_name(j->cancel);

	return sql_run(db,
		"UPDATE job SET seq = $1, state = $2, run = $3, hidden = $4, cancel = $5, retrying = "
		"$6,"
		" fresh = $7, waiting = $8, running = $9, succeeded = $10, failed = $11, canceled = "
		"$12,"
		" cached = $13, turn = $14, saved_downloads = $15, saved_encodes = $16, saved_paid = "
		"$17,"
		" ended_ms = $18, progress_ms = $19, progress_hash = $20, expires_ms = $21,"
		" cuts_succeeded = $22, cuts_failed = $23, cuts_none = $24 WHERE no = $25",
		SQL(sql_i(j->seq), sql_i(j->state), sql_i(j->run), sql_i(j->hidden), sql_t(cancel),
			sql_i(j->retrying), sql_i(j->fresh), sql_i(j->waiting), sql_i(j->running),
			sql_i(j->succeeded), sql_i(j->failed), sql_i(j->canceled), sql_i(j->cached),
			sql_i(j->turn), sql_i(j->savings.downloads), sql_i(j->savings.encodes),
			sql_i(j->savings.paid_calls), sql_i_or_null(j->ended_ms, j->ended_ms > 0),
			sql_i(j->progress_ms), sql_i(j->progress_hash), sql_i(j->expires_ms),
			sql_i(j->cuts[CUT_SUCCEEDED]), sql_i(j->cuts[CUT_FAILED]),
			sql_i(j->cuts[CUT_NONE]), sql_i(j->no)),
		NULL, e);
}

enum err_code tx_flush(struct tx *t, struct err *e)
{
	for (struct tx_job *j = t->jobs; j; j = j->next) {
		if (!j->dirty)
			continue;
		enum err_code code = t->batch ? OK : job_write(t->db, j, e);
		if (code != OK)
			return code;
		j->dirty = t->batch != NULL;
		if (j->seq > j->seq_before || j->hidden || j->lost)
			add_news(t, j);
		j->lost = 0;
	}
	return OK;
}

enum err_code tx_job_public_id(struct tx *t, struct tx_job *j, struct err *e)
{
	struct sql_rows r = sql_query(t->db, "SELECT id FROM job WHERE no = $1", SQL(sql_i(j->no)),
		e);

	if (sql_next(&r))
		j->id = arena_strdup(t->arena, sql_text(&r, 0));
	return sql_end(&r);
}

/* ---- after the commit ---- */

static void tell_items(const struct tx_tally *y)
{
	for (int s = 0; s <= ITEM_CANCELED; s++)
		for (int c = 0; c < CACHE_COALESCED + 2; c++)
			if (y->items[s][c])
				metric_add(METRIC_ITEMS, (double)y->items[s][c],
					item_status_name((enum item_state)s, STEP_QUEUED),
					c > CACHE_COALESCED ? "none"
							    : item_cache_name((enum item_cache)c),
					NULL);
	for (int c = 0; c < ERR_COUNT; c++)
		if (y->errors[c])
			metric_add(METRIC_ITEM_ERRORS, (double)y->errors[c],
				err_name((enum err_code)c), NULL, NULL);
}

void tx_tell(const struct tx *t)
{
	const struct tx_tally *y = &t->tally;

	for (int s = 0; s <= JOB_CANCELED; s++)
		if (y->jobs[s])
			metric_add(METRIC_JOBS, (double)y->jobs[s],
				job_state_name((enum job_state)s), NULL, NULL);
	tell_items(y);
	if (y->saved.downloads)
		metric_add(METRIC_SAVED, (double)y->saved.downloads, "downloads", NULL, NULL);
	if (y->saved.encodes)
		metric_add(METRIC_SAVED, (double)y->saved.encodes, "encodes", NULL, NULL);
	if (y->saved.paid_calls)
		metric_add(METRIC_SAVED, (double)y->saved.paid_calls, "paid_calls", NULL, NULL);
	for (size_t i = 0; t->opts->on_news && i < t->news_n; i++)
		t->opts->on_news(t->opts->ctx, t->news[i].job, t->news[i].seq);
	for (size_t i = 0; t->opts->on_lost && i < t->news_n; i++)
		if (t->news[i].lost)
			t->opts->on_lost(t->opts->ctx, t->news[i].id, t->news[i].lost);
	if (t->work && t->opts->on_work)
		t->opts->on_work(t->opts->ctx);
	if (t->manifest && t->opts->on_manifest)
		t->opts->on_manifest(t->opts->ctx);
}
