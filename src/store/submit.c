/* SPDX-License-Identifier: MIT
 *
 * Accepting a job: nothing is looked up, planned or fetched here, so that an answer costs one
 * commit whatever the job holds. A repeated request is recognised by its idempotency key or its own
 * id.
 *
 * A job of many items would keep every other request waiting for its rows. It is built in slices
 * first, as a job that nobody sees and nothing plans; the last slice makes it the job that was
 * asked for, in one transaction as ever. What a crash leaves half built is dropped at the next
 * start.
 */
#include "store/operations.h"

#include <stdio.h>
#include <string.h>

struct twin {
	int64_t no;
	bool same;
	char id[JOB_ID_MAX + 1];
};

static enum err_code read_twin(struct sql_rows *r, const struct submit *in, struct twin *ret)
{
	uint8_t body[SHA256_LEN];

	if (sql_next(r)) {
		ret->no = sql_int(r, 0);
		snprintf(ret->id, sizeof ret->id, "%s", sql_text(r, 1));
		sql_bytes(r, 2, body, sizeof body);
		ret->same = memcmp(body, in->body_sha256, sizeof body) == 0;
	}
	return sql_end(r);
}

static enum err_code find_by_key(struct tx *t, const struct submit *in, struct twin *ret,
	struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT j.no, j.id, k.body_sha256 FROM idempotency k JOIN job j ON j.no = k.job"
		" WHERE k.tenant = $1 AND k.key = $2 AND k.expires_ms > $3 AND j.hidden = 0",
		SQL(sql_i(in->tenant), sql_t(in->idempotency_key), sql_i(t->now_ms)), e);

	return read_twin(&r, in, ret);
}

static enum err_code find_by_id(struct tx *t, const struct submit *in, struct twin *ret,
	struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT no, id, body_sha256 FROM job WHERE tenant = $1 AND id = $2 AND hidden = 0",
		SQL(sql_i(in->tenant), sql_t(in->id)), e);

	return read_twin(&r, in, ret);
}

static enum err_code find_twin(struct tx *t, const struct submit *in, struct twin *ret,
	struct err *e)
{
	enum err_code code = OK;

	if (in->idempotency_key)
		code = find_by_key(t, in, ret, e);
	if (code == OK && ret->no && !ret->same)
		return err_set(e, ERR_REQUEST_IDEMPOTENCY,
			"the Idempotency-Key was used with another body");
	if (code == OK && !ret->no && in->id)
		code = find_by_id(t, in, ret, e);
	if (code == OK && ret->no && !ret->same)
		return err_set(e, ERR_JOB_EXISTS, "job '%s' exists with another body", in->id);
	return code;
}

static enum err_code check_room(struct tx *t, const struct submit *in, struct err *e)
{
	int64_t open = 0;

	if (in->max_open_items <= 0)
		return OK;
	enum err_code code = sql_get(t->db,
		"SELECT sum(fresh + waiting + running) FROM job WHERE ended_ms IS NULL", SQL_NONE,
		&open, e);
	if (code == OK && open + (int64_t)in->request->items_n > in->max_open_items)
		return err_set(e, ERR_QUEUE_FULL, "%lld items are open, at most %lld may be",
			(long long)open, (long long)in->max_open_items);
	return code;
}

/* Behind those of its tenant and priority that have not begun: many small jobs would else come before
 * every other tenant's second item. -1: there are none. */
static enum err_code last_of_line(struct tx *t, const struct submit *in, int64_t *ret,
	struct err *e)
{
	*ret = -1;
	return sql_get(t->db,
		"SELECT first_turn FROM job WHERE tenant = $1 AND priority = $2 AND state = 0"
		" AND ended_ms IS NULL ORDER BY first_turn DESC LIMIT 1",
		SQL(sql_i(in->tenant), sql_i(in->request->priority)), ret, e);
}

/* The smallest turn at work: a new job is next in line, not ahead of its time. */
static enum err_code first_turn(struct tx *t, const struct submit *in, int64_t *ret, struct err *e)
{
	int64_t ready = -1, fresh = -1, last;
	enum err_code code = sql_get(t->db,
		"SELECT turn FROM task WHERE state = 0 ORDER BY turn LIMIT 1", SQL_NONE, &ready, e);

	if (code == OK)
		code = sql_get(t->db,
			"SELECT turn FROM job WHERE fresh > 0 AND cancel IS NULL ORDER BY turn LIMIT 1",
			SQL_NONE, &fresh, e);
	if (code == OK)
		code = last_of_line(t, in, &last, e);
	if (ready < 0 || (fresh >= 0 && fresh < ready))
		ready = fresh;
	*ret = ready < 0 ? 0 : ready;
	if (code == OK && last >= *ret)
		*ret = last + priority_weight(in->request->priority);
	return code;
}

