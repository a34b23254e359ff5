/* SPDX-License-Identifier: MIT
 *
 * A batch of operations in one transaction, each in a savepoint of its own. What others did at the same
 * time may end it (a deadlock, a lost connection): then nothing of it stays, and it is run again whole.
 * An operation that met a lock out of turn, or a row that somebody else inserted first, is undone alone
 * and run again in a later batch, which locks the jobs it is known to need before anything else.
 *
 * When the connection is lost while COMMIT is under way, nobody can tell from outside whether it took
 * place. So a transaction that writes also writes its number into the committer's own row; a new
 * connection reads that row, waiting for the old transaction where it is still open, and knows.
 */
#include "store/pg_commit.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "store/sql_pg.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ATTEMPTS_MAX   20    /* of one batch that others get in the way of */
#define AGAIN_MAX      100   /* of one operation */
#define LOST_MAX       3     /* connections in a row */
#define DOUBT_MS       20000 /* how long we try to learn whether a commit took place */
#define BACKOFF_MS     100
#define BACKOFF_MAX_MS 5000
#define KEEP_MARKS_MS  (7 * 24 * 60 * 60 * 1000LL)

static _Atomic int64_t retries;

int64_t committer_retries(void)
{
	return retries;
}

/* ---- connecting ---- */

static void drop(struct pg_committer *c)
{
	sql_free(c->db);
	c->db = NULL;
}

static void pause_ms(struct pg_committer *c, int64_t at_most)
{
	usleep((useconds_t)(1000 + rand_r(&c->seed) % (1000 * (int)at_most)));
}

/* The row that says what this committer has committed. */
static enum err_code make_mark(struct pg_committer *c, struct err *e)
{
	int64_t now = clock_wall_ms();
	enum err_code code = sql_run(c->db,
		"INSERT INTO committer (id, commits, at_ms) VALUES ($1, $2, $3)"
		" ON CONFLICT (id) DO NOTHING",
		SQL(sql_t(c->id), sql_i(c->commits), sql_i(now)), NULL, e);

	if (code == OK)
		code = sql_run(c->db, "DELETE FROM committer WHERE at_ms < $1",
			SQL(sql_i(now - KEEP_MARKS_MS)), NULL, e);
	return code == OK ? pg_wait(sql_pg_conn(c->db), e) : code;
}

enum err_code committer_connect(struct pg_committer *c, struct err *e)
{
	enum err_code code = OK;

	if (c->db)
		return OK;
	if (clock_mono_ms() < c->closed_until_ms)
		return err_set(e, ERR_STORE_UNAVAILABLE, "the database is away");
	code = sql_pg_open(c->url, false, &c->db, e);
	if (code == OK && c->unprepared)
		sql_pg_forget(c->db);
	if (code == OK)
		code = make_mark(c, e);
	if (code == OK) {
		c->backoff_ms = 0;
		return OK;
	}
	drop(c);
	c->backoff_ms = c->backoff_ms ? c->backoff_ms * 2 : BACKOFF_MS;
	if (c->backoff_ms > BACKOFF_MAX_MS)
		c->backoff_ms = BACKOFF_MAX_MS;
	c->closed_until_ms = clock_mono_ms() + c->backoff_ms / 2 +
		rand_r(&c->seed) % (int)c->backoff_ms;
	return code;
}

void committer_done(struct pg_committer *c)
{
	drop(c);
}

/* ---- one operation ---- */

/* Out of turn: the next transaction begins with it. */
static void want_lock(struct op *op, int64_t job)
{
	size_t at = 0;

	while (at < op->locks_n && op->locks[at] < job)
		at++;
	if (at < op->locks_n && op->locks[at] == job)
		return;
	op->locks = mem_realloc(op->locks, op->locks_n + 1, sizeof *op->locks);
	memmove(op->locks + at + 1, op->locks + at, (op->locks_n - at) * sizeof *op->locks);
	op->locks[at] = job;
	op->locks_n++;
}

/* Does the whole transaction end here? */
static bool is_fatal(enum pg_fault f)
{
	return f == PG_LOST || f == PG_SERIAL || f == PG_DEADLOCK || f == PG_UNPREPARED;
}

static enum err_code undo(struct pg_committer *c, const struct sql_locks *before, struct err *e)
{
	struct pg *conn = sql_pg_conn(c->db);
	struct err ignored;

