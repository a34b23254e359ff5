/* SPDX-License-Identifier: MIT
 *
 * Deliveries: lent, ended, listed, asked for again. Whoever changes rows of a hook as well locks the hook
 * first. A delivery that is pending is due at next_ms; while it is lent that is when its lease ends, so
 * what a killed process had in hand comes back by itself.
 */
#include "store/hooks.h"
#include "store/read.h"

#include <string.h>

#define HOSTS 64 /* looked at for one claim */

#define COLUMNS                                                                                    \
	"d.no, d.tenant, d.job, d.seq, d.type, d.host, d.state, d.lent, d.tries, d.step,"          \
	" d.next_ms, d.lease, d.created_ms, d.last_ms, d.status, d.detail"

/* Columns from 0; url and the job's id come after them. */
static struct delivery delivery_row(struct sql_rows *r, struct arena *a)
{
	return (struct delivery){
		.no = sql_int(r, 0),
		.tenant = sql_int(r, 1),
		.job_no = sql_int(r, 2),
		.seq = sql_int(r, 3),
		.type = (enum event_type)sql_int(r, 4),
		.host = arena_strdup(a, sql_text(r, 5)),
		.state = (enum delivery_state)sql_int(r, 6),
		.lent = sql_int(r, 7) != 0,
		.tries = (int)sql_int(r, 8),
		.step = (int)sql_int(r, 9),
		.next_ms = sql_int(r, 10),
		.lease = sql_int(r, 11),
		.created_ms = sql_int(r, 12),
		.last_ms = sql_int(r, 13),
		.status = (int)sql_int(r, 14),
		.detail = arena_strdup(a, sql_text(r, 15)),
		.url = arena_strdup(a, sql_text(r, 16)),
		.job = arena_strdup(a, sql_text(r, 17)),
	};
}

/* ---- lending -------------------------------------------------------------------------------- */

struct op_claim_deliveries {
	const struct delivery_claim *in;
	struct arena *arena;
	struct delivery *v;
	size_t n;
};

static size_t room_at(const struct delivery_claim *c, const char *host)
{
	for (size_t i = 0; i < c->busy_n; i++)
		if (strcmp(c->busy[i].host, host) == 0)
			return c->busy[i].n < c->per_host ? c->per_host - c->busy[i].n : 0;
	return c->per_host;
}

/* The next host, in their order, where anything is due; NULL: none. */
static enum err_code next_host(struct tx *t, const char *after, const char **ret, struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT host FROM delivery WHERE state = 0 AND host > $1 AND next_ms <= $2"
		" ORDER BY host LIMIT 1",
		SQL(sql_t(after), sql_i(t->now_ms)), e);

	*ret = sql_next(&r) ? arena_strdup(t->arena, sql_text(&r, 0)) : NULL;
	return sql_end(&r);
}

static enum err_code due_at(struct tx *t, struct op_claim_deliveries *op, const char *host,
	size_t max, struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT " COLUMNS ", h.url, NULL FROM delivery d JOIN hook h ON h.job = d.job"
		" WHERE d.state = 0 AND d.host = $1 AND d.next_ms <= $2 ORDER BY d.next_ms, d.no"
		" LIMIT $3" SQL_PG("FOR UPDATE OF d SKIP LOCKED"),
		SQL(sql_t(host), sql_i(t->now_ms), sql_i((int64_t)max)), e);

	while (op->n < op->in->max && sql_next(&r))
		op->v[op->n++] = delivery_row(&r, op->arena);
	return sql_end(&r);
}

static enum err_code claim_at(struct tx *t, struct op_claim_deliveries *op, const char *host,
	struct err *e)
{
	size_t room = room_at(op->in, host), from = op->n;
	enum err_code code = OK;

	if (room > op->in->max - op->n)
		room = op->in->max - op->n;
	if (room)
		code = due_at(t, op, host, room, e);
	for (size_t i = from; code == OK && i < op->n; i++) {
		struct delivery *d = &op->v[i];
		d->lease++;
		code = sql_run(t->db,
			"UPDATE delivery SET lease = $1, lent = 1, next_ms = $2 WHERE no = $3",
			SQL(sql_i(d->lease), sql_i(t->now_ms + op->in->lease_ms), sql_i(d->no)),
			NULL, e);
	}
	return code;
}

/* Jobs that are gone, or being deleted, take their deliveries with them: those stay lent until then. */
static enum err_code name_jobs(struct tx *t, struct op_claim_deliveries *op, struct err *e)
{
	enum err_code code = OK;
	size_t kept = 0;

