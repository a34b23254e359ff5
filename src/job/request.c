/* SPDX-License-Identifier: MIT
 *
 * The body of POST /v1/jobs. Every member is one line of a table; URLs are read last, because
 * whether an item's own options are its own depends on the job's.
 */
#include "job/request_impl.h"

#include "base/near.h"

#include <string.h>

#define DEADLINE_MAX_S (30 * 24 * 3600)
#define DEFAULT_PRESET "web"

const struct request_limits request_limits_default = {
	.urls = 10000,
	.variants = VARIANTS_MAX,
	.refs = 32,
	.ref_bytes = 128,
	.url_bytes = 4096,
	.headers = 16,
	.header_bytes = 1024,
	.metadata_bytes = 4096,
	.tag_bytes = 64,
};

struct reading {
	struct request_context c;
	const json_t *urls, *from, *preset, *variants;
};

static void read_urls(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)at, (void)f;
	((struct reading *)dst)->urls = v;
}

static void read_from_job(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct request *r = ((struct reading *)dst)->c.r;
	const char *id;
	if (!read_str(v, JOB_ID_MAX, at, f, &id))
		return;
	if (job_id_is_valid(id))
		r->from_job = arena_strdup(r->arena, id);
	else
		at_fault(f, at, ERR_REQUEST_INVALID, "no job has such an id");
}

static void read_from_status(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	size_t i = read_name(v, item_statuses, ITEM_STATUSES, at, f);
	if (i < ITEM_STATUSES)
		((struct reading *)dst)->c.r->from_status = item_statuses[i];
}

static void read_from(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	static const struct member members[] = { { "job", read_from_job },
		{ "status", read_from_status } };
	struct reading *in = dst;
	struct at job = { .up = at, .name = "job" };
	size_t before = f->n;
	in->from = v;
	members_read(v, members, ARRAY_LEN(members), at, dst, f);
	if (!in->c.r->from_job && f->n == before)
		at_fault(f, &job, ERR_REQUEST_INVALID, "which job's items?");
}

static void read_preset(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)at, (void)f;
	((struct reading *)dst)->preset = v;
}

static void read_variants(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)at, (void)f;
	((struct reading *)dst)->variants = v;
}

static void read_cache(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	static const char *const names[] = {
		[CACHE_MODE_DEFAULT] = "default",
		[CACHE_MODE_RELOAD] = "reload",
		[CACHE_MODE_ONLY] = "only_if_cached",
	};
	size_t i = read_name(v, names, ARRAY_LEN(names), at, f);
	if (i < ARRAY_LEN(names))
		((struct reading *)dst)->c.r->cache = (enum cache_mode)i;
}

static void read_priority(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	const char *names[] = { priority_name(PRIORITY_INTERACTIVE), priority_name(PRIORITY_NORMAL),
		priority_name(PRIORITY_BULK) };
	size_t i = read_name(v, names, ARRAY_LEN(names), at, f);
	if (i < ARRAY_LEN(names))
		((struct reading *)dst)->c.r->priority = (enum priority)i;
}

static void read_deadline(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	int64_t s;
	if (read_int(v, 1, DEADLINE_MAX_S, at, f, &s))
		((struct reading *)dst)->c.r->deadline_ms = s * 1000;
}

static void read_keep_source(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)read_bool(v, at, f, &((struct reading *)dst)->c.r->keep_source);
}

static void read_dry_run(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)read_bool(v, at, f, &((struct reading *)dst)->c.r->dry_run);
}

static void read_background(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct request_context *c = &((struct reading *)dst)->c;
	const struct cut *cut = request_cut(c, v, at, f);
	if (cut)
		c->r->cut = *cut;
}

static void read_webhook(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	request_webhook(&((struct reading *)dst)->c, v, at, f);
}

static void read_tag(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct request_context *c = &((struct reading *)dst)->c;
	const char *tag;
	if (read_str(v, c->lim->tag_bytes, at, f, &tag))
		c->r->tag = arena_strdup(c->r->arena, tag);
}

static void read_metadata(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct request_context *c = &((struct reading *)dst)->c;
	c->r->metadata = request_metadata(c, v, at, f);
}

static const struct member members[] = {
	{ "urls", read_urls },
	{ "from", read_from },
	{ "preset", read_preset },
	{ "variants", read_variants },
	{ "cache", read_cache },
	{ "priority", read_priority },
	{ "deadline", read_deadline },
	{ "keep_source", read_keep_source },
	{ "tag", read_tag },
	{ "metadata", read_metadata },
	{ "background", read_background },
	{ "dry_run", read_dry_run },
	{ "webhook", read_webhook },
};

json_t *request_metadata(struct request_context *c, const json_t *v, const struct at *at,
	struct faults *f)
{
	if (!json_is_object(v)) {
		at_fault(f, at, ERR_REQUEST_INVALID, "must be an object");
		return NULL;
	}
	autofree char *text = json_text(v);
	if (strlen(text) > c->lim->metadata_bytes) {
		at_fault(f, at, ERR_REQUEST_LIMIT, "%zu bytes: the limit is %zu", strlen(text),
			c->lim->metadata_bytes);
		return NULL;
	}
	return json_incref((json_t *)v);
}

