/* SPDX-License-Identifier: MIT
 *
 * How a lent task comes back: fetched, made, failed, or put back for another try. Whoever comes
 * with a lease number that has moved on is refused, so two owners may overlap and one result is
 * recorded.
 */
#include "store/operations.h"

#include <stdio.h>
#include <string.h>

#define CRASHES_MAX 3

static enum err_code source_put(struct tx *t, const struct tx_task *k, int64_t original,
	const struct fetched *f, struct err *e)
{
	return sql_run(t->db,
		"INSERT INTO source (scope, key, original, etag, last_modified, checked_ms)"
		" VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (scope, key) DO UPDATE SET"
		" original = excluded.original, etag = excluded.etag,"
		" last_modified = excluded.last_modified, checked_ms = excluded.checked_ms",
		SQL(sql_i(k->scope), sql_b(k->subject, SHA256_LEN), sql_i(original), sql_t(f->etag),
			sql_t(f->last_modified), sql_i(t->now_ms)),
		NULL, e);
}

/* A 304 came for a copy that has gone meanwhile: ask again, without validators. */
static enum err_code fetch_again(struct tx *t, const struct tx_task *k,
	const struct fetch_input *asked, struct err *e)
{
	struct fetch_input in = { .url = asked->url, .headers = asked->headers };
	enum err_code code = fetch_set_input(t, k->id, &in, e);

	t->work = true;
	if (code != OK)
		return code;
	return sql_run(t->db, "UPDATE task SET state = 0, owner = NULL WHERE id = $1",
		SQL(sql_i(k->id)), NULL, e);
}

/* A 304 may leave out the validators; the ones it confirmed then stand. */
static enum err_code not_modified(struct tx *t, const struct tx_task *k, const struct fetched *f,
	struct tx_original *ret, struct err *e)
{
	struct fetch_input asked;
	enum err_code code = fetch_input_parse(k->input, t->arena, &asked, e);

	*ret = (struct tx_original){ 0 };
	if (code == OK && asked.has_original)
		code = original_find(t, k->scope, asked.original.sha256, ret, e);
	if (code != OK)
		return code;
	if (!ret->id)
		return fetch_again(t, k, &asked, e);
	struct fetched known = {
		.etag = f->etag ? f->etag : asked.etag,
		.last_modified = f->last_modified ? f->last_modified : asked.last_modified,
	};
	code = original_used(t, ret, e);
	return code == OK ? source_put(t, k, ret->id, &known, e) : code;
}

/* The make that was lent at once, as the claim would have answered it. */
static void answer_lent(const struct tx *t, struct op_end *op)
{
	op->make = t->lent;
	op->make.input = arena_strdup(op->arena, t->lent.input);
}

enum err_code op_finish_fetch(struct tx *t, void *arg, struct err *e)
{
	struct op_end *op = arg;
	const struct fetched *f = op->fetched;
	struct tx_original o;
	struct tx_task *k;
	enum err_code code = task_held(t, op->id, op->lease, &k, e);

	if (code != OK)
		return code;
	op->make = (struct task){ 0 };
	op->original = f->original;
	if (f->not_modified) {
		code = not_modified(t, k, f, &o, e);
	} else {
		code = original_put(t, k->scope, &f->original, &o, e);
		if (code == OK)
			code = source_put(t, k, o.id, f, e);
	}
	if (code != OK || !o.id)
		return code;
	op->original = o.data;
	t->lend_owner = op->owner;
	t->lend_ms = op->lease_ms;
	if (!f->not_modified)
		t->work_done = (struct usage_row){ .downloads = 1, .bytes_in = f->original.bytes };
	if (op->made)
		code = brought_put(t, k, &o, op->made, e);
	struct tx_ending end = { TASK_DONE, &o, f->not_modified, .outcome = &f->outcome };
	if (code == OK)
		code = settle_begin(t, k, &end, e);
	answer_lent(t, op);
	return code;
}

/* ---- make ---- */

/* Variants of an original, or of a cut-out. What was deleted meanwhile takes with it what was made
 * of it. */
static enum err_code subject_is_there(struct tx *t, const struct tx_task *k, int64_t original,
	bool *ret, struct err *e)
{
	int64_t cut = 0;
	enum err_code code = original ? OK : cut_by_file(t, k->scope, k->subject, &cut, e);

	*ret = original || cut;
	return code;
}

enum err_code result_put(struct tx *t, int64_t scope, const uint8_t sha256[SHA256_LEN],
	const struct product *p, struct err *e)
{
	autojson *j = product_json(p);
	autofree char *text = json_text(j);
	int64_t id = 0;
	enum err_code code = sql_get(t->db,
		"INSERT INTO result (scope, sha256, recipe, blob, data, used_ms)"
		" VALUES ($1, $2, $3, $4, $5, $6)"
		" ON CONFLICT (scope, sha256, recipe) DO NOTHING RETURNING id",
		SQL(sql_i(scope), sql_b(sha256, SHA256_LEN), sql_b(p->recipe, VARIANT_DIGEST_LEN),
			sql_t(p->key), sql_t(text), sql_i(t->now_ms)),
		&id, e);

	if (code == OK && id)
		usage_stored(t, scope, p->bytes);
	if (code != OK || id)
		return code;
	return trash_put(t, p->key, t->now_ms, e);
}

/* What decoding found out of the original. */
static enum err_code learn(struct tx *t, const struct tx_task *k, const struct original *seen,
	struct tx_original *ret, struct err *e)
{
	enum err_code code = original_find(t, k->scope, k->subject, ret, e);

	if (code != OK || !ret->id || !original_learn(&ret->data, seen))
		return code;
	return original_update(t, ret, e);
}

