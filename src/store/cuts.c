/* SPDX-License-Identifier: MIT
 *
 * Cut-outs as results: a row under the digest of the bytes they were cut from, like any variant,
 * that also has the digest of its own file, under which the variants made from it stand. Which row
 * serves depends on who asks: `auto` takes what any engine made that it would have come to itself.
 */
#include "store/tx.h"

#include <stdio.h>
#include <string.h>

static enum err_code row_read(struct sql_rows *r, struct cut_row *ret)
{
	enum err_code code = cut_product_parse(sql_text(r, 2), &ret->product, r->e);

	ret->id = sql_int(r, 0);
	ret->used_ms = sql_int(r, 1);
	snprintf(ret->product.key, sizeof ret->product.key, "%s", sql_text(r, 3));
	sql_bytes(r, 4, ret->product.digest, SHA256_LEN);
	return code;
}

enum err_code cut_by_id(struct tx *t, int64_t id, struct cut_row *ret, struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT id, used_ms, data, blob, recipe FROM result"
		" WHERE id = $1 AND file IS NOT NULL" SQL_SHARE,
		SQL(sql_i(id)), e);

	*ret = (struct cut_row){ 0 };
	if (sql_next(&r))
		r.code = row_read(&r, ret);
	return sql_end(&r);
}

enum err_code cut_by_file(struct tx *t, int64_t scope, const uint8_t file[SHA256_LEN], int64_t *ret,
	struct err *e)
{
	*ret = 0;
	return sql_get(t->db, "SELECT id FROM result WHERE scope = $1 AND file = $2" SQL_SHARE,
		SQL(sql_i(scope), sql_b(file, SHA256_LEN)), ret, e);
}

/* ---- which one serves ---- */

/* For auto, best first: what was paid for is there, a flat ground needs no model. */
static const enum cut_engine engines[] = { CUT_REMOTE, CUT_FLAT, CUT_LOCAL };

struct wanted {
	bool there[ARRAY_LEN(engines)];
	uint8_t digest[ARRAY_LEN(engines)][SHA256_LEN];
	struct cut_row found[ARRAY_LEN(engines)];
};

static void wanted_init(struct wanted *w, const struct cut *c, const struct cut_site *site)
{
	*w = (struct wanted){ 0 };
	for (size_t i = 0; i < ARRAY_LEN(engines); i++)
		w->there[i] = (c->engine == CUT_AUTO || c->engine == engines[i]) &&
			cut_digest(c, engines[i], site, w->digest[i]);
}

static void wanted_take(struct wanted *w, const struct cut_row *row)
{
	for (size_t i = 0; i < ARRAY_LEN(engines); i++)
		if (w->there[i] && memcmp(w->digest[i], row->product.digest, SHA256_LEN) == 0)
			w->found[i] = *row;
}

/* Would auto have stopped here, and why? */
static bool auto_serves(const struct cut *c, const struct cut_site *site, const struct cut_row *row,
	enum cut_reason *ret)
{
	if (row->product.engine == CUT_REMOTE)
		*ret = cut_model_ident(site, c->model) ? CUT_REASON_UNSURE : CUT_REASON_NO_MODEL;
	else if (row->product.engine == CUT_FLAT)
		*ret = CUT_REASON_FLAT;
	else if (row->product.confidence >= site->threshold)
		*ret = CUT_REASON_CONFIDENT;
	else if (!site->provider)
		*ret = CUT_REASON_NO_PROVIDER;
	else if (c->max_cost == 0)
		*ret = CUT_REASON_UNPAID;
	else
		return false;
	return true;
}

static void choose(const struct wanted *w, const struct cut *c, const struct cut_site *site,
	struct cut_row *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
		enum cut_reason reason = CUT_REASON_ASKED;
		if (!w->found[i].id)
			continue;
		if (c->engine == CUT_AUTO && !auto_serves(c, site, &w->found[i], &reason))
			continue;
		*ret = w->found[i];
		ret->reason = reason;
		return;
	}
}

enum err_code cut_find(struct tx *t, int64_t scope, const uint8_t sha256[SHA256_LEN],
	const struct cut *c, struct cut_row *ret, struct err *e)
{
	struct wanted w;
	struct cut_row row;

	*ret = (struct cut_row){ 0 };
	if (!t->opts->cuts)
		return OK;
	wanted_init(&w, c, t->opts->cuts);
	struct sql_rows r = sql_query(t->db,
		"SELECT id, used_ms, data, blob, recipe FROM result"
		" WHERE scope = $1 AND sha256 = $2 AND file IS NOT NULL" SQL_SHARE,
		SQL(sql_i(scope), sql_b(sha256, SHA256_LEN)), e);
	while (sql_next(&r)) {
		r.code = row_read(&r, &row);
		if (r.code == OK)
			wanted_take(&w, &row);
	}
	enum err_code code = sql_end(&r);
	if (code == OK)
		choose(&w, c, t->opts->cuts, ret);
	return code;
}

/* ---- making and taking one ---- */

enum err_code cut_put(struct tx *t, const struct tx_task *k, const struct cut_product *p,
	int64_t *ret, struct err *e)
{
	autojson *j = cut_product_json(p);
	autofree char *text = json_text(j);
	enum err_code code;

	*ret = 0;
	code = sql_get(t->db,
		"INSERT INTO result (scope, sha256, recipe, blob, data, used_ms, file)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7)"
		" ON CONFLICT (scope, sha256, recipe) DO NOTHING RETURNING id",
		SQL(sql_i(k->scope), sql_b(k->subject, SHA256_LEN), sql_b(p->digest, SHA256_LEN),
			sql_t(p->key), sql_t(text), sql_i(t->now_ms), sql_b(p->sha256, SHA256_LEN)),
		ret, e);
	if (code == OK && *ret)
		usage_stored(t, k->scope, p->bytes);
	if (code != OK || *ret)
		return code;
	code = sql_get(t->db,
		"SELECT id FROM result WHERE scope = $1 AND sha256 = $2 AND recipe = $3",
		SQL(sql_i(k->scope), sql_b(k->subject, SHA256_LEN), sql_b(p->digest, SHA256_LEN)),
		ret, e);
	return code == OK ? trash_put(t, p->key, t->now_ms, e) : code;
}

void cut_take(struct tx *t, struct tx_item *it, const struct cut_row *c)
{
	it->cut_state = CUT_SUCCEEDED;
	it->cut_reason = c->reason;
	it->cut = c->id;
	it->cut_outcome = NULL;
	if (c->product.engine != CUT_REMOTE || it->charge)
		return;
	struct usage_row *u = usage_of(t, it->job->tenant);
	it->job->savings.paid_calls++;
	it->job->dirty = true;
	t->tally.saved.paid_calls++;
	u->saved.paid_calls++;
	u->saved_cost += c->product.cost;
}

enum err_code cut_await(struct tx *t, struct tx_item *it, int64_t scope, const struct original *o,
	const struct cut *c, enum task_state *ret, struct err *e)
{
	struct cut_input in = { .original = *o, .cut = *c, .ref = tx_ref(t, it) };
	uint8_t digest[SHA256_LEN];
	autofree char *input = cut_input_text(&in);
	bool joined;

	cut_task_digest(c, t->opts->cuts, digest);
	struct task_new n = {
		.scope = scope,
		.kind = TASK_CUT,
		.subject = o->sha256,
		.turn = it->job->turn,
		.digests = (const uint8_t(*)[SHA256_LEN])digest,
		.digests_n = 1,
		.input = input,
	};
	return task_put(t, &n, &it->cut_task, ret, &joined, e);
}
