/* SPDX-License-Identifier: MIT
 *
 * What an item still needs once its original is known, asked in one place by plan (a cached
 * source), by the end of a fetch and by the end of a make: nothing more, then it succeeds;
 * variants, then it waits for a make of exactly the missing ones; bytes that were dropped and are
 * needed, to make variants or because the job wants its sources kept, then it fetches again.
 */
#include "store/tx.h"

#include <stdlib.h>
#include <string.h>

#define MAKES_MAX 8 /* in a row for one item */

struct found {
	int64_t id, used_ms;
};

/* All results of these bytes at once: there are few, and one query costs less than one for each. */
static enum err_code find_all(struct tx *t, int64_t scope, const uint8_t sha256[SHA256_LEN],
	const struct tx_recipe *rec, struct found *found, struct err *e)
{
	uint8_t recipe[VARIANT_DIGEST_LEN];
	struct sql_rows r = sql_query(t->db,
		"SELECT id, used_ms, recipe FROM result WHERE scope = $1 AND sha256 = $2",
		SQL(sql_i(scope), sql_b(sha256, SHA256_LEN)), e);

	while (sql_next(&r)) {
		sql_bytes(&r, 2, recipe, sizeof recipe);
		for (size_t i = 0; i < rec->n; i++)
			if (memcmp(rec->digests[i], recipe, sizeof recipe) == 0)
				found[i] = (struct found){ sql_int(&r, 0), sql_int(&r, 1) };
	}
	return sql_end(&r);
}

enum err_code results_find(struct tx *t, int64_t scope, const uint8_t sha256[SHA256_LEN],
	const struct tx_recipe *rec, bool touch, int64_t *ids, size_t *ret_missing, struct err *e)
{
	struct found *found = arena_alloc(t->arena, (rec->n + 1) * sizeof *found);
	enum err_code code = find_all(t, scope, sha256, rec, found, e);

	*ret_missing = 0;
	for (size_t i = 0; code == OK && i < rec->n; i++) {
		ids[i] = found[i].id;
		*ret_missing += ids[i] == 0;
		if (ids[i] && touch)
			code = result_used(t, ids[i], found[i].used_ms, e);
	}
	return code;
}

/* The cut-out's file stands in for the original where variants are made from it. */
static void take_subject(const struct cut_product *p, struct original *ret)
{
	*ret = (struct original){
		.bytes = p->bytes,
		.format = p->format,
		.width = p->width,
		.height = p->height,
	};
	memcpy(ret->key, p->key, sizeof ret->key);
	memcpy(ret->sha256, p->sha256, sizeof ret->sha256);
}

static enum err_code find_cut(struct tx *t, struct tx_item *it, int64_t scope,
	const struct original *o, struct tx_found *ret, struct err *e)
{
	const struct cut *c = ret->recipe.cut;
	bool first = c->apply != CUT_APPLY_CUTOUT;
	enum cut_state state = it->cut_state;
	struct cut_row known = { 0 };
	enum err_code code = OK;

	if (state == CUT_SUCCEEDED && first)
		code = cut_by_id(t, it->cut, &known, e);
	if (code == OK && state == CUT_SUCCEEDED && first && !known.id)
		state = it->cut_state = CUT_WANTED; /* it is gone */
	if (code == OK && state == CUT_WANTED && !it->cut_task)
		code = cut_find(t, scope, o->sha256, c, &ret->cut, e);
	if (code == OK && ret->cut.id) {
		code = result_used(t, ret->cut.id, ret->cut.used_ms, e);
		state = CUT_SUCCEEDED;
		known = ret->cut;
	}
	ret->cut_missing = state == CUT_WANTED;
	ret->cut_first = ret->cut_missing && first;
	ret->is_cut = state == CUT_SUCCEEDED && first;
	if (ret->is_cut)
		take_subject(&known.product, &ret->subject);
	return code;
}

enum err_code item_find(struct tx *t, struct tx_item *it, int64_t scope, const struct original *o,
	struct tx_found *ret, struct err *e)
{
	*ret = (struct tx_found){ .subject = *o };
	enum err_code code = tx_recipe(t, it, &ret->recipe, e);

	if (code == OK && ret->recipe.cut)
		code = find_cut(t, it, scope, o, ret, e);
	ret->missing = ret->recipe.n;
	ret->ids = arena_alloc(t->arena, (ret->recipe.n + 1) * sizeof *ret->ids);
	if (code != OK || ret->cut_first)
		return code;
	return results_find(t, scope, ret->subject.sha256, &ret->recipe, true, ret->ids,
		&ret->missing, e);
}

static const char *ids_text(struct tx *t, const int64_t *ids, size_t n)
{
	CLEANUP(buf_done) struct buf b = BUF_INIT(4096);

	buf_putc(&b, '[');
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s%lld", i ? "," : "", (long long)ids[i]);
	buf_putc(&b, ']');
	return arena_strdup(t->arena, buf_str(&b));
}