	(void)!pg_wait(conn, &ignored); /* what was posted may have failed, too */
	if (pg_fault(conn) == PG_LOST)
		return err_set(e, ERR_STORE_UNAVAILABLE, "%s", ignored.text);
	enum err_code code = sql_run(c->db, "ROLLBACK TO SAVEPOINT op", SQL_NONE, NULL, e);
	if (code == OK)
		code = pg_wait(conn, e);
	c->db->locks->n = before->n;
	c->db->locks->late = before->late;
	return code;
}

static enum err_code try_op(struct pg_committer *c, struct op *op, struct err *e)
{
	enum err_code code = sql_run(c->db, "SAVEPOINT op", SQL_NONE, NULL, e);

	if (code == OK)
		code = op->fn(&op->tx, op->arg, e);
	if (code == OK)
		code = tx_flush(&op->tx, e);
	if (code == OK)
		code = sql_run(c->db, "RELEASE SAVEPOINT op", SQL_NONE, NULL, e);
	return code == OK ? pg_wait(sql_pg_conn(c->db), e) : code;
}

/* OK: the transaction goes on, whatever became of the operation. */
static enum err_code run_op(struct pg_committer *c, struct op *op, int64_t now_ms,
	struct tx_usages *usage, struct err *e)
{
	struct sql_locks *locks = c->db->locks, before = *locks;
	struct err why;

	tx_init(&op->tx, c->db, c->opts);
	if (!c->opts->clock_ms)
		op->tx.now_ms = now_ms;
	locks->wanted = 0;
	locks->busy = false;
	op->again = false;
	op->code = try_op(c, op, &why);
	if (op->code == OK) {
		usage_merge(usage, &op->tx.usage);
		return OK;
	}
	enum pg_fault fault = pg_fault(sql_pg_conn(c->db));
	if (is_fatal(fault))
		return err_set(e, op->code, "%s", why.text);
	op->again = locks->wanted || locks->busy || fault == PG_UNIQUE || fault == PG_SURPRISE;
	if (locks->wanted)
		want_lock(op, locks->wanted);
	if (op->again)
		retries++;
	if (op->again && ++op->tries > AGAIN_MAX)
		op->again = false;
	(void)err_set(op->e, op->code, "%s", why.text);
	return undo(c, &before, e);
}

/* ---- one transaction ---- */

/* A client that vanished must not hold locks for ever; statements know their indexes, whatever the
 * statistics of a young table say. All of it ends with the transaction. */
static enum err_code begin(struct pg_committer *c, int64_t *ret_now_ms, struct err *e)
{
	enum err_code code = sql_run(c->db, "BEGIN", SQL_NONE, NULL, e);

	c->db->locks->n = 0;
	c->db->locks->late = false;
	return code == OK
		? sql_get(c->db,
			  "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,"
			  " set_config('idle_in_transaction_session_timeout', '20s', true),"
			  " set_config('enable_seqscan', 'off', true),"
			  " set_config('plan_cache_mode', 'force_generic_plan', true)",
			  SQL_NONE, ret_now_ms, e)
		: code;
}

static int64_t next_lock(const struct op *batch, int64_t after)
{
	int64_t least = INT64_MAX;

	for (const struct op *op = batch; op; op = op->next)
		for (size_t i = 0; i < op->locks_n; i++)
			if (op->locks[i] > after && op->locks[i] < least)
				least = op->locks[i];
	return least;
}

/* All that operations of this batch are known to need, ascending. */
static enum err_code lock_jobs(struct pg_committer *c, const struct op *batch, struct err *e)
{
	enum err_code code = OK;

	for (int64_t no = next_lock(batch, 0); code == OK && no < INT64_MAX;
		no = next_lock(batch, no))
		code = tx_lock_job(c->db, no, e);
	return code;
}

/* Its last statement but COMMIT. */
static enum err_code write_mark(struct pg_committer *c, int64_t now_ms, struct err *e)
{
	return sql_run(c->db,
		"INSERT INTO committer (id, commits, at_ms) VALUES ($1, $2, $3)"
		" ON CONFLICT (id) DO UPDATE SET commits = excluded.commits, at_ms = excluded.at_ms",
		SQL(sql_t(c->id), sql_i(c->commits + 1), sql_i(now_ms)), NULL, e);
}

