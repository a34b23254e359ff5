/* SPDX-License-Identifier: MIT
 *
 * Tasks: shared work that items wait for and no job owns. Two that would do the same have the same
 * key, and the unique index on live keys makes the second a joiner of the first.
 */
#include "store/tx.h"

#include "base/url.h"

#include <stdio.h>
#include <string.h>

static void key_of(const struct task_new *n, uint8_t key[SHA256_LEN])
{
	struct sha256 *s = sha256_new();
	uint8_t head[9];

	for (int i = 0; i < 8; i++)
		head[i] = (uint8_t)((uint64_t)n->scope >> (56 - 8 * i));
	head[8] = (uint8_t)n->kind;
	sha256_add(s, head, sizeof head);
	sha256_add(s, n->subject, SHA256_LEN);
	for (size_t i = 0; i < n->digests_n; i++)
		sha256_add(s, n->digests[i], SHA256_LEN);
	sha256_end(s, key);
}

static enum err_code task_insert(struct tx *t, const struct task_new *n,
	const uint8_t key[SHA256_LEN], int64_t *ret_id, struct err *e)
{
	*ret_id = 0;
	return sql_get(t->db,
		"INSERT INTO task (scope, kind, key, subject, state, turn, host, input, step, bytes,"
		" bytes_total, lease, until_ms, tries, crashes, lost)"
		" VALUES ($1, $2, $3, $4, 0, $5, $6, $7, 0, -1, -1, 0, 0, $8, 0, 0)"
		" ON CONFLICT (key) WHERE state < 3 DO NOTHING RETURNING id",
		SQL(sql_i(n->scope), sql_i(n->kind), sql_b(key, SHA256_LEN),
			sql_b(n->subject, SHA256_LEN), sql_i(n->turn), sql_t(n->host),
			sql_t(n->input), sql_i(n->tries)),
		ret_id, e);
}

/* Until we commit it cannot end or be lent without us: who does that locks it for UPDATE. That it gets
 * more urgent is a wish, for which nobody waits. */
static enum err_code task_join(struct tx *t, const struct task_new *n,
	const uint8_t key[SHA256_LEN], int64_t *ret_id, enum task_state *ret_state, struct err *e)
{
	int64_t turn = 0;
	struct sql_rows r = sql_query(t->db,
		"SELECT id, state, turn FROM task WHERE key = $1 AND state < 3" SQL_SHARE,
		SQL(sql_b(key, SHA256_LEN)), e);

	if (sql_next(&r)) {
		*ret_id = sql_int(&r, 0);
		*ret_state = (enum task_state)sql_int(&r, 1);
		turn = sql_int(&r, 2);
	}
	enum err_code code = sql_end(&r);
	if (code != OK || turn <= n->turn || *ret_state == TASK_RUNNING)
		return code;
	return sql_run(t->db,
		"UPDATE task SET turn = $1 WHERE id IN (SELECT id FROM task WHERE id = $2" SQL_PG(
			"FOR NO KEY UPDATE SKIP LOCKED") ")",
		SQL(sql_i(n->turn), sql_i(*ret_id)), NULL, e);
}

enum err_code task_put(struct tx *t, const struct task_new *n, int64_t *ret_id,
	enum task_state *ret_state, bool *ret_joined, struct err *e)
{
	uint8_t key[SHA256_LEN];
	enum err_code code = OK;

	key_of(n, key);
	*ret_id = 0;
	for (*ret_joined = false; code == OK && *ret_id == 0; *ret_joined = !*ret_joined)
		code = *ret_joined ? task_join(t, n, key, ret_id, ret_state, e)
				   : task_insert(t, n, key, ret_id, e);
	*ret_joined = !*ret_joined;
	if (code != OK || !*ret_joined) {
		*ret_state = TASK_READY;
		t->work |= code == OK;
		return code;
	}
	/* Left behind by a canceled job and not begun: it is done for us alone. */
	if (code == OK && *ret_state != TASK_RUNNING)
		code = task_is_wanted(t, *ret_id, ret_joined, e);
	return code;
}

enum err_code task_await(struct tx *t, struct tx_item *it, int64_t id, enum task_state state,
	struct err *e)
{
	it->task = id;
	return item_wait(t, it, state == TASK_RUNNING, e);
}

