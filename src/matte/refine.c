/* SPDX-License-Identifier: MIT
 *
 * From the model's small mask to the picture's alpha.
 *
 * The mask is drawn out to the guide's size and its slope made steeper; then a guided filter moves
 * its edge to where the picture has one. The filter's coefficients are drawn out linearly to the full
 * size (He and Sun 2015), so a large picture costs a few operations a pixel. All of it goes tile by
 * tile: where the mask is constant for as far as the filter can see, so is the result, and on most
 * of a picture nothing is computed at all. Scratch memory is that of a tile.
 */
#include "matte/guided.h"
#include "matte/matte.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define TILE  64
#define STRIP 8

struct refine {
	const struct matte_planes *full;
	struct guided_source source;
	struct guided *guided; /* NULL: the mask as it is */
	int reach;             /* how far a pixel of the mask can be felt */
	int16_t *p;
	v4 *coefs, *row; /* of guided_run: of a tile with a margin of 1, of a row of it */
	v4 *drawn;       /* of the pixels of a row of the tile's full-size part */
	int *at;         /* for each column of the tile's full-size part: left neighbour, */
	float *weight;   /* and how much of the right one */
	uint8_t *alpha;
};

/* Where sample i of n lies among m, both ends included: position, and weight of the next one. */
static int place(int i, int n, int m, float *ret_weight)
{
	double at = (i + 0.5) * m / n - 0.5;
	if (m < 2 || at <= 0) {
		*ret_weight = 0;
		return 0;
	}
	int left = at >= m - 1 ? m - 2 : (int)at;
	*ret_weight = (float)fmin(1, at - left);
	return left;
}

/* The mask at the guide's size with its contrast. */
static enum err_code enlarge(const struct matte_mask *mask, double contrast, struct refine *r,
	struct err *e)
{
	int w = r->source.w, h = r->source.h;
	float *line = mem_try_alloc(sizeof(float) * ((size_t)mask->w + (size_t)w));
	int *at = mem_try_alloc(sizeof(int) * (size_t)w);
	if (!line || !at) {
		free(line);
		free(at);
		return err_set(e, ERR_LIMIT_MEMORY, "no memory for the mask");
	}
	float *weight = line + mask->w, steep = contrast > 0 ? (float)contrast : 1;
	int step = mask->w > 1;
	for (int x = 0; x < w; x++)
		at[x] = place(x, w, mask->w, &weight[x]);
	for (int y = 0; y < h; y++) {
		float t;
		const float *a = mask->v + (size_t)place(y, h, mask->h, &t) * (size_t)mask->w,
			    *b = mask->h > 1 ? a + mask->w : a;
		for (int x = 0; x < mask->w; x++)
			line[x] = ((a[x] + t * (b[x] - a[x])) - 0.5f) * steep * GUIDED_MAX +
				0.5f * GUIDED_MAX + 0.5f;
		int16_t *out = r->p + (size_t)y * (size_t)w;
		for (int x = 0; x < w; x++) {
			float v = line[at[x]] + weight[x] * (line[at[x] + step] - line[at[x]]);
			out[x] = (int16_t)(v < 0 ? 0 : v > GUIDED_MAX ? GUIDED_MAX : v);
		}
	}
	free(line);
	free(at);
	return OK;
}

/* Whether the mask has one value in the tile and as far around as it reaches. */
static bool is_constant(const struct refine *r, struct guided_area a)
{
	const struct guided_source *s = &r->source;
	int x0 = a.x0 - r->reach > 0 ? a.x0 - r->reach : 0,
	    x1 = a.x1 + r->reach < s->w ? a.x1 + r->reach : s->w;
	int y0 = a.y0 - r->reach > 0 ? a.y0 - r->reach : 0,
	    y1 = a.y1 + r->reach < s->h ? a.y1 + r->reach : s->h;
	int16_t first = s->p[(size_t)y0 * (size_t)s->w + (size_t)x0];
	for (int y = y0; y < y1; y++) {
		const int16_t *p = s->p + (size_t)y * (size_t)s->w;
		int other = 0;
		for (int x = x0; x < x1; x++)
			other |= p[x] ^ first;
		if (other)
			return false;
	}
	return true;
}

