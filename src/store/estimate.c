/* SPDX-License-Identifier: MIT
 *
 * What a request would do, were it submitted now: the questions that planning asks, without its
 * answers being written anywhere. A URL that has to be asked for may bring other bytes than those
 * that are known, so everything behind it counts as work: the estimate is a most.
 */
#include "store/operations.h"

#include <string.h>

struct asking {
	struct tx *t;
	struct estimate *sum;
	const struct request *q;
	const uint8_t (*job_digests)[VARIANT_DIGEST_LEN];
	int64_t budget; /* what the job may still pay */
};

static const uint8_t (*digests_of(struct tx *t, const struct recipe *r))[VARIANT_DIGEST_LEN]
{
	uint8_t(*d)[VARIANT_DIGEST_LEN] = arena_alloc(t->arena, (r->n + 1) * sizeof *d);

	for (size_t i = 0; i < r->n; i++)
		variant_digest(&r->variants[i], t->opts->codecs, d[i]);
	return (const uint8_t(*)[VARIANT_DIGEST_LEN])d;
}

static struct tx_recipe recipe_of(const struct asking *a, const struct request_item *it)
{
	const struct recipe *own = it->recipe ? it->recipe : &a->q->recipe;
	const struct cut *cut = it->cut ? it->cut : &a->q->cut;

	return (struct tx_recipe){
		.variants = own->variants,
		.n = own->n,
		.digests = it->recipe ? digests_of(a->t, own) : a->job_digests,
		.cut = cut->remove ? cut : NULL,
	};
}

/* Would this cut pay, if nothing of it is there? auto may: what its local result is worth is not
 * known before. */
static bool may_pay(const struct asking *a, const struct cut *c)
{
	const struct cut_site *site = a->t->opts->cuts;
	bool engine = c->engine == CUT_REMOTE || c->engine == CUT_AUTO;

	return engine && site && site->provider && c->max_cost >= site->call_cost &&
		a->budget >= site->call_cost;
}

static enum err_code add_cut(struct asking *a, int64_t scope, const struct original *o,
	const struct cut *c, struct err *e)
{
	bool bought = false;
	enum err_code code = OK;

	a->sum->cutouts++;
	if (!may_pay(a, c))
		return OK;
	if (o)
		code = charge_is_bought(a->t, scope, o->sha256, &bought, e);
	if (code != OK || bought)
		return code;
	a->sum->paid_calls++;
	a->sum->cost += a->t->opts->cuts->call_cost;
	a->budget -= a->t->opts->cuts->call_cost;
	return OK;
}

static enum err_code add_all(struct asking *a, const struct tx_recipe *r, struct err *e)
{
	a->sum->encodes += (int64_t)r->n;
	return r->cut ? add_cut(a, 0, NULL, r->cut, e) : OK;
}

/* The bytes are known: what of them is not made yet? */
static enum err_code add_missing(struct asking *a, int64_t scope, const struct source_row *s,
	const struct tx_recipe *r, struct err *e)
{
	struct original subject = s->original.data;
	struct cut_row cut = { 0 };
	size_t missing = r->n;
	enum err_code code = OK;

	if (r->cut)
		code = cut_find(a->t, scope, subject.sha256, r->cut, &cut, e);
	bool no_cut = r->cut && !cut.id;
	if (code == OK && no_cut)
		code = add_cut(a, scope, &s->original.data, r->cut, e);
	if (cut.id && r->cut->apply != CUT_APPLY_CUTOUT)
		memcpy(subject.sha256, cut.product.sha256, SHA256_LEN);
	if (code == OK && !(no_cut && r->cut->apply != CUT_APPLY_CUTOUT)) {
		int64_t *ids = arena_alloc(a->t->arena, (r->n + 1) * sizeof *ids);
		code = results_find(a->t, scope, subject.sha256, r, false, ids, &missing, e);
	}
	a->sum->encodes += (int64_t)missing;
	if (missing == 0 && !no_cut)
		a->sum->hits++;
	else if (!s->original.data.key[0])
		a->sum->downloads++;
	return code;
}

static enum err_code add_item(struct asking *a, int64_t tenant, const struct request_item *it,
	struct err *e)
{
	bool shared = a->t->opts->share_sources && !it->headers;
	int64_t scope = shared ? 0 : tenant;
	struct tx_recipe r = recipe_of(a, it);
	struct source_row s;
	enum err_code code = source_find(a->t, scope, it->source_key, &s, e);

	if (code != OK)
		return code;
	if (source_is_fresh(a->t, a->q->cache, &s))
		return add_missing(a, scope, &s, &r, e);
	if (a->q->cache == CACHE_MODE_ONLY)
		return OK; /* a miss: it fails, and nothing is done */
	if (s.there && (s.etag || s.last_modified))
		a->sum->revalidations++;
	else
		a->sum->downloads++;
	return add_all(a, &r, e);
}

enum err_code op_estimate(struct tx *t, void *arg, struct err *e)
{
	struct op_estimate *op = arg;
	const struct request *q = op->request;
	struct asking a = { .t = t, .sum = &op->estimate, .q = q };
	enum err_code code = OK;

	op->estimate = (struct estimate){ 0 };
	a.job_digests = digests_of(t, &q->recipe);
	a.budget = request_max_cost(q);
	for (size_t i = 0; code == OK && i < q->items_n; i++)
		code = add_item(&a, op->tenant, &q->items[i], e);
	return code;
}