	for (size_t i = 0; code == OK && i < op->n; i++) {
		struct delivery *d = &op->v[i];
		code = read_job_by_no(t, d->job_no, op->arena, &d->of, e);
		if (code != OK || !d->of)
			continue;
		d->job = d->of->id;
		op->v[kept++] = *d;
	}
	op->n = kept;
	return code;
}

static enum err_code op_claim_deliveries(struct tx *t, void *arg, struct err *e)
{
	struct op_claim_deliveries *op = arg;
	const char *host = op->in->after;
	bool from_start = host[0] == '\0';
	enum err_code code = OK;

	op->n = 0;
	op->v = arena_alloc(op->arena, op->in->max * sizeof *op->v);
	for (size_t i = 0; code == OK && i < HOSTS && op->n < op->in->max; i++) {
		code = next_host(t, host, &host, e);
		if (code == OK && !host && !from_start) { /* and from the beginning, once */
			from_start = true;
			host = "";
			continue;
		}
		if (code != OK || !host)
			break;
		code = claim_at(t, op, host, e);
	}
	return code == OK ? name_jobs(t, op, e) : code;
}

enum err_code store_deliveries_claim(struct store *s, const struct delivery_claim *c,
	struct arena *a, struct delivery **ret, size_t *ret_n, struct err *e)
{
	struct op_claim_deliveries op = { .in = c, .arena = a };
	enum err_code code = s->impl->write(s, op_claim_deliveries, &op, e);

	if (code == OK) {
		*ret = op.v;
		*ret_n = op.n;
	}
	return code;
}

/* ---- what became of one --------------------------------------------------------------------- */

static enum err_code lock_hook(struct tx *t, int64_t job, struct err *e)
{
	int64_t one = 0;

	return sql_get(t->db, "SELECT 1 FROM hook WHERE job = $1" SQL_LOCK, SQL(sql_i(job)), &one,
		e);
}

/* It wants no more: what is pending waits for somebody who asks for it. */
static enum err_code disable(struct tx *t, const struct delivery_end *d, struct err *e)
{
	enum err_code code = sql_run(t->db, "UPDATE hook SET open = 0, disabled = 1 WHERE job = $1",
		SQL(sql_i(d->job_no)), NULL, e);

	return code == OK ? sql_run(t->db,
				    "UPDATE delivery SET state = 3, lent = 0 WHERE job = $1"
				    " AND state = 0",
				    SQL(sql_i(d->job_no)), NULL, e)
			  : code;
}

static enum err_code op_give_back(struct tx *t, void *arg, struct err *e)
{
	const struct delivery_end *d = arg;

	return sql_run(t->db,
		"UPDATE delivery SET lent = 0, next_ms = $1 WHERE no = $2 AND lease = $3"
		" AND state = 0",
		SQL(sql_i(t->now_ms + d->wait_ms), sql_i(d->no), sql_i(d->lease)), NULL, e);
}

static enum err_code op_end_delivery(struct tx *t, void *arg, struct err *e)
{
	const struct delivery_end *d = arg;
	bool gone = d->state == DELIVERY_DISABLED;
	int64_t changed = 0;
	enum err_code code = gone ? lock_hook(t, d->job_no, e) : OK;

	if (code == OK)
		code = sql_run(t->db,
			"UPDATE delivery SET state = $1, lent = 0, tries = tries + 1, step = step + 1,"
			" next_ms = $2, last_ms = $3, status = $4, detail = $5"
			" WHERE no = $6 AND lease = $7 AND state = 0",
			SQL(sql_i(d->state), sql_i(t->now_ms + d->wait_ms), sql_i(t->now_ms),
				sql_i_or_null(d->status, d->status != 0), sql_t(d->detail),
				sql_i(d->no), sql_i(d->lease)),
			&changed, e);
	return code == OK && gone && changed ? disable(t, d, e) : code;
}

enum err_code store_delivery_end(struct store *s, const struct delivery_end *d, struct err *e)
{
	struct delivery_end end = *d;

	return s->impl->write(s, d->untried ? op_give_back : op_end_delivery, &end, e);
}

/* Of an embedded store: whoever had them is gone. */
enum err_code deliveries_recover(struct tx *t, struct err *e)
{
	return sql_run(t->db,
		"UPDATE delivery SET lent = 0, next_ms = $1 WHERE state = 0 AND lent = 1",
		SQL(sql_i(t->now_ms)), NULL, e);
}

