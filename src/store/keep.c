/* SPDX-License-Identifier: MIT
 *
 * Heartbeats of lent tasks: the lease is extended, the step noted, and the jobs that wait for them
 * get a job.progress, rarely enough and only when it says something new.
 */
#include "store/operations.h"

#include <string.h>

#define PROGRESS_MS     500
#define PROGRESS_ACTIVE 50
#define JOBS_MAX        64 /* of one task that hear of its progress */

/* Jobs of the task start to hear of it, but for those that others hold now. Nobody waits: it is
 * dropped. */
static enum err_code waiting_jobs(struct tx *t, int64_t id, bool *ret_wanted, struct err *e)
{
	int64_t jobs[JOBS_MAX];
	size_t n = 0;
	struct sql_rows r = sql_query(t->db,
		"SELECT job FROM item WHERE task = $1 UNION SELECT job FROM item"
		" WHERE cut_task = $1 ORDER BY job LIMIT $2",
		SQL(sql_i(id), sql_i(JOBS_MAX)), e);

	while (n < JOBS_MAX && sql_next(&r))
		jobs[n++] = sql_int(&r, 0);
	enum err_code code = sql_end(&r);
	for (size_t i = 0; code == OK && i < n; i++)
		code = tx_job_try(t, jobs[i], e);
	if (code == OK)
		*ret_wanted = n > 0;
	return code;
}

/* Somebody may be about to join it: our lock for UPDATE waits for them. */
static enum err_code drop(struct tx *t, int64_t id, bool *ret_dropped, struct err *e)
{
	struct tx_task *k;
	bool wanted = false;
	enum err_code code = task_find(t, id, &k, e);

	if (code == OK)
		code = task_is_wanted(t, id, &wanted, e);
	if (code != OK || wanted)
		return code;
	*ret_dropped = true;
	return task_delete(t, id, e);
}

static enum err_code keep_one(struct tx *t, const struct task_keep *k, int64_t lease_ms,
	bool *ret_stale, bool *ret_unwanted, struct err *e)
{
	int64_t held = 0;
	bool wanted = false;
	enum err_code code = sql_run(t->db,
		"UPDATE task SET until_ms = $1, step = $2, bytes = $3, bytes_total = $4"
		" WHERE id = $5 AND lease = $6 AND state = 1",
		SQL(sql_i(t->now_ms + lease_ms), sql_i(k->step), sql_i(k->bytes),
			sql_i(k->bytes_total), sql_i(k->id), sql_i(k->lease)),
		&held, e);

	*ret_stale = *ret_unwanted = false;
	if (code != OK || held == 0) {
		*ret_stale = held == 0;
		return code;
	}
	code = waiting_jobs(t, k->id, &wanted, e);
	if (code == OK && !wanted) /* what may be paid for already is waited for */
		code = charge_is_asked(t, k->id, &wanted, e);
	return code == OK && !wanted ? drop(t, k->id, ret_unwanted, e) : code;
}

/* "[[item, step, bytes, bytes_total], …]" of the items that are worked on. */
static enum err_code active_text(struct tx *t, const struct tx_job *j, struct buf *b, struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT i.n, k.step, k.bytes, k.bytes_total FROM item i"
		" JOIN task k ON k.id = coalesce(i.task, i.cut_task)"
		" WHERE i.job = $1 AND i.state = 1 AND i.started = 1 AND k.state = 1"
		" ORDER BY i.n LIMIT $2",
		SQL(sql_i(j->no), sql_i(PROGRESS_ACTIVE)), e);
	bool first = true;

	buf_putc(b, '[');
	while (sql_next(&r)) {
		buf_printf(b, "%s[%lld,%lld,%lld,%lld]", first ? "" : ",",
			(long long)sql_int(&r, 0), (long long)sql_int(&r, 1),
			(long long)sql_int(&r, 2), (long long)sql_int(&r, 3));
		first = false;
	}
	buf_putc(b, ']');
	return sql_end(&r);
}

static int64_t hash_of(const struct tx_job *j, const struct buf *active)
{
	uint8_t sum[SHA256_LEN];
	int64_t counts[] = { j->fresh + j->waiting, j->running, j->succeeded, j->failed,
		j->canceled, j->cuts[CUT_SUCCEEDED], j->cuts[CUT_FAILED], j->cuts[CUT_NONE] };
	struct sha256 *s = sha256_new();
	int64_t h;

	sha256_add(s, counts, sizeof counts);
	sha256_add(s, active->data, active->len);
	sha256_end(s, sum);
	memcpy(&h, sum, sizeof h);
	return h;
}

static enum err_code progress(struct tx *t, struct tx_job *j, struct err *e)
{
	CLEANUP(buf_done) struct buf active = BUF_INIT(16384);

	if (j->state != JOB_RUNNING || j->hidden)
		return OK;
	if (j->progress_ms <= t->now_ms && j->progress_ms + PROGRESS_MS > t->now_ms)
		return OK;
	enum err_code code = active_text(t, j, &active, e);
	int64_t hash = hash_of(j, &active);
	if (code != OK || hash == j->progress_hash)
		return code;
	j->progress_ms = t->now_ms;
	j->progress_hash = hash;
	return event_job(t, j, EVENT_JOB_PROGRESS, buf_str(&active), e);
}

enum err_code op_keep(struct tx *t, void *arg, struct err *e)
{
	struct op_keep *op = arg;
	enum err_code code = OK;

	for (size_t i = 0; code == OK && i < op->n; i++)
		code = keep_one(t, &op->k[i], op->lease_ms, &op->stale[i], &op->unwanted[i], e);
	for (struct tx_job *j = t->jobs; code == OK && j; j = j->next)
		code = progress(t, j, e);
	return code;
}
