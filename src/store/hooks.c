/* SPDX-License-Identifier: MIT
 *
 * Hooks: readers of logs that keep their position in the store. Nothing of this is part of a job's own
 * transactions but the row itself: whoever comes by reads what was committed since, and makes
 * deliveries of it. Two that come at once find the row locked, and what one has made the other cannot
 * make again. The row is locked before the job is read, so a retry, which opens the hook again, comes
 * either before that or after us.
 */
#include "store/hooks.h"

#include "store/tx.h"

#define PAGE  500 /* events of one transaction */
#define HOOKS 20  /* that one transaction looks at */

enum err_code hook_put(struct tx *t, int64_t job, const struct request *r, struct err *e)
{
	if (!r->webhook_url)
		return OK;
	return sql_run(t->db,
		"INSERT INTO hook (job, url, host, events, seq, open, disabled)"
		" VALUES ($1, $2, $3, $4, 0, 1, 0)",
		SQL(sql_i(job), sql_t(r->webhook_url), sql_t(r->webhook_host),
			sql_i(r->webhook_events)),
		NULL, e);
}

enum err_code hook_reopened(struct tx *t, int64_t job, struct err *e)
{
	return sql_run(t->db, "UPDATE hook SET open = 1 WHERE job = $1 AND disabled = 0",
		SQL(sql_i(job)), NULL, e);
}

/* The row goes first: who is making deliveries has it locked, and makes none afterwards. */
enum err_code hook_deleted(struct tx *t, int64_t job, bool *ret_more, struct err *e)
{
	int64_t rows = 0;
	enum err_code code = sql_run(t->db, "DELETE FROM hook WHERE job = $1", SQL(sql_i(job)),
		NULL, e);

	if (code == OK)
		code = sql_run(t->db,
			"DELETE FROM delivery WHERE no IN"
			" (SELECT no FROM delivery WHERE job = $1 LIMIT $2)",
			SQL(sql_i(job), sql_i(PASS_ROWS)), &rows, e);
	*ret_more = rows == PASS_ROWS;
	return code;
}

/* ---- following ------------------------------------------------------------------------------ */

#define BEHIND                                                                                     \
	" FROM hook h JOIN job j ON j.no = h.job WHERE h.open = 1"                                 \
	" AND (j.seq > h.seq OR j.ended_ms IS NOT NULL) AND j.hidden = 0"

struct op_follow {
	bool more;
};
struct hook {
	int64_t job, seq, tenant, last;
	unsigned events;
	const char *host;
	bool ended;
};
struct wanted {
	int64_t seq, type;
};

static enum err_code lock_one(struct tx *t, int64_t after, struct hook *ret, struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT h.job, h.seq, h.events, h.host" BEHIND
		" AND h.job > $1 ORDER BY h.job LIMIT 1" SQL_PG("FOR UPDATE OF h SKIP LOCKED"),
		SQL(sql_i(after)), e);

	*ret = (struct hook){ 0 };
	if (sql_next(&r))
		*ret = (struct hook){
			.job = sql_int(&r, 0),
			.seq = sql_int(&r, 1),
			.events = (unsigned)sql_int(&r, 2),
			.host = arena_strdup(t->arena, sql_text(&r, 3)),
		};
	return sql_end(&r);
}

static enum err_code read_job_end(struct tx *t, struct hook *h, struct err *e)
{
	struct sql_rows r = sql_query(t->db, "SELECT seq, tenant, ended_ms FROM job WHERE no = $1",
		SQL(sql_i(h->job)), e);

	if (sql_next(&r)) {
		h->last = sql_int(&r, 0);
		h->tenant = sql_int(&r, 1);
		h->ended = !sql_is_null(&r, 2);
	}
	return sql_end(&r);
}

