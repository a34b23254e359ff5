/* SPDX-License-Identifier: MIT
 *
 * What a report says is held against what was asked for and what the store of blobs has, as far as that
 * goes without decoding a byte: the keys are this lease's, the objects are there and as long as was
 * said, formats and sizes can be those that were asked for. What a function signs is believed beyond
 * that: it was given the work.
 */
#include "results/results_impl.h"

#include <string.h>

#define SPARE_MAX (REPORT_VARIANTS_MAX + 1)

struct check {
	struct results *r;
	const struct report_result *in;
	const struct lent *lent;
	struct arena *a;
	char prefix[REPORT_PREFIX_MAX];
	struct checked *ret;
};

static bool is_below(const char *key, const char *prefix)
{
	size_t n = strlen(prefix);
	return strncmp(key, prefix, n) == 0 && key[n] != '\0' && blob_key_is_good(key);
}

size_t keys_of(struct results *r, const struct report_result *in, const struct task_name *name,
	struct arena *a, const char ***ret)
{
	const char **v = arena_alloc(a, SPARE_MAX * sizeof(*v));
	char prefix[REPORT_PREFIX_MAX];
	size_t n = 0;
	report_key_prefix(r->o.report_key, name, prefix);
	if (in->has_source && is_below(in->source.key, prefix))
		v[n++] = in->source.key;
	for (size_t i = 0; i < in->variants_n; i++)
		if (is_below(in->variants[i].product.key, prefix))
			v[n++] = in->variants[i].product.key;
	*ret = v;
	return n;
}

/* A blob belongs to one row: what goes with the one would be missing from the other. */
static enum err_code check_keys(struct check *c, struct err *e)
{
	const char **keys;
	const struct task_name name = { c->lent->task.id, c->lent->task.lease };
	size_t n = keys_of(c->r, c->in, &name, c->a, &keys);
	for (size_t i = 1; i < n; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(keys[i], keys[k]) == 0)
				return err_set(e, ERR_REQUEST_INVALID,
					"two of what was made have one key");
	return OK;
}

/* The object is there, under a key of this lease, and as long as was said. */
static enum err_code check_object(struct check *c, const char *what, const char *key, int64_t bytes,
	struct err *e)
{
	int64_t there = 0;
	if (!is_below(key, c->prefix))
		return err_set(e, ERR_REQUEST_INVALID,
			"%s: its key does not begin with the task's key_prefix", what);
	enum err_code code = blob_size(c->r->o.blob, key, &there, e);
	if (code == ERR_BLOB_NOT_FOUND)
		return err_set(e, ERR_REQUEST_INVALID, "%s: there is no object '%s%s'", what,
			c->r->prefix, key);
	if (code == OK && there != bytes)
		return err_set(e, ERR_REQUEST_INVALID, "%s: its object has %lld bytes, not %lld",
			what, (long long)there, (long long)bytes);
	return code;
}

static enum err_code check_source(struct check *c, struct err *e)
{
	const struct original *o = &c->in->source;
	const struct event_limits *max = &c->r->o.limits;
	if (max->max_bytes && o->bytes > max->max_bytes)
		return err_set(e, ERR_REQUEST_LIMIT, "source: over %lld bytes",
			(long long)max->max_bytes);
	if (max->max_pixels && (int64_t)o->width * o->height > max->max_pixels)
		return err_set(e, ERR_REQUEST_LIMIT, "source: over %lld pixels",
			(long long)max->max_pixels);
	return check_object(c, "source", o->key, o->bytes, e);
}

/* Sizes that cannot come from these options. What `outside` gives depends on the original. */
static bool can_be(const struct variant *v, const struct product *p)
{
	bool exact = v->width && v->height && !v->without_enlargement && v->fit != FIT_INSIDE &&
		v->fit != FIT_OUTSIDE;
	if (p->width > VARIANT_SIDE_MAX || p->height > VARIANT_SIDE_MAX)
		return false;
	if (exact)
		return p->width == v->width && p->height == v->height;
	if (v->fit == FIT_OUTSIDE)
		return true;
	return (!v->width || p->width <= v->width) && (!v->height || p->height <= v->height);
}