const struct cut *request_cut(struct request_context *c, const json_t *v, const struct at *at,
	struct faults *f)
{
	struct cut *cut = arena_alloc(c->r->arena, sizeof(*cut));
	autofree char *pointer = at_pointer(at);
	return cut_parse(v, pointer, cut, f) ? cut : NULL;
}

/* ---- recipes ---- */

static const struct recipe *find_preset(struct request_context *c, const json_t *v,
	const struct at *at, struct faults *f)
{
	const char *name;
	if (!read_str(v, VARIANT_NAME_MAX, at, f, &name))
		return NULL;
	const struct recipe *found = presets_find(c->presets, name);
	const char *near = found ? NULL : presets_nearest(c->presets, name);
	if (near)
		at_fault(f, at, ERR_REQUEST_INVALID, "no preset '%s': did you mean '%s'?", name,
			near);
	else if (!found)
		at_fault(f, at, ERR_REQUEST_INVALID, "no preset '%s': GET /v1/presets lists them",
			name);
	return found;
}

/* Variants of the caller's own live in the request's arena. */
static const struct recipe *own_recipe(struct request_context *c, const json_t *v,
	const struct at *at, struct faults *f)
{
	if (c->lim->only_presets) {
		at_fault(f, at, ERR_REQUEST_UNSUPPORTED, "this server makes presets only");
		return NULL;
	}
	if (json_array_size(v) > c->lim->variants) {
		at_fault(f, at, ERR_REQUEST_LIMIT, "%zu variants: the limit is %zu",
			json_array_size(v), c->lim->variants);
		return NULL;
	}
	autofree char *pointer = at_pointer(at);
	struct recipe parsed;
	if (!recipe_parse(v, pointer, &parsed, f))
		return NULL;
	struct recipe *r = arena_alloc(c->r->arena, sizeof(*r));
	r->variants = arena_alloc(c->r->arena, parsed.n * sizeof(*r->variants));
	r->n = parsed.n;
	memcpy(r->variants, parsed.variants, parsed.n * sizeof(*r->variants));
	recipe_done(&parsed);
	return r;
}

const struct recipe *request_recipe(struct request_context *c, const json_t *preset,
	const json_t *variants, const struct at *at, struct faults *f)
{
	const struct recipe *r = NULL;
	struct at preset_at = { .up = at, .name = "preset" };
	struct at variants_at = { .up = at, .name = "variants" };
	if (preset)
		r = find_preset(c, preset, &preset_at, f);
	if (variants)
		r = own_recipe(c, variants, &variants_at, f);
	return r;
}

static void take_recipe(struct reading *in, const struct at *at, struct faults *f)
{
	struct request *r = in->c.r;
	const struct recipe *recipe = NULL;
	if (in->preset || in->variants)
		recipe = request_recipe(&in->c, in->preset, in->variants, at, f);
	else
		recipe = presets_find(in->c.presets, DEFAULT_PRESET);
	if (!recipe)
		return; /* a fault says why */
	r->recipe = *recipe;
	if (!in->variants)
		r->preset = arena_strdup(r->arena,
			in->preset ? json_string_value(in->preset) : DEFAULT_PRESET);
}

static void take_urls(struct reading *in, const json_t *body, const struct at *at, struct faults *f)
{
	struct at urls = { .up = at, .name = "urls" };
	struct at from = { .up = at, .name = "from" };
	if (in->urls && in->from)
		at_fault(f, &from, ERR_REQUEST_INVALID, "stands in place of urls, not beside them");
	else if (in->urls)
		request_items(&in->c, in->urls, &urls, f);
	else if (json_is_object(body) && !in->from)
		at_fault(f, &urls, ERR_REQUEST_INVALID, "a job needs urls");
}

bool request_parse(const json_t *body, const struct request_limits *lim,
	const struct presets *presets, struct request **ret, struct faults *f)
{
	size_t before = f->n;
	struct at root = { .name = "" };
	struct request *r = mem_new(struct request);
	*r = (struct request){ .arena = arena_new(),
		.priority = PRIORITY_NORMAL,
		.keep_source = true };
	struct reading in = { .c = { .r = r, .lim = lim, .presets = presets } };
	members_read(body, members, ARRAY_LEN(members), &root, &in, f);
	take_recipe(&in, &root, f);
	take_urls(&in, body, &root, f);
	if (f->n != before) {
		request_free(r);
		return false;
	}
	*ret = r;
	return true;
}

int64_t request_max_cost(const struct request *r)
{
	int64_t sum = 0;
	if (r->cut.remove)
		return r->cut.max_cost;
	for (size_t i = 0; i < r->items_n; i++) {
		const struct cut *c = r->items[i].cut;
		sum += c && c->remove ? c->max_cost : 0;
	}
	return sum;
}

void request_free(struct request *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->items_n; i++) {
		json_decref(r->items[i].headers);
		json_decref(r->items[i].metadata);
	}
	json_decref(r->metadata);
	arena_free(r->arena);
	free(r);
}