/* Success: what earlier steps noted of time stands. */
enum err_code item_succeed(struct tx *t, struct tx_item *it, struct err *e)
{
	struct outcome o = { .download_ms = -1, .process_ms = -1, .store_ms = -1 };
	enum err_code code = it->outcome ? outcome_parse(it->outcome, &o, e) : OK;

	return code == OK ? item_end(t, it, ITEM_SUCCEEDED, &o, e) : code;
}

/* Its variants were to be made from a cut-out that there will not be: what has the background still
 * must not be given out in its place. */
static enum err_code fail_with_cut(struct tx *t, struct tx_item *it, struct err *e)
{
	struct outcome o = { 0 };
	enum err_code code = outcome_parse(it->cut_outcome, &o, e);

	return code == OK ? item_end(t, it, ITEM_FAILED, &o, e) : code;
}

static int by_digest(const void *a, const void *b)
{
	return memcmp(a, b, VARIANT_DIGEST_LEN);
}

static bool seen(const struct tx_recipe *r, const int64_t *ids, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!ids[k] && memcmp(r->digests[k], r->digests[i], VARIANT_DIGEST_LEN) == 0)
			return true;
	return false;
}

/* The missing variants, each digest once: variants for the input, sorted digests for the key. */
static size_t missing_of(struct tx *t, const struct tx_recipe *r, const int64_t *ids,
	struct variant **ret_v, uint8_t (**ret_d)[VARIANT_DIGEST_LEN])
{
	struct variant *v = arena_alloc(t->arena, r->n * sizeof *v);
	uint8_t(*d)[VARIANT_DIGEST_LEN] = arena_alloc(t->arena, r->n * sizeof *d);
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		if (ids[i] || seen(r, ids, i))
			continue;
		v[n] = r->variants[i];
		memcpy(d[n++], r->digests[i], sizeof *d);
	}
	qsort(d, n, sizeof *d, by_digest);
	*ret_v = v;
	*ret_d = d;
	return n;
}

/* To the one who has just fetched: it has the original's bytes at hand, not those of a cut-out. */
static enum err_code lend_at_once(struct tx *t, int64_t id, const struct task_new *n,
	enum task_state *ret_state, struct err *e)
{
	*ret_state = TASK_RUNNING;
	t->lent = (struct task){
		.id = id,
		.lease = 1,
		.scope = n->scope,
		.kind = n->kind,
		.input = arena_strdup(t->arena, n->input),
		.tries = n->tries,
	};
	return sql_run(t->db,
		"UPDATE task SET state = 1, step = 2, lease = 1, owner = $1, until_ms = $2"
		" WHERE id = $3",
		SQL(sql_t(t->lend_owner), sql_i(t->now_ms + t->lend_ms), sql_i(id)), NULL, e);
}

/* Results that are made and never are what is asked for: two versions of bulb disagree. */
static enum err_code give_up(struct tx *t, struct tx_item *it, struct err *e)
{
	struct outcome o = {
		.code = ERR_INTERNAL,
		.stage = "process",
		.download_ms = -1,
		.process_ms = -1,
		.store_ms = -1,
		.detail = "the variants made were not those asked for",
	};

	return item_end(t, it, ITEM_FAILED, &o, e);
}

/* Where others commit at the same time, a make may have ended since we looked for its results, and ours
 * would do its work again: then ours goes, and what it left is looked for anew. */
static enum err_code look_again(struct tx *t, int64_t id, int64_t scope, struct tx_found *f,
	bool *ret_again, struct err *e)
{
	int64_t *ids = arena_alloc(t->arena, (f->recipe.n + 1) * sizeof *ids);
	size_t missing = f->missing;
	enum err_code code = OK;

	*ret_again = false;
	if (!t->db->locks)
		return OK;
	code = results_find(t, scope, f->subject.sha256, &f->recipe, true, ids, &missing, e);
	if (code != OK || missing == f->missing)
		return code;
	*ret_again = true;
	f->ids = ids;
	f->missing = missing;
	return task_delete(t, id, e);
}

/* *ret_again: some of what was missing is there now, and nothing was changed. */
static enum err_code await_make(struct tx *t, struct tx_item *it, int64_t scope, struct tx_found *f,
	int tries, bool *ret_again, struct err *e)
{
	struct make_input in = { .original = f->subject, .ref = tx_ref(t, it) };
	uint8_t(*digests)[VARIANT_DIGEST_LEN];
	enum task_state state;
	int64_t id;
	bool joined;

	*ret_again = false;
	if (tries > MAKES_MAX)
		return give_up(t, it, e);
	in.recipe.n = missing_of(t, &f->recipe, f->ids, &in.recipe.variants, &digests);
	autofree char *input = make_input_text(&in);
	struct task_new n = {
		.scope = scope,
		.kind = TASK_MAKE,
		.subject = f->subject.sha256,
		.turn = it->job->turn,
		.digests = (const uint8_t(*)[SHA256_LEN])digests,
		.digests_n = in.recipe.n,
		.input = input,
		.tries = tries,
	};
	enum err_code code = task_put(t, &n, &id, &state, &joined, e);
	if (code == OK && !joined)
		code = look_again(t, id, scope, f, ret_again, e);
	if (code != OK || *ret_again)
		return code;
	if (!joined)
		it->made += (int)in.recipe.n;
	if (code == OK && !joined && t->lend_owner && !t->lent.id && !f->is_cut)
		code = lend_at_once(t, id, &n, &state, e);
	it->step = STEP_PROCESSING;
	return code == OK ? task_await(t, it, id, state, e) : code;
}

