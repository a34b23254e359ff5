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
#include "matte/enlarge.h"
#include "matte/guided.h"
#include "matte/matte.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define TILE  64
#define STRIP 8

struct refine {
	const struct matte_planes *full;
	struct enlarged *mask; /* at the guide's size */
	struct guided_source source;
	struct guided *guided; /* NULL: the mask as it is */
	int radius;            /* a pixel of the mask is felt twice as far */
	int16_t *p;            /* the mask where it is felt by a tile */
	v4 *coefs, *row;       /* of guided_run: of a tile with a margin of 1, of a row of it */
	v4 *drawn;             /* of the pixels of a row of the tile's full-size part */
	int *at;               /* for each column of the tile's full-size part: left neighbour, */
	float *weight;         /* and how much of the right one */
	uint8_t *alpha;
};

static int at_least(int v, int least)
{
	return v > least ? v : least;
}

static int at_most(int v, int most)
{
	return v < most ? v : most;
}

/* a and so much around it, as far as the picture goes. */
static struct guided_area grown(const struct guided_source *s, struct guided_area a, int by)
{
	return (struct guided_area){ at_least(a.x0 - by, 0), at_least(a.y0 - by, 0),
		at_most(a.x1 + by, s->w), at_most(a.y1 + by, s->h) };
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
static void plain_coefs(const struct guided_source *s, v4 *out)
{
	int n = (s->of_p.x1 - s->of_p.x0) * (s->of_p.y1 - s->of_p.y0);
	for (int i = 0; i < n; i++)
		out[i] = (v4){ 0, 0, 0, s->p[i] };
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
	struct guided_source *s = &r->source;
	struct guided_area m = grown(s, a, 1);
	s->of_p = grown(s, m, 2 * r->radius);
	enlarged_get(r->mask, s->of_p, r->p);
	if (r->guided)
		guided_run(r->guided, s, m, r->coefs);
	else
		plain_coefs(s, r->coefs);
	int w = m.x1 - m.x0, h = m.y1 - m.y0;
	for (int x = full.x0; x < full.x1; x++)
		r->at[x - full.x0] = place_among(x, r->full->w, s->w, &r->weight[x - full.x0]) -
			m.x0;
	for (int y = full.y0; y < full.y1; y++) {
		float t;
		int row = place_among(y, r->full->h, s->h, &t) - m.y0;
		const v4 *p = r->coefs + (size_t)row * (size_t)w, *q = h > 1 ? p + w : p;
		for (int i = 0; i < w; i++)
			r->row[i] = p[i] + t * (q[i] - p[i]);
		write_row(r, r->row, (size_t)y * (size_t)r->full->w + (size_t)full.x0,
			full.x1 - full.x0, w > 1);
	}
}

/* Where the mask has one value in the tile and as far around as it is felt, so has the result. */
static bool fill_tile(const struct refine *r, struct guided_area a)
{
	int16_t level;
	struct guided_area full = full_of(r, a);
	if (!enlarged_is_constant(r->mask, grown(&r->source, a, 2 * r->radius + 2), &level))
		return false;
	uint8_t v = to_byte(level);
	for (int y = full.y0; y < full.y1; y++)
		memset(r->alpha + (size_t)y * (size_t)r->full->w + (size_t)full.x0, v,
			(size_t)(full.x1 - full.x0));
	return true;
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
		while (split(*a, side, &strip, &rest) && fill_tile(r, strip))
			*a = rest;
}

static void write_tiles(struct refine *r)
{
	const struct guided_source *s = &r->source;
	for (int y = 0; y < s->h; y += TILE)
		for (int x = 0; x < s->w; x += TILE) {
			struct guided_area a = { x, y, x + TILE < s->w ? x + TILE : s->w,
				y + TILE < s->h ? y + TILE : s->h };
			if (fill_tile(r, a))
				continue;
			trim(r, &a);
			write_tile(r, a);
		}
}

static enum err_code prepare(struct refine *r, const struct matte_model *m, struct err *e)
{
	size_t side = TILE + 2, columns = (size_t)scaled(TILE, r->source.w, r->full->w) + 2;
	size_t felt = side + 4 * (size_t)m->gf_radius;
	r->radius = m->gf_radius;
	r->p = mem_try_alloc(sizeof(*r->p) * felt * felt);
	r->coefs = mem_try_alloc(sizeof(*r->coefs) * side * side);
	r->row = mem_try_alloc(sizeof(*r->row) * side);
	r->drawn = mem_try_alloc(sizeof(*r->drawn) * columns);
	r->at = mem_try_alloc(sizeof(*r->at) * columns);
	r->weight = mem_try_alloc(sizeof(*r->weight) * columns);
	if (!r->p || !r->coefs || !r->row || !r->drawn || !r->at || !r->weight)
		return err_set(e, ERR_LIMIT_MEMORY, "no memory to refine a mask of %d×%d",
			r->source.w, r->source.h);
	r->source.p = r->p;
	return m->gf_radius > 0 ? guided_new((int)side, m->gf_radius, m->gf_eps, &r->guided, e)
				: OK;
}

enum err_code matte_refine(const struct matte_model *m, const struct matte_mask *mask,
	const struct matte_planes *guide, const struct matte_planes *full, uint8_t *ret_alpha,
	struct err *e)
{
	struct refine r = { .full = full,
		.alpha = ret_alpha,
		.source = { guide->r, guide->g, guide->b, guide->w, guide->h, NULL, { 0 } } };
	if (guide->w < 1 || guide->h < 1 || guide->w > full->w || guide->h > full->h)
		return err_set(e, ERR_MATTE_FAILED, "a guide of %d×%d for a picture of %d×%d",
			guide->w, guide->h, full->w, full->h);
	enum err_code code = prepare(&r, m, e);
	if (code == OK)
		code = enlarged_new(mask, m->contrast, guide->w, guide->h, &r.mask, e);
	if (code == OK)
		write_tiles(&r);
	enlarged_free(r.mask);
	guided_free(r.guided);
	free(r.p);
	free(r.coefs);
	free(r.row);
	free(r.drawn);
	free(r.at);
	free(r.weight);
	return code;
}
