/* SPDX-License-Identifier: MIT
 *
 * Planning: fresh items of the job whose turn is smallest get their tasks, or end at once where the
 * caches hold everything. A job pays its weight for each item that needs work, and the task
 * inherits the turn, so that claims interleave jobs as fairly as planning did.
 *
 * The live fetch is inserted or joined before the caches are looked at: seen the other way round, a
 * fetch that ends in between would be neither live nor in the cache, and be done twice.
 */
#include "store/operations.h"

#include <string.h>

#define PLAN_ITEMS 200  /* that need work, in one transaction */
#define PRICE_MAX  1000 /* of the jobs of a tenant, so many are counted */
#define PLAN_LOOKS 250  /* items looked at, hits included: others wait for this transaction */

enum err_code source_find(struct tx *t, int64_t scope, const uint8_t key[SHA256_LEN],
	struct source_row *ret, struct err *e)
{
	int64_t original = 0;
	struct sql_rows r = sql_query(t->db,
		"SELECT original, etag, last_modified, checked_ms FROM source"
		" WHERE scope = $1 AND key = $2",
		SQL(sql_i(scope), sql_b(key, SHA256_LEN)), e);

	*ret = (struct source_row){ 0 };
	if (sql_next(&r)) {
		original = sql_int(&r, 0);
		ret->etag = arena_strdup(t->arena, sql_text(&r, 1));
		ret->last_modified = arena_strdup(t->arena, sql_text(&r, 2));
		ret->checked_ms = sql_int(&r, 3);
	}
	enum err_code code = sql_end(&r);
	if (code == OK && original)
		code = original_by_id(t, original, &ret->original, e);
	ret->there = ret->original.id != 0;
	return code;
}

bool source_is_fresh(const struct tx *t, enum cache_mode mode, const struct source_row *s)
{
	if (!s->there || mode == CACHE_MODE_RELOAD)
		return false;
	return mode == CACHE_MODE_ONLY || s->checked_ms + t->opts->fresh_ms > t->now_ms;
}

/* Do we hold enough for a 304 to be an answer: the bytes, or all that is made of them for a job that
 * wants no more? */
static enum err_code can_revalidate(struct tx *t, struct tx_item *it, int64_t scope,
	const struct source_row *s, bool *ret, struct err *e)
{
	struct tx_found f = { 0 };

	*ret = false;
	if (!s->there || (!s->etag && !s->last_modified))
		return OK;
	bool bytes = s->original.data.key[0] != 0;
	if (!bytes && it->job->keep_source)
		return OK;
	enum err_code code = bytes ? OK : item_find(t, it, scope, &s->original.data, &f, e);
	*ret = code == OK && f.missing == 0 && !f.cut_missing;
	return code;
}

/* The fetch is ours: it asks with what we know of the copy we hold. The item names that copy, which
 * keeps it from being collected before the answer comes. */
static enum err_code add_validators(struct tx *t, struct tx_item *it, int64_t id,
	const char *headers, const struct source_row *s, struct err *e)
{
	struct fetch_input in = {
		.url = it->url,
		.headers = headers,
		.etag = s->etag,
		.last_modified = s->last_modified,
		.has_original = true,
		.original = s->original.data,
	};

	it->original = s->original.id;
	return fetch_set_input(t, id, &in, e);
}

static enum err_code plan_hit(struct tx *t, struct tx_item *it, int64_t scope, struct source_row *s,
	struct err *e)
{
	it->original = s->original.id;
	it->cache = CACHE_HIT;
	it->planned_ms = t->now_ms;
	enum err_code code = original_used(t, &s->original, e);
	if (code == OK)
		code = item_resolve(t, it, scope, &s->original, 0, e);
	return code == OK ? original_drop_if_done(t, it, e) : code;
}

static enum err_code plan_fetch(struct tx *t, struct tx_item *it, int64_t scope,
	const char *headers, struct err *e)
{
	struct source_row s;
	enum task_state state;
	int64_t id;
	bool joined, can = false;
	enum err_code code = fetch_put(t, it, scope, headers, 0, &id, &state, &joined, e);

	if (code == OK)
		code = source_find(t, scope, it->source_key, &s, e);
	if (code != OK)
		return code;
	if (source_is_fresh(t, it->job->settings.cache, &s)) {
		code = joined ? OK : task_delete(t, id, e);
		return code == OK ? plan_hit(t, it, scope, &s, e) : code;
	}
	if (!joined)
		code = can_revalidate(t, it, scope, &s, &can, e);
	if (code == OK && can)
		code = add_validators(t, it, id, headers, &s, e);
	if (joined)
		it->cache = CACHE_COALESCED;
	return code == OK ? task_await(t, it, id, state, e) : code;
}

