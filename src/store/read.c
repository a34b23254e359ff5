/* SPDX-License-Identifier: MIT
 *
 * The joins of a reader. Rows that an item names may have been collected since: such a variant is
 * left out, such an original is not shown, and the rest of the item stands.
 */
#include "store/read.h"

#include <stdio.h>
#include <string.h>

static void take_names(const struct recipe *r, struct arena *a, struct read_job *ret)
{
	ret->n = r->n;
	ret->names = arena_alloc(a, (r->n + 1) * sizeof *ret->names);
	for (size_t i = 0; i < r->n; i++)
		ret->names[i] = arena_strdup(a, r->variants[i].name);
}

enum err_code read_job_names(struct tx *t, int64_t no, struct arena *a, struct read_job *ret,
	struct err *e)
{
	struct sql_rows r = sql_query(t->db, "SELECT request FROM job WHERE no = $1",
		SQL(sql_i(no)), e);
	struct job_settings s;

	*ret = (struct read_job){ 0 };
	if (sql_next(&r)) {
		r.code = job_settings_parse(sql_text(&r, 0), &s, e);
		if (r.code == OK) {
			take_names(&s.recipe, a, ret);
			ret->apply = s.cut.apply;
			job_settings_done(&s);
		}
	}
	return sql_end(&r);
}

static void take_refs(const json_t *refs, struct arena *a, struct item_row *ret)
{
	size_t n = json_array_size(refs);

	ret->refs = arena_alloc(a, (n + 1) * sizeof *ret->refs);
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(refs, i));
		if (s)
			ret->refs[ret->refs_n++] = arena_strdup(a, s);
	}
}

enum err_code read_extra(const char *extra, struct arena *a, const struct read_job *j,
	struct item_row *ret, struct read_job *ret_names, struct err *e)
{
	struct item_extra x;

	*ret_names = *j;
	if (!extra)
		return OK;
	enum err_code code = item_extra_parse(extra, &x, e);
	if (code != OK)
		return code;
	take_refs(x.refs, a, ret);
	ret->headers = arena_strdup(a, x.headers);
	if (x.metadata) {
		autofree char *text = json_text(x.metadata);
		ret->metadata = arena_strdup(a, text);
	}
	if (x.recipe.n > 0)
		take_names(&x.recipe, a, ret_names);
	if (x.has_cut)
		ret_names->apply = x.cut.apply;
	item_extra_done(&x);
	return OK;
}

enum err_code read_original(struct tx *t, int64_t id, struct arena *a, const struct original **ret,
	struct err *e)
{
	struct tx_original o;
	enum err_code code = original_by_id(t, id, &o, e);

	*ret = NULL;
	if (code != OK || !o.id)
		return code;
	struct original *copy = arena_alloc(a, sizeof *copy);
	*copy = o.data;
	*ret = copy;
	return OK;
}

static enum err_code take_product(struct sql_rows *r, struct variant_row *v)
{
	enum err_code code = product_parse(sql_text(r, 1), &v->product, r->e);

	snprintf(v->product.key, sizeof v->product.key, "%s", sql_text(r, 2));
	sql_bytes(r, 3, v->product.recipe, VARIANT_DIGEST_LEN);
	return code;
}

/* One query for all results of the original, in the order of the item's list. */
enum err_code read_variants(struct tx *t, int64_t original, int64_t cut, const json_t *results,
	const struct read_job *names, struct arena *a, struct item_row *ret, struct err *e)
{
	size_t n = json_array_size(results);

	if (n > names->n)
		n = names->n;
	if (n == 0)
		return OK;
	struct variant_row *v = arena_alloc(a, n * sizeof *v);
	struct sql_rows r = cut
		? sql_query(t->db,
			  "SELECT r.id, r.data, r.blob, r.recipe FROM result c"
			  " JOIN result r ON r.scope = c.scope AND r.sha256 = c.file WHERE c.id = $1",
			  SQL(sql_i(cut)), e)
		: sql_query(t->db,
			  "SELECT r.id, r.data, r.blob, r.recipe FROM original o"
			  " JOIN result r ON r.scope = o.scope AND r.sha256 = o.sha256 WHERE o.id = $1",
			  SQL(sql_i(original)), e);
	while (sql_next(&r))
		for (size_t i = 0; i < n; i++) {
			if (json_integer_value(json_array_get(results, i)) != sql_int(&r, 0))
				continue;
			v[i].name = names->names[i];
			r.code = take_product(&r, &v[i]);
		}
	for (size_t i = 0; i < n; i++)
		if (v[i].name)
			v[ret->variants_n++] = v[i];
	ret->variants = v;
	return sql_end(&r);
}

/* One that an item ended without is not pending any more: there is nothing to say of it. */
enum err_code read_cut(struct tx *t, int64_t cut, bool paid, const struct read_job *j,
	struct arena *a, struct item_row *ret, struct err *e)
{
	struct cut_row row;
	bool ended = ret->state > ITEM_OPEN;

	if (ret->cut == CUT_WANTED && ended)
		ret->cut = CUT_OFF;
	ret->cut_hidden = j->apply == CUT_APPLY_VARIANTS;
	if (ret->cut != CUT_SUCCEEDED)
		return OK;
	enum err_code code = cut_by_id(t, cut, &row, e);
	if (code != OK || !row.id)
		return code;
	struct cut_product *p = arena_alloc(a, sizeof *p);
	*p = row.product;
	if (!paid)
		p->cost = 0;
	ret->cutout = p;
	return OK;
}

enum err_code read_outcome(const char *text, struct arena *a, const struct outcome **ret,
	struct err *e)
{
	*ret = NULL;
	if (!text)
		return OK;
	struct outcome *o = arena_alloc(a, sizeof *o);
	enum err_code code = outcome_parse(text, o, e);
	if (code == OK)
		*ret = o;
	return code;
}
