/* SPDX-License-Identifier: MIT
 *
 * From the JSON of a request to a recipe with its defaults filled in. Every member of a variant is
 * one line of the table; rules that join several members are looked at when all are read.
 */
#include "job/color.h"
#include "job/members.h"
#include "job/words.h"

#include <stdio.h>
#include <string.h>

/* A variant while it is read: what was given decides which rules speak. */
struct reading {
	struct variant v;
	bool has_quality, has_effort;
};

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static void read_variant_name(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct variant *to = &((struct reading *)dst)->v;
	const char *s;
	if (!read_str(v, VARIANT_NAME_MAX, at, f, &s))
		return;
	if (s[strspn(s, NAME_CHARS)] != '\0')
		at_fault(f, at, ERR_REQUEST_INVALID,
			"only A-Z, a-z, 0-9, '_' and '-' may stand in it");
	else
		snprintf(to->name, sizeof(to->name), "%s", s);
}

static void read_side(int *ret, const json_t *v, const struct at *at, struct faults *f)
{
	int64_t n;
	if (!read_int(v, 1, INT32_MAX, at, f, &n))
		return;
	if (n > VARIANT_SIDE_MAX)
		at_fault(f, at, ERR_REQUEST_LIMIT, "%lld pixels: the limit is %d", (long long)n,
			VARIANT_SIDE_MAX);
	else
		*ret = (int)n;
}

static void read_width(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	read_side(&((struct reading *)dst)->v.width, v, at, f);
}

static void read_height(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	read_side(&((struct reading *)dst)->v.height, v, at, f);
}

static void read_fit(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)fit_read(v, at, f, &((struct reading *)dst)->v.fit);
}

static void read_position(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)position_read(v, at, f, &((struct reading *)dst)->v.position);
}

static void read_without_enlargement(void *dst, const json_t *v, const struct at *at,
	struct faults *f)
{
	(void)read_bool(v, at, f, &((struct reading *)dst)->v.without_enlargement);
}

static void read_format(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)output_format_read(v, at, f, &((struct reading *)dst)->v.format);
}

static void read_quality(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct reading *to = dst;
	int64_t n;
	if (read_int(v, 1, 100, at, f, &n)) {
		to->v.quality = (int)n;
		to->has_quality = true;
	}
}

static void read_effort(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct reading *to = dst;
	int64_t n;
	if (read_int(v, 0, 10, at, f, &n)) {
		to->v.effort = (int)n;
		to->has_effort = true;
	}
}

static void read_lossless(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)read_bool(v, at, f, &((struct reading *)dst)->v.lossless);
}

static void read_progressive(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)read_bool(v, at, f, &((struct reading *)dst)->v.progressive);
}

static void read_background(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)color_read(v, at, f, &((struct reading *)dst)->v.background);
}

static const struct member members[] = {
	{ "name", read_variant_name },
	{ "width", read_width },
	{ "height", read_height },
	{ "fit", read_fit },
	{ "position", read_position },
	{ "without_enlargement", read_without_enlargement },
	{ "format", read_format },
	{ "quality", read_quality },
	{ "effort", read_effort },
	{ "lossless", read_lossless },
	{ "progressive", read_progressive },
	{ "background", read_background },
	/* not there yet */
	{ "rotate", NULL },
	{ "flip", NULL },
	{ "flop", NULL },
	{ "trim", NULL },
	{ "extend", NULL },
	{ "extract", NULL },
	{ "blur", NULL },
	{ "sharpen", NULL },
	{ "grayscale", NULL },
	{ "greyscale", NULL },
	{ "tint", NULL },
	{ "gamma", NULL },
	{ "normalise", NULL },
	{ "normalize", NULL },
	{ "watermark", NULL },
	{ "keep_metadata", NULL },
	{ "max_bytes", NULL },
};

static void fault_at(const struct at *at, const char *name, struct faults *f, enum err_code code,
	const char *detail)
{
	struct at member = { .up = at, .name = name };
	at_fault(f, &member, code, "%s", detail);
}