/* *ret_doubt: COMMIT was sent, and *ret_wrote: it says so in the committer's row. */
static enum err_code run_all(struct pg_committer *c, struct op *batch, struct tx_usages *usage,
	bool *ret_doubt, bool *ret_wrote, struct err *e)
{
	struct pg *conn = sql_pg_conn(c->db);
	int64_t now_ms = 0, before = pg_changes(conn);
	enum err_code code = begin(c, &now_ms, e);

	if (code == OK)
		code = lock_jobs(c, batch, e);
	for (struct op *op = batch; code == OK && op; op = op->next)
		code = run_op(c, op, now_ms, usage, e);
	*ret_wrote = pg_changes(conn) != before || usage->n > 0;
	if (code == OK)
		code = usage_write(c->db, usage, e);
	if (code == OK && *ret_wrote)
		code = write_mark(c, now_ms, e);
	if (code != OK)
		return code;
	*ret_doubt = true; /* what fails before it keeps COMMIT from being run */
	code = sql_run(c->db, "COMMIT", SQL_NONE, NULL, e);
	return code == OK ? pg_wait(conn, e) : code;
}

/* Did the transaction whose COMMIT was not answered take place? The lock waits for it. */
static enum err_code ask_mark(struct pg_committer *c, bool *ret_done, struct err *e)
{
	int64_t commits = 0;
	enum err_code code = sql_get(c->db,
		"SELECT commits FROM committer WHERE id = $1 FOR UPDATE", SQL(sql_t(c->id)),
		&commits, e);

	*ret_done = code == OK && commits == c->commits + 1;
	return code;
}

static enum err_code settle_doubt(struct pg_committer *c, bool *ret_done, struct err *e)
{
	int64_t until = clock_mono_ms() + DOUBT_MS;
	enum err_code code;

	do {
		c->closed_until_ms = 0;
		code = committer_connect(c, e);
		if (code == OK)
			code = ask_mark(c, ret_done, e);
		if (code == OK)
			return OK;
		drop(c);
		pause_ms(c, 100);
	} while (clock_mono_ms() < until);
	return code;
}

/* ---- until it is committed ---- */

static void undo_all(struct pg_committer *c)
{
	struct pg *conn = sql_pg_conn(c->db);
	struct err ignored;

	(void)!pg_wait(conn, &ignored);
	if (pg_fault(conn) != PG_LOST && pg_in_transaction(conn) &&
		(sql_run(c->db, "ROLLBACK", SQL_NONE, NULL, &ignored) != OK ||
			pg_wait(conn, &ignored) != OK))
		drop(c);
	else if (pg_fault(conn) == PG_LOST)
		drop(c);
}

/* One attempt. *ret_fault: why it failed. */
static enum err_code attempt(struct pg_committer *c, struct op *batch, enum pg_fault *ret_fault,
	struct err *e)
{
	struct tx_usages usage = { 0 };
	bool doubt = false, wrote = false, done = false;
	enum err_code code = run_all(c, batch, &usage, &doubt, &wrote, e);

	usage_done(&usage);
	*ret_fault = code == OK ? PG_FINE : pg_fault(sql_pg_conn(c->db));
	if (code != OK && doubt && wrote && *ret_fault == PG_LOST) {
		drop(c);
		code = settle_doubt(c, &done, e);
		if (code == OK && !done)
			code = err_set(e, ERR_STORE_UNAVAILABLE, "the commit did not take place");
		else if (code != OK)
			*ret_fault = PG_OTHER; /* nobody knows: not to be done twice */
	}
	if (code == OK) {
		c->commits += wrote;
		metric_add(METRIC_COMMITS, wrote, NULL, NULL, NULL);
		return OK;
	}
	for (struct op *op = batch; op; op = op->next)
		tx_done(&op->tx);
	if (c->db)
		undo_all(c);
	return code;
}

enum err_code committer_run(struct pg_committer *c, struct op *batch, struct err *e)
{
	int lost = 0;

	for (int i = 1;; i++) {
		enum pg_fault fault;
		enum err_code code = committer_connect(c, e);
		if (code != OK)
			return ERR_STORE_UNAVAILABLE;
		code = attempt(c, batch, &fault, e);
		if (code == OK)
			return OK;
		c->unprepared |= fault == PG_UNPREPARED;
		if (c->db && c->unprepared)
			sql_pg_forget(c->db);
		lost += fault == PG_LOST;
		if (!is_fatal(fault) || i >= ATTEMPTS_MAX || lost > LOST_MAX)
			return ERR_STORE_UNAVAILABLE;
		retries++;
		pause_ms(c, 5 * i);
	}
}