/* Which of the variants asked for this is; -1: none. A name alone says it only where the list of
 * names cannot have changed since they were told. */
static int find_asked(const struct check *c, const struct report_variant *v)
{
	const struct lent *l = c->lent;
	for (size_t i = 0; i < l->recipe.n; i++) {
		if (v->has_recipe
				? memcmp(l->digests[i], v->product.recipe, VARIANT_DIGEST_LEN) == 0
				: l->task.kind == TASK_MAKE &&
					strcmp(l->recipe.variants[i].name, v->name) == 0)
			return (int)i;
	}
	return -1;
}

static enum err_code check_variant(struct check *c, const struct report_variant *v, int asked,
	struct product *ret, struct err *e)
{
	const struct variant *want = &c->lent->recipe.variants[asked];
	const struct product *p = &v->product;
	if (p->format != want->format)
		return err_set(e, ERR_REQUEST_INVALID, "variant '%s': its format is %s, not %s",
			want->name, format_name(p->format), format_name(want->format));
	if (!can_be(want, p))
		return err_set(e, ERR_REQUEST_INVALID, "variant '%s': it cannot be %d × %d",
			want->name, p->width, p->height);
	if (c->r->o.limits.max_output_bytes && p->bytes > c->r->o.limits.max_output_bytes)
		return err_set(e, ERR_REQUEST_LIMIT, "variant '%s': over %lld bytes", want->name,
			(long long)c->r->o.limits.max_output_bytes);
	*ret = *p;
	memcpy(ret->recipe, c->lent->digests[asked], VARIANT_DIGEST_LEN);
	return check_object(c, want->name, p->key, p->bytes, e);
}

static bool is_in(const struct product *v, size_t n, const uint8_t digest[VARIANT_DIGEST_LEN])
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(v[i].recipe, digest, VARIANT_DIGEST_LEN) == 0)
			return true;
	return false;
}

/* Those that are asked for, each once; the others are spare. */
static enum err_code check_variants(struct check *c, struct made *ret, struct err *e)
{
	const struct report_result *in = c->in;
	struct product *v = arena_alloc(c->a, (in->variants_n + 1) * sizeof(*v));
	enum err_code code = OK;
	size_t n = 0;
	for (size_t i = 0; code == OK && i < in->variants_n; i++) {
		int asked = find_asked(c, &in->variants[i]);
		if (asked < 0 || is_in(v, n, c->lent->digests[asked])) {
			if (is_below(in->variants[i].product.key, c->prefix))
				c->ret->spare[c->ret->spare_n++] = in->variants[i].product.key;
			continue;
		}
		code = check_variant(c, &in->variants[i], asked, &v[n++], e);
	}
	*ret = (struct made){ .products = v, .n = n, .outcome = in->outcome };
	return code;
}

/* ---- by kind and status --------------------------------------------------------------------- */

static enum err_code check_fetched(struct check *c, struct err *e)
{
	const struct report_result *in = c->in;
	struct fetched *f = arena_alloc(c->a, sizeof(*f));
	struct made *m = arena_alloc(c->a, sizeof(*m));
	if (!in->has_source)
		return err_set(e, ERR_REQUEST_INVALID, "source: must be there");
	enum err_code code = check_source(c, e);
	if (code == OK)
		code = check_variants(c, m, e);
	*f = (struct fetched){ .original = in->source,
		.etag = in->etag,
		.last_modified = in->last_modified,
		.outcome = in->outcome };
	c->ret->report.fetched = f;
	c->ret->report.made = m->n > 0 ? m : NULL;
	c->ret->report.goes_on = in->status == REPORT_FETCHED;
	return code;
}