static enum err_code plan_cached(struct tx *t, struct tx_item *it, int64_t scope, struct err *e)
{
	struct source_row s;
	enum err_code code = source_find(t, scope, it->source_key, &s, e);

	if (code != OK)
		return code;
	return s.there ? plan_hit(t, it, scope, &s, e) : item_cache_miss(t, it, e);
}

static enum err_code plan_item(struct tx *t, struct tx_item *it, struct err *e)
{
	const char *headers;
	enum err_code code = tx_headers(t, it, &headers, e);

	if (code != OK)
		return code;
	int64_t scope = tx_scope(t, it, headers != NULL);
	if (it->job->settings.cache == CACHE_MODE_ONLY)
		code = plan_cached(t, it, scope, e);
	else
		code = plan_fetch(t, it, scope, headers, e);
	if (code == OK && it->state == ITEM_OPEN)
		it->job->turn += it->job->weight * it->job->price;
	it->job->dirty = true;
	return code;
}

/* A job of a tenant with many pays for each of them, so that tenants get on alike, whatever they cut
 * their work into. */
static enum err_code set_price(struct tx *t, struct tx_job *j, struct err *e)
{
	return sql_get(t->db,
		"SELECT count(*) FROM (SELECT 1 FROM job WHERE tenant = $1 AND ended_ms IS NULL"
		" LIMIT $2) j",
		SQL(sql_i(j->tenant), sql_i(PRICE_MAX)), &j->price, e);
}

struct budget {
	size_t items, looks;
	int64_t waiting; /* most that a job may have */
};

static enum err_code plan_job(struct tx *t, struct tx_job *j, struct budget *b, struct err *e)
{
	struct tx_items l = { 0 };
	enum err_code code = tx_job_settings(t, j, e);

	j->price = 1;
	if (code == OK)
		code = set_price(t, j, e);

	if (code == ERR_INTERNAL) /* its text cannot be read: it must not hold up the others */
		return tx_job_cancel(t, j, code, e);
	if (code == OK)
		code = items_load(t,
			"SELECT " ITEM_COLUMNS " FROM item i WHERE i.job = $1 AND i.state = 0"
			" ORDER BY i.job, i.n LIMIT $2",
			SQL(sql_i(j->no), sql_i(PLAN_ITEMS)), &l, e);
	if (code == OK && l.n == 0) /* or it would be looked at again, for ever */
		return job_lose_items(t, j, ITEM_FAILED, e);
	for (size_t i = 0; code == OK && i < l.n; i++) {
		if (!b->items || !b->looks || j->waiting >= b->waiting || j->fresh == 0)
			break;
		code = plan_item(t, &l.v[i], e);
		b->looks--;
		if (l.v[i].state == ITEM_OPEN)
			b->items--;
	}
	return code;
}

/* Jobs of this very operation are not written yet: their rows still say what they said before, so
 * the turn of a job that was planned is written at once. */
static enum err_code next_job(struct tx *t, const struct budget *b, struct tx_job **ret,
	struct err *e)
{
	int64_t no = 0;
	enum err_code code = tx_flush(t, e);

	*ret = NULL;
	if (code == OK)
		code = sql_get(t->db,
			"SELECT no FROM job WHERE fresh > 0 AND cancel IS NULL AND waiting < $1"
			" ORDER BY turn, no LIMIT 1" SQL_LOCK_ANY,
			SQL(sql_i(b->waiting)), &no, e);
	return code == OK && no ? tx_job_get(t, no, ret, e) : code;
}

enum err_code op_plan(struct tx *t, void *arg, struct err *e)
{
	struct op_plan *op = arg;
	struct budget b = { .items = PLAN_ITEMS, .looks = PLAN_LOOKS };
	struct tx_job *j;

	b.waiting = (int64_t)(4 * op->lanes);
	if (b.waiting < (int64_t)t->opts->plan_waiting_min)
		b.waiting = (int64_t)t->opts->plan_waiting_min;
	enum err_code code = next_job(t, &b, &j, e);
	while (code == OK && j && b.items && b.looks) {
		code = plan_job(t, j, &b, e);
		if (code == OK)
			code = next_job(t, &b, &j, e);
	}
	if (code == OK)
		op->more = j != NULL;
	return code;
}