static uint8_t to_byte(float v)
{
	v = v * (255.0f / GUIDED_MAX) + 0.5f;
	return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)v;
}

/* One row of the tile's part of the full picture: first each pixel's coefficients, then all pixels
 * at once, which compilers turn into vectors. */
static void write_row(const struct refine *r, const v4 *coefs, size_t from, int n, int step)
{
	const uint8_t *restrict red = r->full->r + from, *restrict green = r->full->g + from,
				*restrict blue = r->full->b + from;
	const float *restrict k = (const float *)r->drawn;
	uint8_t *restrict out = r->alpha + from;
	for (int x = 0; x < n; x++) {
		v4 a = coefs[r->at[x]], b = coefs[r->at[x] + step];
		r->drawn[x] = a + r->weight[x] * (b - a);
	}
	for (int x = 0; x < n; x++) {
		float v = k[4 * x] * red[x] + k[4 * x + 1] * green[x] + k[4 * x + 2] * blue[x] +
			k[4 * x + 3];
		v = v * (255.0f / GUIDED_MAX) + 0.5f;
		v = v > 0 ? v : 0;
		out[x] = (uint8_t)(int)(v < 255 ? v : 255);
	}
}

/* The coefficients of the mask itself. */
static void plain_coefs(const struct guided_source *s, struct guided_area a, v4 *out)
{
	for (int y = a.y0; y < a.y1; y++)
		for (int x = a.x0; x < a.x1; x++)
			*out++ = (v4){ 0, 0, 0, s->p[(size_t)y * (size_t)s->w + (size_t)x] };
}

static int scaled(int v, int from, int to)
{
	return (int)((int64_t)v * to / from);
}

/* The part of the large picture that belongs to tile a. */
static struct guided_area full_of(const struct refine *r, struct guided_area a)
{
	const struct guided_source *s = &r->source;
	const struct matte_planes *f = r->full;
	return (struct guided_area){ scaled(a.x0, s->w, f->w), scaled(a.y0, s->h, f->h),
		scaled(a.x1, s->w, f->w), scaled(a.y1, s->h, f->h) };
}

static void write_tile(struct refine *r, struct guided_area a)
{
	struct guided_area full = full_of(r, a);
	const struct guided_source *s = &r->source;
	struct guided_area m = { a.x0 - (a.x0 > 0), a.y0 - (a.y0 > 0), a.x1 + (a.x1 < s->w),
		a.y1 + (a.y1 < s->h) };
	if (r->guided)
		guided_run(r->guided, s, m, r->coefs);
	else
		plain_coefs(s, m, r->coefs);
	int w = m.x1 - m.x0, h = m.y1 - m.y0;
	for (int x = full.x0; x < full.x1; x++)
		r->at[x - full.x0] = place(x, r->full->w, s->w, &r->weight[x - full.x0]) - m.x0;
	for (int y = full.y0; y < full.y1; y++) {
		float t;
		int row = place(y, r->full->h, s->h, &t) - m.y0;
		const v4 *p = r->coefs + (size_t)row * (size_t)w, *q = h > 1 ? p + w : p;
		for (int i = 0; i < w; i++)
			r->row[i] = p[i] + t * (q[i] - p[i]);
		write_row(r, r->row, (size_t)y * (size_t)r->full->w + (size_t)full.x0,
			full.x1 - full.x0, w > 1);
	}
}

static void fill_tile(const struct refine *r, struct guided_area a)
{
	struct guided_area full = full_of(r, a);
	uint8_t v = to_byte(r->source.p[(size_t)a.y0 * (size_t)r->source.w + (size_t)a.x0]);
	for (int y = full.y0; y < full.y1; y++)
		memset(r->alpha + (size_t)y * (size_t)r->full->w + (size_t)full.x0, v,
			(size_t)(full.x1 - full.x0));
}

