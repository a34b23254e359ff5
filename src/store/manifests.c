/* SPDX-License-Identifier: MIT
 *
 * Manifests in the blob store: the file that says, once it is there, that a batch is complete. Its name
 * is made of the job's, so that others find it, and a job's name may be used again; that is why all that is
 * done to such a blob goes through one row, and whoever is at it has the row lent for a while. That
 * something is to be done is noted by the transaction that is the reason (a job's end, its deletion),
 * so no crash forgets it, and forgotten only when it was done for the newest reason. Who was slow, and
 * wrote what is no longer right, makes it due once more.
 */
#include "store/operations.h"
#include "store/read.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Small letters only: "_a" stands for "A", "__" for "_". */
void manifest_key(int64_t tenant, const char *job_id, char ret[MANIFEST_KEY_MAX + 1])
{
	int n = snprintf(ret, MANIFEST_KEY_MAX + 1, "jobs/%lld/", (long long)tenant);

	for (const char *p = job_id; *p && n < MANIFEST_KEY_MAX - 20; p++) {
		if (*p == '_' || isupper((unsigned char)*p))
			ret[n++] = '_';
		ret[n++] = (char)tolower((unsigned char)*p);
	}
	snprintf(ret + n, MANIFEST_KEY_MAX + 1 - (size_t)n, "/manifest.json");
}

/* ---- what makes one due ---- */

enum err_code manifest_ended(struct tx *t, struct tx_job *j, struct err *e)
{
	char key[MANIFEST_KEY_MAX + 1];
	enum err_code code;

	if (!t->opts->manifests)
		return OK;
	code = tx_job_public_id(t, j, e);
	if (code != OK)
		return code;
	manifest_key(j->tenant, j->id, key);
	t->manifest = true;
	return sql_run(t->db,
		"INSERT INTO manifest (blob, job, change, due, until_ms) VALUES ($1, $2, 1, 1, 0)"
		" ON CONFLICT (blob) DO UPDATE SET job = excluded.job, change = manifest.change + 1,"
		" due = 1",
		SQL(sql_t(key), sql_i(j->no)), NULL, e);
}

/* What is there stays until the job ends again. */
enum err_code manifest_reopened(struct tx *t, int64_t job, struct err *e)
{
	return sql_run(t->db,
		"UPDATE manifest SET change = change + 1, due = 0 WHERE job > 0 AND job = $1",
		SQL(sql_i(job)), NULL, e);
}

enum err_code manifest_deleted(struct tx *t, int64_t job, struct err *e)
{
	t->manifest = true;
	return sql_run(t->db,
		"UPDATE manifest SET job = 0, change = change + 1, due = 1"
		" WHERE job > 0 AND job = $1",
		SQL(sql_i(job)), NULL, e);
}

/* ---- what is done about it ---- */

static enum err_code lend(struct tx *t, struct op_manifest *op, int64_t *ret_job, struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT blob, change, job FROM manifest WHERE due = 1 AND until_ms <= $1"
		" AND ($2 = 0 OR job = 0) ORDER BY until_ms LIMIT 1" SQL_LOCK_ANY,
		SQL(sql_i(t->now_ms), sql_i(op->deletions)), e);

	op->due = (struct manifest_due){ 0 };
	if (sql_next(&r)) {
		snprintf(op->due.key, sizeof op->due.key, "%s", sql_text(&r, 0));
		op->due.change = sql_int(&r, 1);
		*ret_job = sql_int(&r, 2);
	}
	enum err_code code = sql_end(&r);
	if (code != OK || !op->due.key[0])
		return code;
	return sql_run(t->db, "UPDATE manifest SET until_ms = $1 WHERE blob = $2",
		SQL(sql_i(t->now_ms + op->ms), sql_t(op->due.key)), NULL, e);
}

/* A job that runs again, or is being deleted, says so itself later. */
enum err_code op_manifest_claim(struct tx *t, void *arg, struct err *e)
{
	struct op_manifest *op = arg;
	int64_t no = 0;
	enum err_code code = lend(t, op, &no, e);

