/* SPDX-License-Identifier: MIT
 *
 * Originals: what origins sent, one row for the same bytes in a scope. The row's `blob` decides
 * where the bytes are; it becomes NULL when a job that did not want its sources kept was the last
 * to need them, and is set again by the next download of the same bytes.
 */
#include "store/tx.h"

#include <stdio.h>
#include <string.h>

#define USED_STEP_MS (60 * 60 * 1000) /* last use is noted to the hour, to spare the writes */

static enum err_code from_row(struct tx *t, struct sql_rows *r, struct tx_original *ret)
{
	enum err_code code = original_parse(sql_text(r, 1), &ret->data, r->e);
	const char *blob = sql_text(r, 2);

	ret->id = sql_int(r, 0);
	ret->used_ms = sql_int(r, 3);
	ret->scope = sql_int(r, 4);
	ret->was = arena_strdup(t->arena, sql_text(r, 1));
	ret->was_blob = arena_strdup(t->arena, blob ? blob : "");
	snprintf(ret->data.key, sizeof ret->data.key, "%s", ret->was_blob);
	return code;
}

enum err_code original_find(struct tx *t, int64_t scope, const uint8_t sha256[SHA256_LEN],
	struct tx_original *ret, struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT id, data, blob, used_ms, scope FROM original WHERE scope = $1 AND sha256 = $2" SQL_SHARE,
		SQL(sql_i(scope), sql_b(sha256, SHA256_LEN)), e);

	*ret = (struct tx_original){ 0 };
	if (sql_next(&r))
		r.code = from_row(t, &r, ret);
	return sql_end(&r);
}

enum err_code original_by_id(struct tx *t, int64_t id, struct tx_original *ret, struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT id, data, blob, used_ms, scope FROM original WHERE id = $1" SQL_SHARE,
		SQL(sql_i(id)), e);

	*ret = (struct tx_original){ 0 };
	if (sql_next(&r))
		r.code = from_row(t, &r, ret);
	return sql_end(&r);
}

enum err_code original_lock(struct tx *t, int64_t id, bool *ret_ours, struct err *e)
{
	int64_t one = 0;
	enum err_code code = t->db->locks
		? sql_get(t->db, "SELECT 1 FROM original WHERE id = $1" SQL_LOCK_ANY,
			  SQL(sql_i(id)), &one, e)
		: OK;

	*ret_ours = one || !t->db->locks;
	return code;
}