static void fill_encoding(struct reading *r, const struct at *at, struct faults *f)
{
	const struct format_rules *rules = format_rules(r->v.format);
	if (!rules->quality && r->has_quality && r->v.quality != 100)
		fault_at(at, "quality", f, ERR_REQUEST_UNSUPPORTED,
			"png is written without loss: a quality below 100 is not there yet");
	if (!rules->quality)
		r->v.quality = 100;
	else if (!r->has_quality)
		r->v.quality = rules->quality;
	if (rules->effort < 0 && r->has_effort)
		fault_at(at, "effort", f, ERR_REQUEST_INVALID,
			"jpeg has no effort: png, webp and avif have");
	if (rules->effort < 0 || !r->has_effort)
		r->v.effort = rules->effort;
	else if (r->v.effort < rules->effort_min || r->v.effort > rules->effort_max) {
		struct at member = { .up = at, .name = "effort" };
		at_fault(f, &member, ERR_REQUEST_INVALID, "must be %d to %d for %s",
			rules->effort_min, rules->effort_max, format_name(r->v.format));
	}
	if (r->v.format == FORMAT_JPEG && r->v.lossless)
		fault_at(at, "lossless", f, ERR_REQUEST_INVALID,
			"jpeg always loses something: use png, webp or avif");
	if (!rules->has_progressive && r->v.progressive)
		fault_at(at, "progressive", f, ERR_REQUEST_INVALID,
			"only jpeg and png can be progressive");
	r->v.lossless = r->v.lossless && rules->has_lossless;
	r->v.progressive = r->v.progressive && rules->has_progressive;
}

static void check_geometry(const struct reading *r, const struct at *at, struct faults *f)
{
	const struct variant *v = &r->v;
	int side_max = format_rules(v->format)->side_max;
	struct at side = { .up = at, .name = v->width > side_max ? "width" : "height" };
	if (v->width > side_max || v->height > side_max)
		at_fault(f, &side, ERR_REQUEST_LIMIT, "the limit of %s is %d pixels",
			format_name(v->format), side_max);
	if ((int64_t)v->width * v->height > VARIANT_AREA_MAX)
		at_fault(f, at, ERR_REQUEST_LIMIT, "%d x %d is %lld pixels: the limit is %d",
			v->width, v->height, (long long)v->width * v->height, VARIANT_AREA_MAX);
	if (v->fit != FIT_COVER &&
		(v->position == POSITION_ENTROPY || v->position == POSITION_ATTENTION))
		fault_at(at, "position", f, ERR_REQUEST_INVALID,
			"entropy and attention choose what 'fit': 'cover' cuts away; this fit cuts nothing");
}

static void read_variant(const json_t *json, const struct at *at, struct variant *ret,
	struct faults *f)
{
	struct reading r = { .v = { .format = FORMAT_JPEG, .background = { .a = 255 } } };
	size_t before = f->n;
	members_read(json, members, ARRAY_LEN(members), at, &r, f);
	if (f->n == before && !r.v.name[0])
		fault_at(at, "name", f, ERR_REQUEST_INVALID, "each variant needs a name");
	fill_encoding(&r, at, f);
	check_geometry(&r, at, f);
	*ret = r.v;
}

static void check_names(const struct recipe *r, const struct at *list, struct faults *f)
{
	for (size_t i = 1; i < r->n; i++) {
		for (size_t j = 0; j < i; j++) {
			if (!r->variants[i].name[0] ||
				strcmp(r->variants[i].name, r->variants[j].name) != 0)
				continue;
			struct at at = { .up = list, .index = i };
			fault_at(&at, "name", f, ERR_REQUEST_INVALID,
				"two variants have this name");
			break;
		}
	}
}

bool recipe_parse(const json_t *variants, const char *pointer, struct recipe *ret, struct faults *f)
{
	size_t before = f->n, n = json_array_size(variants);
	struct at list = { .name = pointer };
	if (!json_is_array(variants) || n == 0) {
		at_fault(f, &list, ERR_REQUEST_INVALID, "must be a list of at least one variant");
		return false;
	}
	if (n > VARIANTS_MAX) {
		at_fault(f, &list, ERR_REQUEST_LIMIT, "%zu variants: the limit is %d", n,
			VARIANTS_MAX);
		return false;
	}
	struct recipe r = { .variants = mem_array(n, sizeof(struct variant)), .n = n };
	for (size_t i = 0; i < n; i++) {
		struct at at = { .up = &list, .index = i };
		read_variant(json_array_get(variants, i), &at, &r.variants[i], f);
	}
	check_names(&r, &list, f);
	if (f->n != before) {
		recipe_done(&r);
		return false;
	}
	*ret = r;
	return true;
}

enum err_code recipe_from_json(const json_t *variants, struct recipe *ret, struct err *e)
{
	struct faults f = { 0 };
	if (recipe_parse(variants, "", ret, &f))
		return OK;
	return faults_internal(&f, "variants", e);
}