enum side { TOP, BOTTOM, LEFT, RIGHT };

/* A strip along one side, and what it leaves; false when that would be nothing. */
static bool split(struct guided_area a, enum side side, struct guided_area *strip,
	struct guided_area *rest)
{
	*strip = *rest = a;
	if ((side <= BOTTOM ? a.y1 - a.y0 : a.x1 - a.x0) <= STRIP)
		return false;
	switch (side) {
	case TOP:
		strip->y1 = rest->y0 = a.y0 + STRIP;
		break;
	case BOTTOM:
		strip->y0 = rest->y1 = a.y1 - STRIP;
		break;
	case LEFT:
		strip->x1 = rest->x0 = a.x0 + STRIP;
		break;
	case RIGHT:
		strip->x0 = rest->x1 = a.x1 - STRIP;
		break;
	}
	return true;
}

/* Strips along the tile's sides in which nothing happens are filled and taken off. */
static void trim(const struct refine *r, struct guided_area *a)
{
	struct guided_area strip, rest;
	for (enum side side = TOP; side <= RIGHT; side++)
		while (split(*a, side, &strip, &rest) && is_constant(r, strip)) {
			fill_tile(r, strip);
			*a = rest;
		}
}

static void write_tiles(struct refine *r)
{
	const struct guided_source *s = &r->source;
	for (int y = 0; y < s->h; y += TILE)
		for (int x = 0; x < s->w; x += TILE) {
			struct guided_area a = { x, y, x + TILE < s->w ? x + TILE : s->w,
				y + TILE < s->h ? y + TILE : s->h };
			if (is_constant(r, a)) {
				fill_tile(r, a);
				continue;
			}
			trim(r, &a);
			write_tile(r, a);
		}
}

static enum err_code prepare(struct refine *r, const struct matte_model *m, struct err *e)
{
	size_t side = TILE + 2, columns = (size_t)scaled(TILE, r->source.w, r->full->w) + 2;
	r->p = mem_try_alloc(sizeof(*r->p) * (size_t)r->source.w * (size_t)r->source.h);
	r->coefs = mem_try_alloc(sizeof(*r->coefs) * side * side);
	r->row = mem_try_alloc(sizeof(*r->row) * side);
	r->drawn = mem_try_alloc(sizeof(*r->drawn) * columns);
	r->at = mem_try_alloc(sizeof(*r->at) * columns);
	r->weight = mem_try_alloc(sizeof(*r->weight) * columns);
	if (!r->p || !r->coefs || !r->row || !r->drawn || !r->at || !r->weight)
		return err_set(e, ERR_LIMIT_MEMORY, "no memory to refine a mask of %d×%d",
			r->source.w, r->source.h);
	r->source.p = r->p;
	r->reach = 2 * m->gf_radius + 2;
	return m->gf_radius > 0 ? guided_new((int)side, m->gf_radius, m->gf_eps, &r->guided, e)
				: OK;
}

enum err_code matte_refine(const struct matte_model *m, const struct matte_mask *mask,
	const uint8_t *guide, int guide_w, int guide_h, const struct matte_planes *full,
	uint8_t *ret_alpha, struct err *e)
{
	struct refine r = { .full = full,
		.alpha = ret_alpha,
		.source = { .rgb = guide, .w = guide_w, .h = guide_h } };
	if (guide_w < 1 || guide_h < 1 || guide_w > full->w || guide_h > full->h)
		return err_set(e, ERR_MATTE_FAILED, "a guide of %d×%d for a picture of %d×%d",
			guide_w, guide_h, full->w, full->h);
	enum err_code code = prepare(&r, m, e);
	if (code == OK)
		code = enlarge(mask, m->contrast, &r, e);
	if (code == OK)
		write_tiles(&r);
	guided_free(r.guided);
	free(r.p);
	free(r.coefs);
	free(r.row);
	free(r.drawn);
	free(r.at);
	free(r.weight);
	return code;
}