static enum err_code check_not_modified(struct check *c, struct err *e)
{
	struct fetched *f = arena_alloc(c->a, sizeof(*f));
	struct fetch_input asked;
	enum err_code code = fetch_input_parse(c->lent->task.input, c->a, &asked, e);
	if (code != OK)
		return code;
	if (!asked.has_original)
		return err_set(e, ERR_REQUEST_INVALID,
			"status: nothing was asked for that could be unchanged");
	*f = (struct fetched){ .not_modified = true,
		.original = asked.original,
		.etag = c->in->etag,
		.last_modified = c->in->last_modified,
		.outcome = c->in->outcome };
	c->ret->report.fetched = f;
	c->ret->report.goes_on = true;
	return OK;
}

/* What decoding has found out of the original may be told along. */
static void learn(const struct original *seen, struct original *o)
{
	if (seen->format == FORMAT_NONE || !seen->width)
		return;
	o->format = seen->format;
	o->width = seen->width;
	o->height = seen->height;
	memcpy(o->thumbhash, seen->thumbhash, sizeof(o->thumbhash));
	memcpy(o->color, seen->color, sizeof(o->color));
}

static enum err_code check_made(struct check *c, struct err *e)
{
	struct made *m = arena_alloc(c->a, sizeof(*m));
	struct make_input asked;
	enum err_code code = check_variants(c, m, e);
	if (code == OK)
		code = make_input_parse(c->lent->task.input, &asked, e);
	if (code != OK)
		return code;
	m->original = asked.original;
	recipe_done(&asked.recipe);
	if (m->n == 0)
		return err_set(e, ERR_REQUEST_INVALID, "variants: none of those asked for");
	if (c->in->has_source)
		learn(&c->in->source, &m->original);
	c->ret->report.made = m;
	return OK;
}

static enum err_code check_failed(struct check *c, struct err *e)
{
	const struct report_result *in = c->in;
	struct outside_report *out = &c->ret->report;
	enum err_code code = OK;
	bool keeps = in->status == REPORT_FAILED && c->lent->task.kind == TASK_FETCH &&
		in->has_source && in->source.key[0];
	if (keeps)
		code = check_source(c, e);
	const char **keys;
	size_t n = keys_of(c->r, in, &(struct task_name){ out->id, out->lease }, c->a, &keys);
	for (size_t i = 0; i < n; i++)
		if (!keeps || strcmp(keys[i], in->source.key) != 0)
			c->ret->spare[c->ret->spare_n++] = keys[i];
	out->found = keeps ? &in->source : NULL;
	out->outcome = in->status == REPORT_FAILED || in->outcome.code != OK ? &in->outcome : NULL;
	out->later = in->status == REPORT_LATER;
	out->after_ms = in->after_ms;
	out->max_tries = c->r->o.max_tries;
	return code;
}

enum err_code check_result(struct results *r, const struct report_result *in,
	const struct lent *lent, struct arena *a, struct checked *ret, struct err *e)
{
	bool fetch = lent->task.kind == TASK_FETCH;
	struct check c = { .r = r, .in = in, .lent = lent, .a = a, .ret = ret };
	report_key_prefix(r->o.report_key, &(struct task_name){ lent->task.id, lent->task.lease },
		c.prefix);
	*ret = (struct checked){ .report = { .id = lent->task.id, .lease = lent->task.lease },
		.spare = arena_alloc(a, SPARE_MAX * sizeof(*ret->spare)) };
	if (check_keys(&c, e) != OK)
		return e->code;
	switch (in->status) {
	case REPORT_FAILED:
	case REPORT_LATER:
		return check_failed(&c, e);
	case REPORT_NOT_MODIFIED:
	case REPORT_FETCHED:
		if (!fetch)
			return err_set(e, ERR_REQUEST_INVALID, "status: '%s' is said of a fetch",
				report_status_name(in->status));
		return in->status == REPORT_FETCHED ? check_fetched(&c, e)
						    : check_not_modified(&c, e);
	case REPORT_SUCCEEDED:
		break;
	}
	return fetch ? check_fetched(&c, e) : check_made(&c, e);
}