enum err_code op_finish_make(struct tx *t, void *arg, struct err *e)
{
	struct op_end *op = arg;
	struct tx_original o = { 0 };
	struct tx_task *k;
	enum err_code code = task_held(t, op->id, op->lease, &k, e);

	bool there = false;
	if (code == OK)
		code = learn(t, k, &op->made->original, &o, e);
	if (code == OK)
		code = subject_is_there(t, k, o.id, &there, e);
	for (size_t i = 0; code == OK && i < op->made->n; i++) {
		const struct product *p = &op->made->products[i];
		t->work_done.encodes++;
		t->work_done.bytes_out += p->bytes;
		code = there ? result_put(t, k->scope, k->subject, p, e)
			     : trash_put(t, p->key, t->now_ms, e);
	}
	t->work_done.cpu_ms = op->made->outcome.cpu_ms;
	struct tx_ending end = { TASK_DONE, &o, .outcome = &op->made->outcome };
	return code == OK ? settle_begin(t, k, &end, e) : code;
}

/* ---- cut ---- */

enum err_code op_finish_cut(struct tx *t, void *arg, struct err *e)
{
	struct op_end *op = arg;
	const struct cut_made *m = op->cut_made;
	struct outcome none = m->outcome;
	struct tx_original o = { 0 };
	struct tx_task *k;
	int64_t cut = 0;
	enum err_code code = task_held(t, op->id, op->lease, &k, e);

	if (code == OK)
		code = learn(t, k, &m->original, &o, e);
	if (code == OK && m->state == CUT_SUCCEEDED)
		code = o.id ? cut_put(t, k, &m->product, &cut, e)
			    : trash_put(t, m->product.key, t->now_ms, e);
	if (m->state == CUT_NONE && none.code == OK)
		none.code = ERR_MATTE_NO_FOREGROUND;
	t->work_done = (struct usage_row){ .cutouts = 1,
		.bytes_out = m->product.bytes,
		.cpu_ms = m->outcome.cpu_ms };
	struct tx_ending end = {
		.state = TASK_DONE,
		.original = &o,
		.cut_state = m->state,
		.cut_reason = m->reason,
		.cut = cut,
		.outcome = &none,
	};
	return code == OK ? settle_begin(t, k, &end, e) : code;
}

/* ---- failures ---- */

/* The file of a cut-out: it will be cut again. */
static enum err_code cut_lost(struct tx *t, const struct tx_task *k, struct err *e)
{
	int64_t cut = 0;
	enum err_code code = cut_by_file(t, k->scope, k->subject, &cut, e);

	return code == OK && cut ? result_forget(t, cut, e) : code;
}

/* Its bytes are not where they should be: a retry, or the next job, fetches them again. */
static enum err_code original_lost(struct tx *t, const struct tx_task *k, struct tx_original *o,
	struct err *e)
{
	if (!o->id)
		return cut_lost(t, k, e);
	if (!o->data.key[0])
		return OK;
	o->data.key[0] = 0;
	usage_stored(t, o->scope, -o->data.bytes);
	return original_update(t, o, e);
}

enum err_code task_fail(struct tx *t, struct tx_task *k, const struct outcome *why,
	const struct original *found, struct err *e)
{
	struct tx_original o = { 0 };
	enum err_code code = OK;

	if (k->kind != TASK_FETCH && found)
		code = learn(t, k, found, &o, e);
	else if (k->kind != TASK_FETCH)
		code = original_find(t, k->scope, k->subject, &o, e);
	else if (found)
		code = original_put(t, k->scope, found, &o, e);
	if (code == OK && k->kind != TASK_FETCH && why->code == ERR_BLOB_NOT_FOUND)
		code = original_lost(t, k, &o, e);
	struct tx_ending end = { TASK_FAILED, &o, .outcome = why };
	return code == OK ? settle_begin(t, k, &end, e) : code;
}

enum err_code op_fail(struct tx *t, void *arg, struct err *e)
{
	struct op_end *op = arg;
	struct tx_task *k;
	enum err_code code = task_held(t, op->id, op->lease, &k, e);

	t->work_done.cpu_ms = op->outcome->cpu_ms;
	return code == OK ? task_fail(t, k, op->outcome, op->found, e) : code;
}

static enum err_code crashed_too_often(struct tx *t, struct tx_task *k, const struct outcome *why,
	struct err *e)
{
	struct outcome o = why
		? *why
		: (struct outcome){ .download_ms = -1, .process_ms = -1, .store_ms = -1 };

	o.code = ERR_DECODE_CRASHED;
	o.stage = "process";
	if (!o.detail[0])
		snprintf(o.detail, sizeof o.detail, "the decoder died %d times", CRASHES_MAX);
	return task_fail(t, k, &o, NULL, e);
}

enum err_code op_later(struct tx *t, void *arg, struct err *e)
{
	struct op_end *op = arg;
	struct tx_task *k;
	bool wanted;
	enum err_code code = task_held(t, op->id, op->lease, &k, e);

	if (code == OK && op->crashed && k->crashes + 1 >= CRASHES_MAX)
		return crashed_too_often(t, k, op->outcome, e);
	if (code == OK)
		code = task_is_wanted(t, k->id, &wanted, e);
	if (code == OK && !wanted)
		return task_delete(t, k->id, e);
	if (code == OK)
		code = sql_run(t->db,
			"UPDATE task SET state = 2, owner = NULL, until_ms = $1, tries = tries + $2,"
			" crashes = crashes + $3, bytes = -1, bytes_total = -1 WHERE id = $4",
			SQL(sql_i(op->until_ms), sql_i(op->outcome != NULL), sql_i(op->crashed),
				sql_i(k->id)),
			NULL, e);
	t->work = true;
	return code;
}
