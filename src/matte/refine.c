/* SPDX-License-Identifier: MIT
 *
 * From the model's small mask to the picture's alpha.
 *
 * The mask is drawn out to the guide's size and its slope made steeper; then a guided filter moves
 * its edge to where the picture has one. The filter's coefficients are drawn out linearly to the full
 * size (He and Sun 2015), so a large picture costs a few operations a pixel. All of it goes tile by
 * tile, and within a tile by cells: where the mask is constant for as far as the filter can see, so is
 * the result, and on most of a picture nothing is computed at all. Scratch memory is that of a tile.
 */
#include "matte/enlarge.h"
#include "matte/guided.h"
#include "matte/matte.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define TILE 64
#define CELL 8 /* of a tile: computed, or known to be constant */

struct refine {
	const struct matte_planes *full;
	struct enlarged *mask; /* at the guide's size */
	struct guided_source source;
	struct guided *guided; /* NULL: the mask as it is */
	int radius;            /* a pixel of the mask is felt twice as far */
	int16_t *p;            /* the mask where it is felt by a tile */
	v4 *coefs, *row;       /* of guided_run: of a tile with a margin of 1, of a row of it */
	v4 *drawn;             /* of the pixels of a row of the tile's full-size part */
	int *at;               /* for each column of the full picture: left neighbour, */
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

/* n pixels of a row of the full picture, from `first` on: first each one's coefficients, then all at once,
 * which compilers turn into vectors. coefs: of the guide's columns from x0 on. */
static void write_row(const struct refine *r, const v4 *coefs, int x0, int y, int first, int n)
{
	size_t from = (size_t)y * (size_t)r->full->w + (size_t)first;
	const uint8_t *restrict red = r->full->r + from, *restrict green = r->full->g + from,
				*restrict blue = r->full->b + from;
	const float *restrict k = (const float *)r->drawn, *weight = r->weight + first;
	const int *at = r->at + first, step = r->source.w > 1;
	uint8_t *restrict out = r->alpha + from;
	for (int x = 0; x < n; x++) {
		v4 a = coefs[at[x] - x0], b = coefs[at[x] - x0 + step];
		r->drawn[x] = a + weight[x] * (b - a);
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

/* r->coefs for m. */
static void find_coefs(struct refine *r, struct guided_area m)
{
	struct guided_source *s = &r->source;
	s->of_p = grown(s, m, 2 * r->radius);
	enlarged_get(r->mask, s->of_p, r->p);
	if (r->guided)
		guided_run(r->guided, s, m, r->coefs);
	else
		plain_coefs(s, r->coefs);
}

/* a of the full picture, with coefficients of m, which is larger by one at each side. */
static void write_area(struct refine *r, struct guided_area m, struct guided_area a)
{
	struct guided_area full = full_of(r, a);
	int w = m.x1 - m.x0, left = r->at[full.x0] - m.x0,
	    right = r->at[full.x1 - 1] - m.x0 + (r->source.w > 1);
	for (int y = full.y0; y < full.y1; y++) {
		float t;
		int row = place_among(y, r->full->h, r->source.h, &t) - m.y0;
		const v4 *p = r->coefs + (size_t)row * (size_t)w, *q = r->source.h > 1 ? p + w : p;
		for (int i = left; i <= right; i++)
			r->row[i] = p[i] + t * (q[i] - p[i]);
		write_row(r, r->row, m.x0, y, full.x0, full.x1 - full.x0);
	}
}

/* Where the mask has one value in an area and as far around as it is felt, so has the result. */
static bool fill_area(const struct refine *r, struct guided_area a)
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

/* Row y of a tile's cells, filled where nothing happens: the areas that are left, up to one for every
 * other cell. */
static int list_busy(const struct refine *r, struct guided_area tile, int y,
	struct guided_area *ret)
{
	int n = 0;
	for (int x = tile.x0; x < tile.x1; x += CELL) {
		struct guided_area cell = { x, y, at_most(x + CELL, tile.x1),
			at_most(y + CELL, tile.y1) };
		if (fill_area(r, cell))
			continue;
		if (n > 0 && ret[n - 1].x1 == x)
			ret[n - 1].x1 = cell.x1;
		else
			ret[n++] = cell;
	}
	return n;
}

static void write_tile(struct refine *r, struct guided_area tile)
{
	struct guided_area busy[TILE / CELL * TILE / CELL / 2], all = { tile.x1, tile.y1, 0, 0 };
	int n = 0;
	for (int y = tile.y0; y < tile.y1; y += CELL)
		n += list_busy(r, tile, y, busy + n);
	for (int i = 0; i < n; i++)
		all = (struct guided_area){ at_most(all.x0, busy[i].x0),
			at_most(all.y0, busy[i].y0), at_least(all.x1, busy[i].x1),
			at_least(all.y1, busy[i].y1) };
	if (n == 0)
		return;
	all = grown(&r->source, all, 1);
	find_coefs(r, all);
	for (int i = 0; i < n; i++)
		write_area(r, all, busy[i]);
}

static void write_tiles(struct refine *r)
{
	const struct guided_source *s = &r->source;
	for (int y = 0; y < s->h; y += TILE)
		for (int x = 0; x < s->w; x += TILE) {
			struct guided_area tile = { x, y, at_most(x + TILE, s->w),
				at_most(y + TILE, s->h) };
			if (!fill_area(r, tile))
				write_tile(r, tile);
		}
}

/* No smaller than the mask, and where that is small, twice as large: with more than that the edge is found no
 * better, as the filter's coefficients are smooth. */
#define GUIDE_LEAST 640

int matte_guide_side(const struct matte_model *m)
{
	int side = m->w > m->h ? m->w : m->h;
	side = side > GUIDE_LEAST ? side : GUIDE_LEAST;
	return side < MATTE_GUIDE_MAX ? side : MATTE_GUIDE_MAX;
}

/* The manifest's radius, rounded to pixels of the guide. */
static int radius_on_guide(const struct matte_model *m)
{
	return (m->gf_radius * matte_guide_side(m) + MATTE_GUIDE_MAX / 2) / MATTE_GUIDE_MAX;
}

static enum err_code prepare(struct refine *r, const struct matte_model *m, struct err *e)
{
	size_t side = TILE + 2, columns = (size_t)r->full->w;
	r->radius = radius_on_guide(m);
	size_t felt = side + 4 * (size_t)r->radius;
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
	for (int x = 0; x < r->full->w; x++)
		r->at[x] = place_among(x, r->full->w, r->source.w, &r->weight[x]);
	return r->radius > 0 ? guided_new((int)side, r->radius, m->gf_eps, &r->guided, e) : OK;
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