/* ---- listing -------------------------------------------------------------------------------- */

struct op_deliveries {
	const struct delivery_query *q;
	int64_t tenant, seq;
	const char *job;
	struct arena *arena;
	struct delivery *v;
	size_t n;
};

#define LISTED                                                                                     \
	"SELECT " COLUMNS ", h.url, j.id FROM delivery d JOIN hook h ON h.job = d.job"             \
	" JOIN job j ON j.no = d.job WHERE j.hidden = 0"                                           \
	" AND (j.ended_ms IS NULL OR j.expires_ms > $1) AND d.tenant = $2"

static struct sql_rows list_query(struct tx *t, const struct delivery_query *q, struct err *e)
{
	int64_t before = q->before_no > 0 ? q->before_no : INT64_MAX;

	if (q->job)
		return sql_query(t->db,
			LISTED " AND d.no < $3 AND ($4 < 0 OR d.state = $4) AND j.tenant = $2"
			       " AND j.id = $5 ORDER BY d.no DESC LIMIT $6",
			SQL(sql_i(t->now_ms), sql_i(q->tenant), sql_i(before), sql_i(q->state),
				sql_t(q->job), sql_i((int64_t)q->max)),
			e);
	return sql_query(t->db,
		LISTED " AND d.no < $3 AND ($4 < 0 OR d.state = $4) ORDER BY d.no DESC LIMIT $5",
		SQL(sql_i(t->now_ms), sql_i(q->tenant), sql_i(before), sql_i(q->state),
			sql_i((int64_t)q->max)),
		e);
}

static enum err_code op_deliveries(struct tx *t, void *arg, struct err *e)
{
	struct op_deliveries *op = arg;
	struct sql_rows r = list_query(t, op->q, e);

	op->n = 0;
	op->v = arena_alloc(op->arena, (op->q->max + 1) * sizeof *op->v);
	while (op->n < op->q->max && sql_next(&r))
		op->v[op->n++] = delivery_row(&r, op->arena);
	return sql_end(&r);
}

enum err_code store_deliveries(struct store *s, const struct delivery_query *q, struct arena *a,
	struct delivery **ret, size_t *ret_n, struct err *e)
{
	struct op_deliveries op = { .q = q, .arena = a };
	enum err_code code = s->impl->read(s, op_deliveries, &op, e);

	if (code == OK) {
		*ret = op.v;
		*ret_n = op.n;
	}
	return code;
}

/* ---- once more ------------------------------------------------------------------------------ */

static enum err_code find_one(struct tx *t, struct op_deliveries *op, struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		LISTED " AND j.tenant = $2 AND j.id = $3 AND d.seq = $4",
		SQL(sql_i(t->now_ms), sql_i(op->tenant), sql_t(op->job), sql_i(op->seq)), e);

	op->n = 0;
	if (sql_next(&r)) {
		op->v = arena_alloc(op->arena, sizeof *op->v);
		op->v[op->n++] = delivery_row(&r, op->arena);
	}
	return sql_end(&r);
}

static enum err_code op_redeliver(struct tx *t, void *arg, struct err *e)
{
	struct op_deliveries *op = arg;
	enum err_code code = find_one(t, op, e);

	if (code == OK && op->n == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such delivery");
	if (code == OK)
		code = lock_hook(t, op->v->job_no, e);
	if (code == OK)
		code = sql_run(t->db,
			"UPDATE hook SET disabled = 0, open = 1 WHERE job = $1 AND disabled = 1",
			SQL(sql_i(op->v->job_no)), NULL, e);
	if (code == OK)
		code = sql_run(t->db,
			"UPDATE delivery SET state = 0, lent = 0, step = 0, next_ms = $1,"
			" lease = lease + 1 WHERE no = $2",
			SQL(sql_i(t->now_ms), sql_i(op->v->no)), NULL, e);
	t->work = true; /* so that somebody looks at once */
	return code == OK ? find_one(t, op, e) : code;
}

enum err_code store_redeliver(struct store *s, int64_t tenant, const char *job, int64_t seq,
	struct arena *a, struct delivery **ret, struct err *e)
{
	struct op_deliveries op = { .tenant = tenant, .job = job, .seq = seq, .arena = a };
	enum err_code code = s->impl->write(s, op_redeliver, &op, e);

	if (code == OK)
		*ret = op.v;
	return code;
}
