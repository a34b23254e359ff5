/* SPDX-License-Identifier: MIT
 *
 * What items ask for: their own options, and the job's for all that those leave open. A job's settings
 * never change, so they are read and parsed once an operation, or once for all operations of a batch.
 */
#include "store/tx.h"

#include <string.h>

static uint8_t (*digests_of(const struct tx *t, struct arena *a,
	const struct recipe *r))[VARIANT_DIGEST_LEN]
{
	uint8_t(*d)[VARIANT_DIGEST_LEN] = arena_alloc(a, r->n * VARIANT_DIGEST_LEN);

	for (size_t i = 0; i < r->n; i++)
		variant_digest(&r->variants[i], t->opts->codecs, d[i]);
	return d;
}

void tx_settings_free(struct tx_settings *list)
{
	for (struct tx_settings *s = list; s; s = s->next)
		job_settings_done(&s->settings);
}

static enum err_code settings_read(struct tx *t, int64_t job, struct tx_settings **ret,
	struct err *e)
{
	struct arena *a = t->batch ? t->batch->arena : t->arena;
	struct tx_settings **list = t->batch ? &t->batch->settings : &t->settings;
	struct job_settings found = { 0 };
	struct sql_rows r = sql_query(t->db, "SELECT request FROM job WHERE no = $1",
		SQL(sql_i(job)), e);

	if (sql_next(&r))
		r.code = job_settings_parse(sql_text(&r, 0), &found, e);
	enum err_code code = sql_end(&r);
	if (code != OK)
		return code;
	struct tx_settings *s = arena_alloc(a, sizeof *s);
	*s = (struct tx_settings){ *list, job, found, digests_of(t, a, &found.recipe) };
	*ret = *list = s;
	return OK;
}

enum err_code tx_job_settings(struct tx *t, struct tx_job *j, struct err *e)
{
	struct tx_settings *s = t->batch ? t->batch->settings : t->settings;
	enum err_code code = OK;

	if (j->has_recipe)
		return OK;
	while (s && s->job != j->no)
		s = s->next;
	if (!s)
		code = settings_read(t, j->no, &s, e);
	if (code != OK)
		return code;
	j->settings = s->settings;
	j->digests = s->digests;
	j->has_recipe = true;
	return OK;
}

/* An item's own options are copied into the arena: few items have any. */
static enum err_code own_options(struct tx *t, const struct tx_item *it, struct tx_recipe *ret,
	struct err *e)
{
	struct item_extra x;
	enum err_code code = item_extra_parse(it->extra, &x, e);

	if (code != OK)
		return code;
	if (x.recipe.n > 0) {
		struct variant *v = arena_alloc(t->arena, x.recipe.n * sizeof *v);
		memcpy(v, x.recipe.variants, x.recipe.n * sizeof *v);
		ret->variants = v;
		ret->n = x.recipe.n;
		ret->digests = (const uint8_t(*)[VARIANT_DIGEST_LEN])digests_of(t, t->arena,
			&x.recipe);
	}
	if (x.has_cut) {
		struct cut *c = arena_alloc(t->arena, sizeof *c);
		*c = x.cut;
		ret->cut = c;
	}
	item_extra_done(&x);
	return OK;
}

/* What its own options leave open is the job's. */
static void take_settings(const struct tx_job *j, struct tx_recipe *r)
{
	if (r->n == 0) {
		r->variants = j->settings.recipe.variants;
		r->digests = (const uint8_t(*)[VARIANT_DIGEST_LEN])j->digests;
		r->n = j->settings.recipe.n;
	}
	if (!r->cut)
		r->cut = &j->settings.cut;
}

enum err_code tx_recipe(struct tx *t, const struct tx_item *it, struct tx_recipe *ret,
	struct err *e)
{
	struct tx_recipe own = { 0 };
	enum err_code code = OK;

	if (it->extra)
		code = own_options(t, it, &own, e);
	bool complete = own.n > 0 && (own.cut || it->cut_state == CUT_OFF);
	if (code == OK && !complete)
		code = tx_job_settings(t, it->job, e);
	if (code != OK)
		return code;
	if (!complete)
		take_settings(it->job, &own);
	if (it->cut_state == CUT_OFF)
		own.cut = NULL;
	*ret = own;
	return OK;
}

enum err_code tx_headers(struct tx *t, const struct tx_item *it, const char **ret, struct err *e)
{
	struct item_extra x;

	*ret = NULL;
	if (!it->extra)
		return OK;
	enum err_code code = item_extra_parse(it->extra, &x, e);
	if (code != OK)
		return code;
	*ret = arena_strdup(t->arena, x.headers);
	item_extra_done(&x);
	return OK;
}

const char *tx_ref(struct tx *t, const struct tx_item *it)
{
	struct item_extra x;
	struct err none;

	if (!it->extra || item_extra_parse(it->extra, &x, &none) != OK)
		return NULL;
	const char *ref = arena_strdup(t->arena, json_string_value(json_array_get(x.refs, 0)));
	item_extra_done(&x);
	return ref;
}

int64_t tx_scope(const struct tx *t, const struct tx_item *it, bool has_headers)
{
	return t->opts->share_sources && !has_headers ? 0 : it->job->tenant;
}