/* Its columns as they are to be written: what events told of it is read from them. */
static void columns(struct tx *t, struct tx_original *o)
{
	autojson *j = original_json(&o->data);
	autofree char *text = json_text(j);

	o->was = arena_strdup(t->arena, text);
	o->was_blob = arena_strdup(t->arena, o->data.key);
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

/* Reading locks nothing that others' writing needs. Without the guard, two tasks that end together would
 * both find that nothing was known, and the second would change what readers of the first were told. */
enum err_code original_update(struct tx *t, struct tx_original *o, struct err *e)
{
	const char *was = o->was, *was_blob = o->was_blob;

	columns(t, o);
	return sql_must(t->db,
		"UPDATE original SET data = $1, blob = $2, used_ms = $3"
		" WHERE id = $4 AND data = $5 AND coalesce(blob, '') = $6",
		SQL(sql_t(o->was), sql_t(or_null(o->was_blob)), sql_i(t->now_ms), sql_i(o->id),
			sql_t(was), sql_t(was_blob)),
		1, e);
}

static enum err_code insert(struct tx *t, struct tx_original *o, struct err *e)
{
	columns(t, o);
	o->id = 0;
	return sql_get(t->db,
		"INSERT INTO original (scope, sha256, blob, data, used_ms) VALUES ($1, $2, $3, $4, $5)"
		" ON CONFLICT (scope, sha256) DO NOTHING RETURNING id",
		SQL(sql_i(o->scope), sql_b(o->data.sha256, SHA256_LEN), sql_t(or_null(o->was_blob)),
			sql_t(o->was), sql_i(o->used_ms)),
		&o->id, e);
}

/* The same bytes were there: theirs stand, unless they lost their blob and take ours. */
static enum err_code adopt(struct tx *t, int64_t scope, const struct original *o,
	struct tx_original *have, struct err *e)
{
	if (!o->key[0] || strcmp(have->data.key, o->key) == 0)
		return OK;
	if (have->data.key[0])
		return trash_put(t, o->key, t->now_ms, e);
	snprintf(have->data.key, sizeof have->data.key, "%s", o->key);
	usage_stored(t, scope, have->data.bytes);
	return original_update(t, have, e);
}

enum err_code original_put(struct tx *t, int64_t scope, const struct original *o,
	struct tx_original *ret, struct err *e)
{
	const struct tx_original ours = { .data = *o, .used_ms = t->now_ms, .scope = scope };
	struct tx_original have = ours;
	bool found = false;
	enum err_code code = insert(t, &have, e);

	while (code == OK && !have.id) { /* what is in the way may go before we look at it */
		code = original_find(t, scope, o->sha256, &have, e);
		found = have.id != 0;
		if (code == OK && !found) {
			have = ours;
			code = insert(t, &have, e);
		}
	}
	if (code == OK && found)
		code = adopt(t, scope, o, &have, e);
	if (code == OK && !found && o->key[0])
		usage_stored(t, scope, o->bytes);
	if (code == OK)
		*ret = have;
	return code;
}

enum err_code original_used(struct tx *t, struct tx_original *o, struct err *e)
{
	if (o->used_ms > t->now_ms - USED_STEP_MS)
		return OK;
	o->used_ms = t->now_ms;
	return sql_run(t->db, "UPDATE original SET used_ms = $1 WHERE id = $2",
		SQL(sql_i(t->now_ms), sql_i(o->id)), NULL, e);
}

enum err_code result_used(struct tx *t, int64_t id, int64_t used_ms, struct err *e)
{
	if (used_ms > t->now_ms - USED_STEP_MS)
		return OK;
	return sql_run(t->db, "UPDATE result SET used_ms = $1 WHERE id = $2",
		SQL(sql_i(t->now_ms), sql_i(id)), NULL, e);
}

/* Others that use it at this moment would not be seen: we come back when they are done. */
static enum err_code lock_to_drop(struct tx *t, int64_t id, struct err *e)
{
	int64_t one = 0;
	bool ours;
	enum err_code code = original_lock(t, id, &ours, e);

	if (code != OK || ours)
		return code;
	code = sql_get(t->db, "SELECT 1 FROM original WHERE id = $1", SQL(sql_i(id)), &one, e);
	if (code != OK || !one)
		return code;
	t->db->locks->busy = true;
	return err_set(e, ERR_STORE_UNAVAILABLE, "original %lld: others use it", (long long)id);
}

/* Open items need it, and so do items of jobs that were promised their sources. */
enum err_code original_drop_if_done(struct tx *t, const struct tx_item *it, struct err *e)
{
	struct tx_original o;
	int64_t needed = 0;

	if (it->state <= ITEM_OPEN || it->job->keep_source || !it->original)
		return OK;
	enum err_code code = lock_to_drop(t, it->original, e);
	if (code != OK)
		return code;
	code = sql_get(t->db,
		"SELECT 1 FROM item i JOIN job j ON j.no = i.job WHERE i.original = $1"
		" AND (i.state = 1 OR (j.keep_source = 1 AND j.hidden = 0)) LIMIT 1",
		SQL(sql_i(it->original)), &needed, e);
	if (code == OK && !needed)
		code = original_by_id(t, it->original, &o, e);
	if (code != OK || needed || !o.id || !o.data.key[0])
		return code;
	code = trash_put(t, o.data.key, t->now_ms + t->opts->link_ms, e);
	o.data.key[0] = 0;
	usage_stored(t, o.scope, -o.data.bytes);
	return code == OK ? original_update(t, &o, e) : code;
}
