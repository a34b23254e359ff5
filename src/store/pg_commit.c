/* SPDX-License-Identifier: MIT
 *
 * A batch of operations in one transaction. What others did at the same time may end it (a deadlock, a
 * lost connection): then nothing of it stays, and it is run again whole. It begins with the jobs that its
 * operations are known to need.
 *
 * Almost always all goes well, and it runs without a thought for what if not: operations leave their jobs
 * and events to the batch (struct tx_batch), and do not wait for what they wrote. An operation that fails
 * before it wrote anything just gets its answer. Whatever else goes wrong has the batch run again, with
 * care: each operation in a savepoint of its own, writing all it does. Then one that met a lock out of
 * turn, or a row that somebody else inserted first, is undone alone, and run again in a later batch.
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

/* As the metrics have it: what others did at the same time, or what lies in between. */
static void count_retry(enum pg_fault fault)
{
	static const char *const reasons[] = {
		[PG_FINE] = "locked",
		[PG_LOST] = "connection",
		[PG_SERIAL] = "serialization",
		[PG_DEADLOCK] = "deadlock",
		[PG_UNIQUE] = "unique",
		[PG_UNPREPARED] = "pooler",
		[PG_SURPRISE] = "changed",
		[PG_OTHER] = "failed",
	};

	retries++;
	metric_add(METRIC_RETRIES, 1, reasons[fault], NULL, NULL);
}

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

/* One attempt at a batch. */
struct attempt {
	struct tx_batch shared;
	struct tx_usages usage;
	int64_t now_ms;
	bool wrote; /* and says so in the committer's row */
	bool doubt; /* COMMIT was sent */
};

static enum err_code try_op(struct pg_committer *c, struct op *op, struct err *e)
{
	enum err_code code = c->careful ? sql_run(c->db, "SAVEPOINT op", SQL_NONE, NULL, e) : OK;

	if (code == OK)
		code = op->fn(&op->tx, op->arg, e);
	if (code == OK)
		code = tx_flush(&op->tx, e);
	if (code == OK && c->careful)
		code = sql_run(c->db, "RELEASE SAVEPOINT op", SQL_NONE, NULL, e);
	return code == OK && c->careful ? pg_wait(sql_pg_conn(c->db), e) : code;
}

static enum err_code begin_op(struct pg_committer *c, struct op *op, struct attempt *a,
	struct err *e)
{
	bool shares = !c->careful && batch_shares(op->fn);

	tx_init(&op->tx, c->db, c->opts);
	if (!c->opts->clock_ms)
		op->tx.now_ms = a->now_ms;
	op->tx.batch = shares ? &a->shared : NULL;
	c->db->locks->wanted = 0;
	c->db->locks->busy = false;
	op->again = false;
	return shares ? OK : batch_write(&a->shared, c->db, e);
}

/* May it be run again, in a later batch? */
static void note_failure(struct op *op, const struct sql_locks *locks, enum pg_fault fault,
	const struct err *why)
{
	op->again = locks->wanted || locks->busy || fault == PG_UNIQUE || fault == PG_SURPRISE;
	if (locks->wanted)
		want_lock(op, locks->wanted);
	if (op->again)
		count_retry(fault);
	if (op->again && ++op->tries > AGAIN_MAX)
		op->again = false;
	(void)err_set(op->e, op->code, "%s", why->text);
}

/* OK: the transaction goes on, whatever became of the operation. */
static enum err_code run_op(struct pg_committer *c, struct op *op, struct attempt *a, struct err *e)
{
	struct pg *conn = sql_pg_conn(c->db);
	struct sql_locks before = *c->db->locks;
	enum err_code code = begin_op(c, op, a, e);
	int64_t wrote = pg_posted(conn) + pg_changes(conn);
	struct err why;

	if (code != OK)
		return code;
	op->code = try_op(c, op, &why);
	if (op->code == OK) {
		usage_merge(&a->usage, &op->tx.usage);
		if (op->tx.batch)
			batch_take(&a->shared, &op->tx);
		return OK;
	}
	enum pg_fault fault = pg_fault(conn);
	if (is_fatal(fault))
		return err_set(e, op->code, "%s", why.text);
	note_failure(op, c->db->locks, fault, &why);
	if (c->careful)
		return undo(c, &before, e);
	return fault == PG_FINE && wrote == pg_posted(conn) + pg_changes(conn)
		? OK
		: err_set(e, op->code, "%s", why.text);
}

/* ---- one transaction ---- */