/* A page of events; h->seq is how far it came. */
static enum err_code read_wanted(struct tx *t, struct hook *h, struct wanted v[PAGE], size_t *ret_n,
	struct err *e)
{
	size_t n = 0, seen = 0;
	struct sql_rows r = sql_query(t->db,
		"SELECT seq, type FROM event WHERE job = $1 AND seq > $2 AND seq <= $3"
		" ORDER BY seq LIMIT $4",
		SQL(sql_i(h->job), sql_i(h->seq), sql_i(h->last), sql_i(PAGE)), e);

	for (; seen < PAGE && sql_next(&r); seen++) {
		h->seq = sql_int(&r, 0);
		if (h->events >> sql_int(&r, 1) & 1)
			v[n++] = (struct wanted){ h->seq, sql_int(&r, 1) };
	}
	*ret_n = n;
	return sql_end(&r);
}

static enum err_code make(struct tx *t, const struct hook *h, const struct wanted *w, struct err *e)
{
	return sql_run(t->db,
		"INSERT INTO delivery (tenant, job, seq, type, host, state, tries, step, next_ms, lent,"
		" lease, created_ms) VALUES ($1, $2, $3, $4, $5, 0, 0, 0, $6, 0, 0, $6)"
		" ON CONFLICT (job, seq) DO NOTHING",
		SQL(sql_i(h->tenant), sql_i(h->job), sql_i(w->seq), sql_i(w->type), sql_t(h->host),
			sql_i(t->now_ms)),
		NULL, e);
}

static enum err_code follow(struct tx *t, struct hook *h, struct err *e)
{
	struct wanted v[PAGE];
	size_t n = 0;
	enum err_code code = read_job_end(t, h, e);

	if (code == OK)
		code = read_wanted(t, h, v, &n, e);
	for (size_t i = 0; code == OK && i < n; i++)
		code = make(t, h, &v[i], e);
	return code == OK
		? sql_run(t->db, "UPDATE hook SET seq = $1, open = $2 WHERE job = $3",
			  SQL(sql_i(h->seq), sql_i(!h->ended || h->seq < h->last), sql_i(h->job)),
			  NULL, e)
		: code;
}

static enum err_code op_follow(struct tx *t, void *arg, struct err *e)
{
	struct op_follow *op = arg;
	enum err_code code = OK;
	struct hook h = { 0 };
	bool left = false; /* a log is longer than a page */
	size_t i = 0;

	for (; code == OK && i < HOOKS; i++) {
		code = lock_one(t, h.job, &h, e);
		if (code != OK || !h.job)
			break;
		code = follow(t, &h, e);
		left |= h.seq < h.last;
	}
	op->more = left || i == HOOKS;
	return code;
}

enum err_code store_hooks_follow(struct store *s, bool *ret_more, struct err *e)
{
	struct op_follow op = { 0 };
	enum err_code code = s->impl->write(s, op_follow, &op, e);

	if (code == OK)
		*ret_more = op.more;
	return code;
}

/* ---- looking -------------------------------------------------------------------------------- */

struct op_look {
	int64_t behind, next_ms;
};

static enum err_code op_look(struct tx *t, void *arg, struct err *e)
{
	struct op_look *op = arg;

	*op = (struct op_look){ .next_ms = INT64_MAX };
	enum err_code code = sql_get(t->db, "SELECT 1" BEHIND " LIMIT 1", SQL_NONE, &op->behind, e);

	if (code != OK)
		return code;
	return sql_get(t->db,
		"SELECT next_ms FROM delivery WHERE state = 0 ORDER BY next_ms LIMIT 1", SQL_NONE,
		&op->next_ms, e);
}

enum err_code store_hooks_look(struct store *s, bool *ret_behind, int64_t *ret_next_ms,
	struct err *e)
{
	struct op_look op;
	enum err_code code = s->impl->read(s, op_look, &op, e);

	if (code == OK) {
		*ret_behind = op.behind != 0;
		*ret_next_ms = op.next_ms;
	}
	return code;
}