enum err_code item_cache_miss(struct tx *t, struct tx_item *it, struct err *e)
{
	struct outcome o = {
		.code = ERR_CACHE_MISS,
		.stage = "download",
		.download_ms = -1,
		.process_ms = -1,
		.store_ms = -1,
		.detail = "not in the cache, and only_if_cached forbids to fetch it",
	};

	return item_end(t, it, ITEM_FAILED, &o, e);
}

static enum err_code await_fetch(struct tx *t, struct tx_item *it, int64_t scope, int tries,
	struct err *e)
{
	const char *headers;
	enum task_state state;
	int64_t id;
	bool joined;
	enum err_code code = tx_job_settings(t, it->job, e);

	it->original = 0;
	it->results = NULL;
	if (it->cut_state != CUT_OFF) { /* it may come with other bytes */
		it->cut_state = CUT_WANTED;
		it->cut_task = it->cut = 0;
	}
	if (code == OK && it->job->settings.cache == CACHE_MODE_ONLY)

		return item_cache_miss(t, it, e);
	if (code == OK)
		code = tx_headers(t, it, &headers, e);
	if (code == OK)
		code = fetch_put(t, it, scope, headers, tries, &id, &state, &joined, e);
	if (code != OK)
		return code;
	it->cache = joined ? CACHE_COALESCED : -1;
	return task_await(t, it, id, state, e);
}

/* The bytes were dropped. Is that all right with the job, once its variants are there? One that never
 * asks the origin takes what is left. */
static enum err_code wants_bytes(struct tx *t, const struct tx_item *it, bool *ret, struct err *e)
{
	enum err_code code = tx_job_settings(t, it->job, e);

	*ret = code == OK && it->job->keep_source && it->job->settings.cache != CACHE_MODE_ONLY;
	return code;
}

/* Which bytes are still needed that are gone? */
static bool needs_fetch(const struct tx_item *it, const struct tx_found *f,
	const struct tx_original *o)
{
	bool for_cut = f->cut_missing && !it->cut_task;
	bool for_variants = f->missing > 0 && !f->cut_first && !f->subject.key[0];

	return !o->data.key[0] && (for_cut || for_variants);
}

/* Its cut, its variants, or both side by side: neither waits for the other, unless one is made from
 * the other. */
static enum err_code await_rest(struct tx *t, struct tx_item *it, int64_t scope,
	const struct tx_original *o, struct tx_found *f, int tries, struct err *e)
{
	enum task_state cut = TASK_READY;
	enum err_code code = OK;
	bool was_missing = f->missing > 0 && !f->cut_first, again = true;

	if (f->cut_missing && !it->cut_task)
		code = cut_await(t, it, scope, &o->data, f->recipe.cut, &cut, e);
	if (code != OK)
		return code;
	it->step = STEP_PROCESSING;
	while (code == OK && again && f->missing > 0 && !f->cut_first)
		code = await_make(t, it, scope, f, tries, &again, e);
	if (code != OK)
		return code;
	if (was_missing && !again)
		return cut == TASK_RUNNING && it->state == ITEM_OPEN ? item_start(t, it, e) : OK;
	it->task = 0;
	if (was_missing)
		it->results = ids_text(t, f->ids, f->recipe.n);
	if (was_missing && !f->cut_missing)
		return item_succeed(t, it, e);
	if (f->cut_first)
		return item_wait(t, it, cut == TASK_RUNNING, e);
	return item_progress(t, it, e);
}

enum err_code item_resolve(struct tx *t, struct tx_item *it, int64_t scope,
	const struct tx_original *o, int tries, struct err *e)
{
	struct tx_found f;
	bool want = false;

	if (!o->id)
		return await_fetch(t, it, scope, tries, e);
	enum err_code code = item_find(t, it, scope, &o->data, &f, e);
	bool done = f.missing == 0 && !f.cut_missing;
	if (code == OK && f.recipe.cut && it->cut_state == CUT_FAILED &&
		f.recipe.cut->apply != CUT_APPLY_CUTOUT)
		return fail_with_cut(t, it, e);
	if (code == OK && done && !o->data.key[0])
		code = wants_bytes(t, it, &want, e);
	if (code != OK)
		return code;
	if (want || needs_fetch(it, &f, o))
		return await_fetch(t, it, scope, tries, e);
	if (f.cut.id)
		cut_take(t, it, &f.cut);
	if (f.missing == 0)
		it->results = ids_text(t, f.ids, f.recipe.n);
	return done ? item_succeed(t, it, e) : await_rest(t, it, scope, o, &f, tries, e);
}