/* hidden: it is being built, and marked as canceled so that nothing plans it. */
static enum err_code insert_job(struct tx *t, struct op_submit *op, const char *id, int64_t turn,
	bool hidden, struct err *e)
{
	const struct request *q = op->in->request;
	const char *cancel = hidden ? err_name(ERR_CANCELED) : NULL;

	return sql_get(t->db,
		"INSERT INTO job (tenant, id, state, run, seq, hidden, retrying, priority, weight,"
		" turn, keep_source, total, duplicates, fresh, waiting, running, succeeded, failed,"
		" canceled, cached, saved_downloads, saved_encodes, saved_paid, progress_ms,"
		" progress_hash, request, body_sha256, metadata, tag, base_url, created_ms,"
		" expires_ms, deadline_ms, cancel, first_turn)"
		" VALUES ($1, $2, 0, 1, 0, $3, 0, $4, $5, $6, $7, $8, $9, $8, 0, 0, 0, 0, 0, 0, 0, 0,"
		" 0, 0, 0, $10, $11, $12, $13, $14, $15, $16, $17, $18, $6) RETURNING no",
		SQL(sql_i(op->in->tenant), sql_t(id), sql_i(hidden ? JOB_HIDDEN_BUILDING : 0),
			sql_i(q->priority), sql_i(priority_weight(q->priority)), sql_i(turn),
			sql_i(q->keep_source), sql_i((int64_t)q->items_n),
			sql_i((int64_t)q->duplicates), sql_t(op->settings),
			sql_b(op->in->body_sha256, SHA256_LEN), sql_t(op->metadata), sql_t(q->tag),
			sql_t(op->in->base_url), sql_i(t->now_ms),
			sql_i(t->now_ms + t->opts->keep_ms),
			sql_i_or_null(t->now_ms + q->deadline_ms, q->deadline_ms > 0),
			sql_t(cancel)),
		&op->no, e);
}

static const struct cut *cut_of(const struct request *q, size_t i)
{
	return q->items[i].cut ? q->items[i].cut : &q->cut;
}

/* What may be paid for it, and which charges of unknown end it says may be bought again: those that
 * there are now. Most jobs have no cut-outs and need none of this. */
static enum err_code set_budget(struct tx *t, const struct op_submit *op, struct err *e)
{
	const struct request *q = op->in->request;
	int64_t confirm = 0;
	bool any = false, confirms = false;
	enum err_code code = OK;

	for (size_t i = 0; i < q->items_n; i++) {
		const struct cut *c = cut_of(q, i);
		any |= c->remove;
		confirms |= c->remove && c->confirm_charge;
	}
	if (!any)
		return OK;
	if (confirms)
		code = charge_last(t, &confirm, e);
	return code == OK
		? sql_run(t->db, "UPDATE job SET max_cost = $1, confirm = $2 WHERE no = $3",
			  SQL(sql_i(request_max_cost(q)), sql_i(confirm), sql_i(op->no)), NULL, e)
		: code;
}

static enum err_code insert_items(struct tx *t, const struct op_submit *op, size_t from, size_t to,
	struct err *e)
{
	const struct request *q = op->in->request;
	enum err_code code = OK;

	for (size_t i = from; code == OK && i < to; i++)
		code = sql_run(t->db,
			"INSERT INTO item (job, n, url, source_key, extra, state, run, started, tries,"
			" made, cut_state) VALUES ($1, $2, $3, $4, $5, 0, 1, 0, 0, 0, $6)",
			SQL(sql_i(op->no), sql_i((int64_t)i + 1), sql_t(q->items[i].url),
				sql_b(q->items[i].source_key, SHA256_LEN), sql_t(op->extras[i]),
				sql_i(cut_of(q, i)->remove ? CUT_WANTED : CUT_OFF)),
			NULL, e);
	return code;
}

/* A key that has had its time goes; one that is there still was inserted since we looked, by a twin, and
 * we begin anew. */
static enum err_code insert_key(struct tx *t, const struct op_submit *op, struct err *e)
{
	const struct submit *in = op->in;

	if (!in->idempotency_key)
		return OK;
	enum err_code code = sql_run(t->db,
		"DELETE FROM idempotency WHERE tenant = $1 AND key = $2 AND (expires_ms <= $3"
		" OR NOT EXISTS (SELECT 1 FROM job j WHERE j.no = idempotency.job AND j.hidden = 0))",
		SQL(sql_i(in->tenant), sql_t(in->idempotency_key), sql_i(t->now_ms)), NULL, e);
	if (code != OK)
		return code;
	return sql_run(t->db,
		"INSERT INTO idempotency (tenant, key, body_sha256, job, expires_ms)"
		" VALUES ($1, $2, $3, $4, $5)",
		SQL(sql_i(in->tenant), sql_t(in->idempotency_key),
			sql_b(in->body_sha256, SHA256_LEN), sql_i(op->no),
			sql_i(t->now_ms + t->opts->idempotency_ms)),
		NULL, e);
}

static enum err_code announce(struct tx *t, struct op_submit *op, struct err *e)
{
	struct tx_job *j;
	enum err_code code = insert_key(t, op, e);