	if (code != OK || !no)
		return code;
	code = read_job_by_no(t, no, op->arena, &op->due.job, e);
	if (code != OK || (op->due.job && op->due.job->ended_ms))
		return code;
	code = sql_run(t->db, "UPDATE manifest SET due = 0, until_ms = 0 WHERE blob = $1",
		SQL(sql_t(op->due.key)), NULL, e);
	op->due = (struct manifest_due){ .passed_by = true };
	return code;
}

enum err_code op_manifest_keep(struct tx *t, void *arg, struct err *e)
{
	struct op_manifest *op = arg;
	int64_t changed = 0;
	enum err_code code = sql_run(t->db,
		"UPDATE manifest SET until_ms = $1 WHERE blob = $2 AND change = $3 AND due = 1",
		SQL(sql_i(t->now_ms + op->ms), sql_t(op->due.key), sql_i(op->due.change)), &changed,
		e);

	op->still = changed == 1;
	return code;
}

/* Back to whoever comes, after a while. Only what is still to be done as it was. */
enum err_code op_manifest_later(struct tx *t, void *arg, struct err *e)
{
	struct op_manifest *op = arg;

	return sql_run(t->db, "UPDATE manifest SET until_ms = $1 WHERE blob = $2",
		SQL(sql_i(t->now_ms + op->ms), sql_t(op->due.key)), NULL, e);
}

/* The reason changed while we were at it, so what is there now may be wrong. */
static enum err_code due_again(struct tx *t, const char *key, struct err *e)
{
	t->manifest = true;
	return sql_run(t->db,
		"INSERT INTO manifest (blob, job, change, due, until_ms) VALUES ($1, 0, 1, 1, 0)"
		" ON CONFLICT (blob) DO UPDATE SET change = manifest.change + 1, due = 1,"
		" until_ms = 0",
		SQL(sql_t(key)), NULL, e);
}

enum err_code op_manifest_done(struct tx *t, void *arg, struct err *e)
{
	struct op_manifest *op = arg;
	int64_t changed = 0;
	enum err_code code = op->due.job
		? sql_run(t->db,
			  "UPDATE manifest SET due = 0, until_ms = 0"
			  " WHERE blob = $1 AND change = $2 AND job > 0",
			  SQL(sql_t(op->due.key), sql_i(op->due.change)), &changed, e)
		: sql_run(t->db, "DELETE FROM manifest WHERE blob = $1 AND change = $2 AND job = 0",
			  SQL(sql_t(op->due.key), sql_i(op->due.change)), &changed, e);

	return code == OK && changed == 0 ? due_again(t, op->due.key, e) : code;
}

/* ---- the door ---- */

enum err_code store_manifest_claim(struct store *s, int64_t lease_ms, bool deletions,
	struct arena *a, struct manifest_due *ret, struct err *e)
{
	struct op_manifest op = { .ms = lease_ms, .deletions = deletions, .arena = a };
	enum err_code code;

	do
		code = s->impl->write(s, op_manifest_claim, &op, e);
	while (code == OK && op.due.passed_by);
	if (code == OK)
		*ret = op.due;
	return code;
}

enum err_code store_manifest_keep(struct store *s, const struct manifest_due *d, int64_t lease_ms,
	bool *ret_still, struct err *e)
{
	struct op_manifest op = { .ms = lease_ms, .due = *d };
	enum err_code code = s->impl->write(s, op_manifest_keep, &op, e);

	if (code == OK)
		*ret_still = op.still;
	return code;
}

enum err_code store_manifest_later(struct store *s, const struct manifest_due *d, int64_t wait_ms,
	struct err *e)
{
	struct op_manifest op = { .ms = wait_ms, .due = *d };

	return s->impl->write(s, op_manifest_later, &op, e);
}

enum err_code store_manifest_done(struct store *s, const struct manifest_due *d, struct err *e)
{
	struct op_manifest op = { .due = *d };

	return s->impl->write(s, op_manifest_done, &op, e);
}
