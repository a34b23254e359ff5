/* SPDX-License-Identifier: MIT
 *
 * Two whole pictures are held at most: the source of the current variant, and the latest one made,
 * which takes the source's place as soon as it is large enough for the next. "Large enough" leaves
 * a margin, because resampling by a factor close to 1 only blurs.
 */
#include "image/cascade.h"

#include "image/crop.h"
#include "image/geometry.h"
#include "image/save.h"

#include <stdlib.h>

static const double margin = 1.15;

struct step {
	const struct variant *v;
	size_t index;
	struct geometry g;
	double size; /* what orders them */
};

struct cascade {
	const struct cascade_opts *o;
	int w, h;              /* full size of the original */
	struct picture from;   /* what the next variant is made from */
	struct picture latest; /* a smaller whole picture, if there is one (n > 0) */
};

static int by_size(const void *a, const void *b)
{
	const struct step *x = a, *y = b;
	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static size_t plan(const struct cascade *c, struct step steps[VARIANTS_MAX])
{
	const struct recipe *r = c->o->recipe;
	for (size_t i = 0; i < r->n; i++) {
		struct geometry g = geometry_of(&r->variants[i], c->w, c->h);
		double x = (double)g.scaled_w / c->w, y = (double)g.scaled_h / c->h;
		steps[i] = (struct step){ &r->variants[i], i, g, x > y ? x : y };
	}
	qsort(steps, r->n, sizeof(*steps), by_size);
	return r->n;
}

static bool same_size(const struct picture *p, const struct geometry *g)
{
	return p->w == g->scaled_w && p->h == g->scaled_h;
}

static void choose_source(struct cascade *c, const struct geometry *g)
{
	struct picture *l = &c->latest;
	bool enough = l->n > 0 &&
		(same_size(l, g) || (l->w >= g->scaled_w * margin && l->h >= g->scaled_h * margin));
	if (!enough)
		return;
	picture_done(&c->from);
	c->from = *l;
	*l = (struct picture){ 0 };
}

/* The part of the source that a part of the scaled picture comes from. */
static struct rect window(const struct picture *from, const struct geometry *g, int left, int top,
	int w, int h)
{
	double x = (double)from->w / g->scaled_w, y = (double)from->h / g->scaled_h;
	return (struct rect){ left * x, top * y, w * x, h * y };
}

static enum err_code make_whole(const struct cascade *c, const struct geometry *g,
	struct picture *ret, struct err *e)
{
	struct rect all = window(&c->from, g, 0, 0, g->scaled_w, g->scaled_h);
	return picture_resize(&c->from, all, g->scaled_w, g->scaled_h, ret, e);
}

static enum err_code search(const struct cascade *c, struct step *s, struct err *e)
{
	struct picture whole = { 0 };
	enum err_code code = make_whole(c, &s->g, &whole, e);
	if (code == OK)
		code = crop_search(&whole, s->g.out_w, s->g.out_h, s->v->position, &s->g.left,
			&s->g.top, e);
	picture_done(&whole);
	return code;
}

static enum err_code add_bars(struct picture *p, const struct step *s, struct err *e)
{
	struct picture rgb = { 0 }, out = { 0 };
	enum err_code code = picture_to_rgb(p, &rgb, e);
	if (code == OK)
		code = picture_embed(&rgb, -s->g.left, -s->g.top, s->g.out_w, s->g.out_h,
			s->v->background, &out, e);
	picture_done(&rgb);
	if (code == OK) {
		picture_done(p);
		*p = out;
	}
	return code;
}

static enum err_code hand_over(const struct cascade *c, const struct step *s,
	const struct picture *p, const struct encoded *file, struct err *e)
{
	if ((int64_t)file->n > c->o->max_bytes_out)
		return err_set(e, ERR_LIMIT_OUTPUT, "%s: %zu bytes, over the limit of %lld",
			s->v->name, file->n, (long long)c->o->max_bytes_out);
	struct image_variant out = { .format = s->v->format,
		.width = p->w,
		.height = p->h,
		.index = s->index,
		.data = file->data,
		.bytes = file->n };
	if (!c->o->sink(c->o->ctx, &out))
		return err_set(e, ERR_INTERNAL, "%s: the result was not taken", s->v->name);
	return OK;
}

static enum err_code encode(const struct cascade *c, const struct step *s, struct picture *p,
	struct err *e)
{
	struct encoded file = { 0 };
	enum err_code code = save_picture(p, s->v, &file, e);
	if (code == OK)
		code = hand_over(c, s, p, &file, e);
	encoded_done(&file);
	return code;
}

/* Whole, undistorted and untouched: good to make smaller ones from. */
static bool is_reusable(const struct step *s)
{
	return s->v->fit != FIT_FILL && !s->g.has_bars && !s->g.is_searched &&
		s->g.out_w == s->g.scaled_w && s->g.out_h == s->g.scaled_h;
}

static enum err_code make(struct cascade *c, struct step *s, struct err *e)
{
	const struct geometry *g = &s->g;
	struct picture p = { 0 };
	choose_source(c, g);
	enum err_code code = g->is_searched ? search(c, s, e) : OK;
	if (code != OK)
		return code;
	if (g->has_bars)
		code = make_whole(c, g, &p, e);
	else
		code = picture_resize(&c->from,
			window(&c->from, g, g->left, g->top, g->out_w, g->out_h), g->out_w,
			g->out_h, &p, e);
	if (code == OK && g->has_bars)
		code = add_bars(&p, s, e);
	if (code == OK)
		code = encode(c, s, &p, e);
	if (code == OK && is_reusable(s)) {
		picture_done(&c->latest);
		c->latest = p;
	} else {
		picture_done(&p);
	}
	return code;
}

enum err_code cascade_run(struct loaded *l, const struct cascade_opts *o, struct picture *ret,
	struct err *e)
{
	struct cascade c = { .o = o, .w = l->w, .h = l->h, .from = l->picture };
	struct step steps[VARIANTS_MAX] = { 0 };
	size_t n = plan(&c, steps);
	enum err_code code = OK;
	for (size_t i = 0; i < n && code == OK; i++)
		code = make(&c, &steps[i], e);
	if (code == OK && c.latest.n > 0) {
		picture_done(&c.from);
		c.from = c.latest;
		c.latest = (struct picture){ 0 };
	}
	picture_done(&c.latest);
	if (code == OK)
		*ret = c.from;
	else
		picture_done(&c.from);
	return code;
}
