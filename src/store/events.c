/* SPDX-License-Identifier: MIT
 *
 * Writing the event log. A row holds what happened and the numbers of immutable rows, not the
 * picture of it: readers join and render. Names are short because the rows are the bulk of the
 * store:
 *
 *   job.*   c: [state, run, queued, running, succeeded, failed, canceled, cached, downloads,
 *           encodes, paid_calls, then where there are cut-outs succeeded, failed, none];
 *           e: when the job expires; a: [[item, step, bytes, bytes_total], …] in job.progress
 *   item.*  r run, t tries, s step, q ms queued (-1), h cache (-1), o original, d how much
 *           was known of it (all, once an item has succeeded), v results, x outcome; of a cut-out u state,
 *           w reason, k result, p its job paid, y outcome
 */
#include "store/tx.h"

#include "base/buf.h"

static enum err_code append(struct tx *t, struct tx_job *j, enum event_type type, int64_t item,
	struct buf *data, struct err *e)
{
	if (data->full)
		return err_set(e, ERR_MEMORY, "event of job %lld: too large", (long long)j->no);
	j->dirty = true;
	j->seq++;
	if (t->batch) {
		struct tx_event *x = arena_alloc(t->batch->arena, sizeof *x);
		*x = (struct tx_event){ t->events, j->no, j->seq, item, t->now_ms, type,
			arena_strdup(t->batch->arena, buf_str(data)) };
		t->events = x;
		return OK;
	}
	return sql_run(t->db,
		"INSERT INTO event (job, seq, type, item, at_ms, data) VALUES ($1, $2, $3, $4, $5, $6)",
		SQL(sql_i(j->no), sql_i(j->seq), sql_i(type), sql_i_or_null(item, item > 0),
			sql_i(t->now_ms), sql_t(buf_str(data))),
		NULL, e);
}

enum err_code event_job(struct tx *t, struct tx_job *j, enum event_type type, const char *active,
	struct err *e)
{
	CLEANUP(buf_done) struct buf b = BUF_INIT(65536);
	int64_t queued = j->fresh + j->waiting;

	buf_printf(&b, "{\"c\":[%d,%d,%lld,%lld,%lld,%lld,%lld,%lld,%lld,%lld,%lld", (int)j->state,
		j->run, (long long)queued, (long long)j->running, (long long)j->succeeded,
		(long long)j->failed, (long long)j->canceled, (long long)j->cached,
		(long long)j->savings.downloads, (long long)j->savings.encodes,
		(long long)j->savings.paid_calls);
	if (j->cuts[CUT_SUCCEEDED] || j->cuts[CUT_FAILED] || j->cuts[CUT_NONE])
		buf_printf(&b, ",%lld,%lld,%lld", (long long)j->cuts[CUT_SUCCEEDED],
			(long long)j->cuts[CUT_FAILED], (long long)j->cuts[CUT_NONE]);
	buf_printf(&b, "],\"e\":%lld", (long long)j->expires_ms);
	if (active)
		buf_printf(&b, ",\"a\":%s", active);
	buf_putc(&b, '}');
	return append(t, j, type, 0, &b, e);
}

static enum err_code job_start(struct tx *t, struct tx_job *j, struct err *e)
{
	j->state = JOB_RUNNING;
	return event_job(t, j, EVENT_JOB_STARTED, NULL, e);
}

static void put_cut(struct buf *b, const struct tx_item *it)
{
	buf_printf(b, ",\"u\":%d,\"w\":%d", (int)it->cut_state, (int)it->cut_reason);
	if (it->cut)
		buf_printf(b, ",\"k\":%lld", (long long)it->cut);
	if (it->charge)
		buf_puts(b, ",\"p\":1");
	if (it->cut_outcome)
		buf_printf(b, ",\"y\":%s", it->cut_outcome);
}

/* More may be known of it when the event is read, which tells what it told at first. */
static enum err_code put_known(struct tx *t, int64_t original, struct buf *b, struct err *e)
{
	struct tx_original o;
	enum err_code code = original_by_id(t, original, &o, e);

	if (code == OK && o.id)
		buf_printf(b, ",\"d\":%d", (int)original_detail(&o.data));
	return code;
}

enum err_code event_item(struct tx *t, const struct tx_item *it, enum event_type type,
	struct err *e)
{
	CLEANUP(buf_done) struct buf b = BUF_INIT(65536);
	int64_t queued = it->started_ms > it->planned_ms ? it->started_ms - it->planned_ms : 0;
	enum err_code code = OK;

	if (it->job->state == JOB_QUEUED)
		code = job_start(t, it->job, e);
	if (code != OK)
		return code;
	buf_printf(&b, "{\"r\":%d,\"t\":%d,\"h\":%d", it->run, it->tries, it->cache);
	if (it->state == ITEM_OPEN)
		buf_printf(&b, ",\"s\":%d", (int)it->step);
	if (it->started)
		buf_printf(&b, ",\"q\":%lld", (long long)queued);
	if (it->original)
		buf_printf(&b, ",\"o\":%lld", (long long)it->original);
	if (it->original && type != EVENT_ITEM_SUCCEEDED)
		code = put_known(t, it->original, &b, e);
	if (code != OK)
		return code;
	if (it->results)
		buf_printf(&b, ",\"v\":%s", it->results);
	if (it->outcome)
		buf_printf(&b, ",\"x\":%s", it->outcome);
	if (it->cut_state != CUT_OFF)
		put_cut(&b, it);
	buf_putc(&b, '}');
	return append(t, it->job, type, it->n, &b, e);
}