	if (code == OK)
		code = set_budget(t, op, e);
	if (code == OK)
		code = hook_put(t, op->no, op->in->request, e);
	if (code == OK)
		code = tx_job_get(t, op->no, &j, e);
	if (code == OK)
		code = event_job(t, j, EVENT_JOB_CREATED, NULL, e);
	snprintf(op->ret_id, sizeof op->ret_id, "%s", op->id);
	t->work = true;
	return code == OK ? admit_count(t, op->in, e) : code;
}

static enum err_code create(struct tx *t, struct op_submit *op, struct err *e)
{
	int64_t turn = 0;
	enum err_code code = first_turn(t, op->in, &turn, e);

	if (code == OK)
		code = insert_job(t, op, op->id, turn, false, e);
	if (code == OK)
		code = insert_items(t, op, 0, op->in->request->items_n, e);
	return code == OK ? announce(t, op, e) : code;
}

/* Answers SAME where the request was seen before. */
static enum err_code meet_twin(struct tx *t, struct op_submit *op, struct err *e)
{
	struct twin twin = { 0 };
	enum err_code code = find_twin(t, op->in, &twin, e);

	op->result = twin.no ? SUBMIT_SAME : SUBMIT_CREATED;
	if (code == OK && twin.no) {
		op->no = twin.no;
		snprintf(op->ret_id, sizeof op->ret_id, "%s", twin.id);
	}
	return code;
}

enum err_code op_submit(struct tx *t, void *arg, struct err *e)
{
	struct op_submit *op = arg;
	enum err_code code = meet_twin(t, op, e);

	if (code == OK && op->result == SUBMIT_CREATED && op->in->known_only)
		return err_set(e, ERR_NOT_FOUND, "no such request was made before");
	if (code == OK && op->result == SUBMIT_CREATED)
		code = check_room(t, op->in, e);
	if (code == OK && op->result == SUBMIT_CREATED)
		code = admit_check(t, op->in, e);
	return code == OK && op->result == SUBMIT_CREATED ? create(t, op, e) : code;
}

/* ---- in slices ---- */

enum err_code op_submit_begin(struct tx *t, void *arg, struct err *e)
{
	struct op_submit *op = arg;
	const char *id = arena_printf(t->arena, "%s~", op->build_id);
	enum err_code code = meet_twin(t, op, e);

	if (code == OK && op->result == SUBMIT_CREATED)
		code = check_room(t, op->in, e);
	if (code == OK && op->result == SUBMIT_CREATED)
		code = admit_check(t, op->in, e);
	if (code == OK && op->result == SUBMIT_CREATED)
		code = insert_job(t, op, id, 0, true, e);
	return code;
}

/* A clock that leapt, or a machine that slept, made us look dead: what we built is being dropped. */
static enum err_code still_building(struct tx *t, int64_t no, struct err *e)
{
	int64_t one = 0;
	enum err_code code = sql_get(t->db,
		"SELECT 1 FROM job WHERE no = $1 AND hidden = $2" SQL_LOCK,
		SQL(sql_i(no), sql_i(JOB_HIDDEN_BUILDING)), &one, e);

	if (code == OK && !one)
		return err_set(e, ERR_OVERLOADED, "taking in the job took too long");
	return code;
}

enum err_code op_submit_slice(struct tx *t, void *arg, struct err *e)
{
	struct op_submit *op = arg;
	enum err_code code = still_building(t, op->no, e);

	return code == OK ? insert_items(t, op, op->from, op->to, e) : code;
}

enum err_code op_submit_end(struct tx *t, void *arg, struct err *e)
{
	struct op_submit *op = arg;
	int64_t turn = 0, built = op->no, deadline = op->in->request->deadline_ms;
	enum err_code code = meet_twin(t, op, e);

	if (code == OK && op->result == SUBMIT_CREATED)
		code = still_building(t, built, e);
	if (code == OK && op->result == SUBMIT_CREATED)
		code = admit_check(t, op->in, e);
	if (code == OK && op->result == SUBMIT_CREATED)
		code = first_turn(t, op->in, &turn, e);
	if (code == OK && op->result == SUBMIT_CREATED)
		code = sql_run(t->db,
			"UPDATE job SET id = $1, hidden = 0, cancel = NULL, turn = $2, first_turn = $2, created_ms = $3,"
			" expires_ms = $4, deadline_ms = $5 WHERE no = $6",
			SQL(sql_t(op->id), sql_i(turn), sql_i(t->now_ms),
				sql_i(t->now_ms + t->opts->keep_ms),
				sql_i_or_null(t->now_ms + deadline, deadline > 0), sql_i(built)),
			NULL, e);
	return code == OK && op->result == SUBMIT_CREATED ? announce(t, op, e) : code;
}

/* It came to nothing, or to a twin that was faster. */
enum err_code op_submit_drop(struct tx *t, void *arg, struct err *e)
{
	const struct op_submit *op = arg;

	t->work = true;
	return sql_run(t->db, "UPDATE job SET hidden = 1 WHERE no = $1 AND hidden = $2",
		SQL(sql_i(op->built), sql_i(JOB_HIDDEN_BUILDING)), NULL, e);
}
