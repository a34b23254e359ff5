/* SPDX-License-Identifier: MIT
 *
 * A variant's canonical form and digest. The canonical form holds what can change the bytes and
 * nothing else: options that have no effect on this format or this geometry are left out, so that
 * equal work has equal digests and is done once.
 */
#include "job/recipe.h"

#include "job/color.h"
#include "job/words.h"

#include <string.h>

void recipe_done(struct recipe *r)
{
	free(r->variants);
	*r = (struct recipe){ 0 };
}

static void put_color(json_t *o, struct rgba c)
{
	char text[COLOR_MAX];
	color_format(c, text);
	json_put_str(o, "background", text);
}

static void put_size(json_t *o, const struct variant *v)
{
	if (v->width)
		json_put_int(o, "width", v->width);
	if (v->height)
		json_put_int(o, "height", v->height);
}

/* With one side given every fit means the same, but `fill`, which keeps the other side, and
 * `contain` where it may not enlarge: that one gets bars instead. */
static bool has_box(const struct variant *v)
{
	bool any = v->width || v->height, both = v->width && v->height;
	return both || (any && v->fit == FIT_CONTAIN && v->without_enlargement);
}

static void put_geometry(json_t *o, const struct variant *v)
{
	put_size(o, v);
	if (!v->width && !v->height)
		return;
	if (has_box(v) || v->fit == FIT_FILL)
		json_put_str(o, "fit", fit_name(v->fit));
	if (has_box(v) && (v->fit == FIT_COVER || v->fit == FIT_CONTAIN))
		json_put_str(o, "position", position_name(v->position));
	if (v->without_enlargement)
		json_put_bool(o, "without_enlargement", true);
}

static void put_encoding(json_t *o, const struct variant *v)
{
	const struct format_rules *rules = format_rules(v->format);
	json_put_str(o, "format", format_name(v->format));
	if (rules->quality)
		json_put_int(o, "quality", v->quality);
	if (rules->effort >= 0)
		json_put_int(o, "effort", v->effort);
	if (rules->has_lossless && v->lossless)
		json_put_bool(o, "lossless", true);
	if (rules->has_progressive && v->progressive)
		json_put_bool(o, "progressive", true);
}

/* It shows in contain's bars, and behind transparency where the format has none. */
static void put_background(json_t *o, const struct variant *v)
{
	bool bars = has_box(v) && v->fit == FIT_CONTAIN;
	bool flattened = !format_rules(v->format)->has_alpha;
	struct rgba c = v->background;
	if (flattened)
		c.a = 255;
	if (bars || flattened)
		put_color(o, c);
}

char *variant_canonical(const struct variant *v)
{
	autojson *o = json_obj();
	put_geometry(o, v);
	put_encoding(o, v);
	put_background(o, v);
	return json_text_sorted(o);
}

void variant_digest(const struct variant *v, const char *codecs, uint8_t out[VARIANT_DIGEST_LEN])
{
	autofree char *canonical = variant_canonical(v);
	autofree char *text = mem_printf("%d\n%s\n%s", RECIPE_REV, codecs, canonical);
	sha256_of(text, strlen(text), out);
}

json_t *variant_json(const struct variant *v)
{
	const struct format_rules *rules = format_rules(v->format);
	json_t *o = json_obj();
	json_put_str(o, "name", v->name);
	put_size(o, v);
	json_put_str(o, "fit", fit_name(v->fit));
	json_put_str(o, "position", position_name(v->position));
	json_put_bool(o, "without_enlargement", v->without_enlargement);
	json_put_str(o, "format", format_name(v->format));
	if (rules->quality)
		json_put_int(o, "quality", v->quality);
	if (rules->effort >= 0)
		json_put_int(o, "effort", v->effort);
	if (rules->has_lossless)
		json_put_bool(o, "lossless", v->lossless);
	if (rules->has_progressive)
		json_put_bool(o, "progressive", v->progressive);
	put_color(o, v->background);
	return o;
}

json_t *recipe_json(const struct recipe *r)
{
	json_t *list = json_arr();
	for (size_t i = 0; i < r->n; i++)
		json_push(list, variant_json(&r->variants[i]));
	return list;
}