enum err_code task_find(struct tx *t, int64_t id, struct tx_task **ret, struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT id, scope, lease, kind, state, subject, tries, crashes, lost, input, outcome"
		" FROM task WHERE id = $1" SQL_LOCK,
		SQL(sql_i(id)), e);
	struct tx_task *k = NULL;

	if (sql_next(&r)) {
		k = arena_alloc(t->arena, sizeof *k);
		*k = (struct tx_task){
			.id = sql_int(&r, 0),
			.scope = sql_int(&r, 1),
			.lease = sql_int(&r, 2),
			.kind = (enum task_kind)sql_int(&r, 3),
			.state = (enum task_state)sql_int(&r, 4),
			.tries = (int)sql_int(&r, 6),
			.crashes = (int)sql_int(&r, 7),
			.lost = (int)sql_int(&r, 8),
			.input = arena_strdup(t->arena, sql_text(&r, 9)),
			.outcome = arena_strdup(t->arena, sql_text(&r, 10)),
		};
		sql_bytes(&r, 5, k->subject, SHA256_LEN);
	}
	enum err_code code = sql_end(&r);
	if (code == OK)
		*ret = k;
	return code;
}

/* Jobs are locked before tasks, and these are the ones that will be needed. Who joins from now on is
 * left to a later pass, or makes us begin anew. */
static enum err_code lock_waiting(struct tx *t, int64_t id, struct err *e)
{
	struct tx_job *j;
	struct sql_rows r = sql_query(t->db,
		"SELECT job FROM item WHERE task = $1 UNION SELECT job FROM item"
		" WHERE cut_task = $1 ORDER BY job",
		SQL(sql_i(id)), e);

	while (sql_next(&r)) {
		r.code = tx_job_get(t, sql_int(&r, 0), &j, e);
		if (r.code == ERR_NOT_FOUND)
			r.code = OK;
	}
	return sql_end(&r);
}

enum err_code task_held(struct tx *t, int64_t id, int64_t lease, struct tx_task **ret,
	struct err *e)
{
	struct tx_task *k = NULL;
	/* a batch has locked them already */
	enum err_code code = t->db->locks && !t->batch ? lock_waiting(t, id, e) : OK;

	if (code == OK)
		code = task_find(t, id, &k, e);
	if (code != OK)
		return code;
	if (!k || k->state != TASK_RUNNING || k->lease != lease)
		return err_set(e, ERR_STORE_STALE, "task %lld: lease %lld has moved on",
			(long long)id, (long long)lease);
	*ret = k;
	return OK;
}

enum err_code task_delete(struct tx *t, int64_t id, struct err *e)
{
	return sql_run(t->db, "DELETE FROM task WHERE id = $1", SQL(sql_i(id)), NULL, e);
}

enum err_code task_is_wanted(struct tx *t, int64_t id, bool *ret, struct err *e)
{
	int64_t one = 0;
	enum err_code code = sql_get(t->db,
		"SELECT 1 FROM item WHERE task = $1"
		" UNION ALL SELECT 1 FROM item WHERE cut_task = $1 LIMIT 1",
		SQL(sql_i(id)), &one, e);

	if (code == OK)
		*ret = one == 1;
	return code;
}

/* What politeness counts by: the host, with the port where it is not the scheme's own. */
static const char *host_of(struct tx *t, const char *text)
{
	struct url u;

	if (url_parse(text, t->arena, &u, NULL) != OK || !u.host || !u.host[0])
		return NULL;
	if (u.port == (strcmp(u.scheme, "https") == 0 ? 443 : 80))
		return u.host;
	return arena_printf(t->arena, "%s:%u", u.host, (unsigned)u.port);
}

enum err_code fetch_put(struct tx *t, struct tx_item *it, int64_t scope, const char *headers,
	int tries, int64_t *ret_id, enum task_state *ret_state, bool *ret_joined, struct err *e)
{
	struct fetch_input in = { .url = it->url, .headers = headers, .ref = tx_ref(t, it) };
	autofree char *input = fetch_input_text(&in);
	struct task_new n = {
		.scope = scope,
		.kind = TASK_FETCH,
		.subject = it->source_key,
		.turn = it->job->turn,
		.host = host_of(t, it->url),
		.input = input,
		.tries = tries,
	};

	it->step = STEP_DOWNLOADING;
	return task_put(t, &n, ret_id, ret_state, ret_joined, e);
}

enum err_code fetch_set_input(struct tx *t, int64_t id, const struct fetch_input *in, struct err *e)
{
	autofree char *text = fetch_input_text(in);

	return sql_run(t->db, "UPDATE task SET input = $1 WHERE id = $2",
		SQL(sql_t(text), sql_i(id)), NULL, e);
}
