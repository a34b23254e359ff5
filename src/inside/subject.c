/* SPDX-License-Identifier: MIT
 *
 * Finding the subject ourselves. A picture that comes with a transparent ground has been cut out by
 * somebody who knew better than a model: its own alpha is taken. A flat ground needs no model
 * either. Everything else is the model's: it looks at a small copy, its mask is sharpened along the
 * edges of a middling one, and written at full size.
 */
#include "base/mem.h"
#include "image/placeholder.h"
#include "inside/cut_impl.h"

#include <string.h>

/* So much of a picture must be transparent to be called a ground: more than the rounded corners of
 * a screenshot. */
#define GROUND_PART 100 /* one in a hundred pixels */
#define SEE_THROUGH 128

static bool has_ground(const struct picture *p)
{
	size_t count = (size_t)p->w * (size_t)p->h, clear = 0;
	if (p->n < 4)
		return false;
	for (size_t i = 0; i < count; i++)
		clear += p->planes[3].px[i] < SEE_THROUGH;
	return clear * GROUND_PART >= count;
}

/* As a model sees it: RGB, and on white where it is transparent. */
static enum err_code make_opaque(struct picture *p, struct err *e)
{
	enum err_code code = picture_make_rgb(p, e);
	if (code == OK && p->n == 4)
		picture_lay_on(p, (struct rgba){ 255, 255, 255, 255 });
	return code;
}

static enum err_code resize(const struct picture *p, int w, int h, struct picture *ret,
	struct err *e)
{
	return picture_resize(p, (struct rect){ 0, 0, p->w, p->h }, w, h, ret, e);
}

static enum err_code make_guide(const struct matte_model *m, const struct picture *p,
	struct picture *ret, struct err *e)
{
	int longer = p->w > p->h ? p->w : p->h, side = matte_guide_side(m);
	double scale = longer > side ? (double)side / longer : 1;
	int w = (int)(p->w * scale + 0.5), h = (int)(p->h * scale + 0.5);
	return resize(p, w > 0 ? w : 1, h > 0 ? h : 1, ret, e);
}

/* What is seen on the way: upright RGB at full size, and where a model may be asked, the middling copy
 * and the model's small one. They are made one of the other while chroma is still small. */
struct view {
	struct picture whole, guide, small;
};

static void view_done(struct view *v)
{
	picture_done(&v->whole);
	picture_done(&v->guide);
	picture_done(&v->small);
}

static enum err_code make_copies(const struct matte_model *m, struct view *v, struct err *e)
{
	int w, h;
	matte_input_size(m, v->whole.w, v->whole.h, &w, &h);
	enum err_code code = make_guide(m, &v->whole, &v->guide, e);
	if (code != OK)
		return code;
	bool serves = v->guide.w >= w && v->guide.h >= h;
	return resize(serves ? &v->guide : &v->whole, w, h, &v->small, e);
}

static enum err_code load(struct cut_job *job, struct view *v, struct cut_file *file, struct err *e)
{
	struct loaded l = { 0 };
	enum err_code code = load_picture(job->data, job->n, &job->header, 1, &l, e);
	if (code != OK)
		return code;
	v->whole = l.picture;
	file->original.width = v->whole.w;
	file->original.height = v->whole.h;
	bool asks = job->matte && job->action != CUT_DO_FLAT;
	if (asks)
		code = make_copies(job->model, v, e);
	if (code == OK)
		code = placeholder_make(asks ? &v->small : &v->whole, &file->original, e);
	return code == OK ? picture_make_rgb(&v->whole, e) : code;
}

static struct matte_planes planes_of(const struct picture *p)
{
	return (struct matte_planes){ p->planes[0].px, p->planes[1].px, p->planes[2].px, p->w,
		p->h };
}

static enum err_code look(const struct cut_job *job, struct view *v, struct matte_mask *ret,
	struct err *e)
{
	autofree uint8_t *rgb = NULL;
	enum err_code code = make_opaque(&v->small, e);
	if (code == OK)
		code = picture_pack(&v->small, &rgb, e);
	return code == OK ? matte_run(job->matte, rgb, v->small.w, v->small.h, ret, e) : code;
}

static enum err_code refine(const struct cut_job *job, struct view *v,
	const struct matte_mask *mask, uint8_t *alpha, struct err *e)
{
	enum err_code code = make_opaque(&v->guide, e);
	if (code != OK)
		return code;
	const struct matte_planes guide = planes_of(&v->guide), full = planes_of(&v->whole);
	return matte_refine(job->model, mask, &guide, &full, alpha, e);
}

/* Alpha of the picture itself stays: what was transparent cannot become solid. */
static void set_alpha(struct picture *p, struct plane *alpha)
{
	size_t count = (size_t)p->w * (size_t)p->h;
	const uint8_t *had = p->n == 4 ? p->planes[3].px : NULL;
	for (size_t i = 0; had && i < count; i++)
		alpha->px[i] = (uint8_t)((alpha->px[i] * had[i] + 127) / 255);
	free(p->planes[3].px);
	p->planes[3] = *alpha;
	p->n = 4;
	*alpha = (struct plane){ 0 };
}

static enum err_code by_model(const struct cut_job *job, struct view *v, struct plane *alpha,
	struct cut_file *ret, struct err *e)
{
	struct matte_mask mask = { 0 };
	if (!job->matte)
		return err_set(e, ERR_MATTE_UNAVAILABLE, "this darkroom has no model");
	enum err_code code = look(job, v, &mask, e);
	if (code != OK)
		return code;
	ret->engine = CUT_LOCAL;
	ret->confidence = mask.confidence;
	ret->none = mask.no_subject;
	if (!ret->none)
		code = refine(job, v, &mask, alpha->px, e);
	matte_mask_done(&mask);
	if (code == OK && !ret->none)
		set_alpha(&v->whole, alpha);
	return code;
}

static enum err_code by_ground(struct picture *p, struct plane *alpha, bool *ret_flat,
	struct err *e)
{
	uint8_t ground[3];
	const struct matte_planes planes = planes_of(p);
	enum err_code code = matte_flat(&planes, alpha->px, ret_flat, ground, e);
	if (code == OK && *ret_flat)
		set_alpha(p, alpha);
	return code;
}

/* Alpha into the whole, by the first way that works. own: it has it already. */
static enum err_code find(const struct cut_job *job, struct view *v, bool own, struct cut_file *ret,
	struct err *e)
{
	struct picture *p = &v->whole;
	struct plane alpha = { 0 };
	bool flat = own;
	enum err_code code = own ? OK : plane_init(&alpha, p->w, p->h, 1, 1, e);
	if (code == OK && !own && job->action != CUT_DO_LOCAL)
		code = by_ground(p, &alpha, &flat, e);
	ret->engine = CUT_FLAT;
	ret->confidence = flat ? 1 : -1;
	if (code == OK && !flat && job->action == CUT_DO_FLAT)
		ret->done = false;
	else if (code == OK && !flat)
		code = by_model(job, v, &alpha, ret, e);
	free(alpha.px);
	return code;
}

enum err_code cut_subject(struct cut_job *job, struct cut_file *ret, struct err *e)
{
	struct view v = { 0 };
	bool own = false;
	enum err_code code = load(job, &v, ret, e);
	if (code == OK) {
		own = job->action != CUT_DO_LOCAL && has_ground(&v.whole);
		code = find(job, &v, own, ret, e);
	}
	if (code == OK && ret->done && !ret->none) {
		bool estimate = ret->engine == CUT_LOCAL ? job->model->foreground : !own;
		code = cut_finish(&v.whole, job, estimate, ret, e);
	}
	view_done(&v);
	return code;
}