/* A client that vanished or stopped must not hold up others' jobs; statements know their indexes, whatever the
 * statistics of a young table say. All of it ends with the transaction. */
static enum err_code begin(struct pg_committer *c, int64_t *ret_now_ms, struct err *e)
{
	enum err_code code = sql_run(c->db, "BEGIN", SQL_NONE, NULL, e);

	c->db->locks->n = 0;
	c->db->locks->late = false;
	return code == OK
		? sql_get(c->db,
			  "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,"
			  " set_config('idle_in_transaction_session_timeout', '5s', true),"
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

/* $1 to $64: BATCH_MAX */
#define ALL_OF_THEM                                                                                \
	" IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,"    \
	" $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35,"    \
	" $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51, $52,"    \
	" $53, $54, $55, $56, $57, $58, $59, $60, $61, $62, $63, $64)"

/* Jobs whose items wait for the tasks that end here. Who joins them from now on is left to a later pass,
 * or makes an operation begin anew. */
static enum err_code foresee_jobs(struct pg_committer *c, struct op *batch, struct err *e)
{
	struct sql_value v[BATCH_MAX];
	size_t n = 0;

	for (const struct op *op = batch; op && n < BATCH_MAX; op = op->next) {
		int64_t task = batch_task(op->fn, op->arg);
		if (task)
			v[n++] = sql_i(task);
	}
	if (n == 0)
		return OK;
	while (n < BATCH_MAX)
		v[n++] = sql_i(0);
	struct sql_rows r = sql_query(c->db,
		"SELECT job FROM item WHERE task" ALL_OF_THEM
		" UNION SELECT job FROM item WHERE cut_task" ALL_OF_THEM,
		v, n, e);
	while (sql_next(&r))
		want_lock(batch, sql_int(&r, 0));
	return sql_end(&r);
}

/* All that operations of this batch are known to need, ascending. */
static enum err_code lock_jobs(struct pg_committer *c, struct op *batch, struct attempt *a,
	struct err *e)
{
	enum err_code code = foresee_jobs(c, batch, e);

	for (int64_t no = next_lock(batch, 0); code == OK && no < INT64_MAX;
		no = next_lock(batch, no))
		code = tx_lock_job(&a->shared, c->db, no, e);
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

static enum err_code run_all(struct pg_committer *c, struct op *batch, struct attempt *a,
	struct err *e)
{
	struct pg *conn = sql_pg_conn(c->db);
	int64_t before = pg_changes(conn);
	enum err_code code = begin(c, &a->now_ms, e);

	if (code == OK)
		code = lock_jobs(c, batch, a, e);
	for (struct op *op = batch; code == OK && op; op = op->next)
		code = run_op(c, op, a, e);
	if (code == OK)
		code = batch_write(&a->shared, c->db, e);
	if (code == OK)
		code = pg_wait(conn, e);
	a->wrote = pg_changes(conn) != before || a->usage.n > 0;
	if (code == OK)
		code = usage_write(c->db, &a->usage, e);
	if (code == OK && a->wrote)
		code = write_mark(c, a->now_ms, e);
	if (code != OK)
		return code;
	a->doubt = true; /* what fails before it keeps COMMIT from being run */
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

/* *ret_fault: why it failed. */
static enum err_code attempt(struct pg_committer *c, struct op *batch, enum pg_fault *ret_fault,
	struct err *e)
{
	struct attempt a = { 0 };
	bool done = false;

	batch_init(&a.shared);
	enum err_code code = run_all(c, batch, &a, e);
	usage_done(&a.usage);
	batch_done(&a.shared);
	*ret_fault = code == OK ? PG_FINE : pg_fault(sql_pg_conn(c->db));
	if (code != OK && a.doubt && a.wrote && *ret_fault == PG_LOST) {
		drop(c);
		code = settle_doubt(c, &done, e);
		if (code == OK && !done)
			code = err_set(e, ERR_STORE_UNAVAILABLE, "the commit did not take place");
		else if (code != OK) {
			*ret_fault = PG_OTHER; /* nobody knows: not to be done twice */
			c->careful = true;
		}
	}
	if (code == OK) {
		c->commits += a.wrote;
		metric_add(METRIC_COMMITS, a.wrote, NULL, NULL, NULL);
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

	c->careful = false;
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
		if ((!is_fatal(fault) && c->careful) || i >= ATTEMPTS_MAX || lost > LOST_MAX)
			return ERR_STORE_UNAVAILABLE;
		count_retry(fault);
		if (is_fatal(fault))
			pause_ms(c, 5 * i);
		else
			c->careful = true;
	}
}
