/* SPDX-License-Identifier: MIT
 *
 * The subject's own colour at its soft edge.
 *
 * A pixel there shows I = αF + (1-α)B. After Germer, Uelwer, Conrad and Harmeling (2020), F and B are
 * found on a pyramid, from one pixel up to the picture: each level starts with its parent's colours
 * and takes a few steps in which every pixel weighs the equation against its neighbours' colours, the
 * more so the more α changes between them. Where α is 1 (or 0), F (or B) is known, and is held.
 *
 * The pyramid stands on the box reduced to COARSE at most. Finer levels are of tiles: only those with
 * partial alpha are computed, and scratch memory is that of a tile. A tile's margin keeps the coarse
 * colours, so tiles may be finished in place one after the other.
 */
#include "matte/matte.h"
#include "matte/v4.h"

#include "base/mem.h"

#include <string.h>

#define COARSE     256
#define TILE_CELLS 4 /* of the coarse level, a side */
#define LEVELS_MAX 24
#define OPAQUE     0.99f
#define CLEAR      0.01f
#define SMOOTH     1e-5f

struct cell {
	v4 i;    /* colour as seen; [3]: alpha */
	v4 f, b; /* subject, background; [3] is idle */
};
struct level {
	int w, h;
	struct cell *cells;
};
struct picture_planes {
	uint8_t *r, *g, *b;
	const uint8_t *alpha;
	size_t stride;
	struct matte_box box;
};

static bool is_partial(float alpha)
{
	return alpha > CLEAR && alpha < OPAQUE;
}

static struct cell *cell_at(const struct level *l, int x, int y)
{
	return l->cells + (size_t)y * (size_t)l->w + (size_t)x;
}

static enum err_code level_init(struct level *l, int w, int h, struct err *e)
{
	l->w = w;
	l->h = h;
	l->cells = mem_try_alloc(sizeof(*l->cells) * (size_t)w * (size_t)h);
	if (l->cells)
		return OK;
	(void)err_set(e, ERR_LIMIT_MEMORY, "no memory for the edge's colours");
	return ERR_LIMIT_MEMORY;
}

/* x, y within the box */
static v4 pixel(const struct picture_planes *p, int x, int y)
{
	size_t at = (size_t)(p->box.y + y) * p->stride + (size_t)(p->box.x + x);
	return (v4){ p->r[at], p->g[at], p->b[at], p->alpha[at] * (1 / 255.0f) };
}

/* What is known without a look at the neighbours. */
static void hold_known(struct cell *c)
{
	if (c->i[3] >= OPAQUE)
		c->f = c->i;
	if (c->i[3] <= CLEAR)
		c->b = c->i;
}

/* The colours of n neighbours (that is 2, 3 or 4) against the equation of c. */
static void settle(struct cell *c, const struct cell *const *near, int n)
{
	float a = c->i[3], inv = 1 - a, sum = 0;
	v4 f = a * c->i, b = inv * c->i;
	for (int k = 0; k < n; k++) {
		float d = a - near[k]->i[3];
		d = SMOOTH + (d < 0 ? -d : d);
		sum += d;
		f += d * near[k]->f;
		b += d * near[k]->b;
	}
	float ff = a * a + sum, fb = a * inv, bb = inv * inv + sum;
	float by = 1 / (ff * bb - fb * fb);
	c->f = v4_clamp(by * (bb * f - fb * b), 255);
	c->b = v4_clamp(by * (ff * b - fb * f), 255);
}

static int neighbours(const struct level *l, int x, int y, const struct cell **ret)
{
	int n = 0;
	if (x > 0)
		ret[n++] = cell_at(l, x - 1, y);
	if (x + 1 < l->w)
		ret[n++] = cell_at(l, x + 1, y);
	if (y > 0)
		ret[n++] = cell_at(l, x, y - 1);
	if (y + 1 < l->h)
		ret[n++] = cell_at(l, x, y + 1);
	return n;
}

/* `margin` cells at each side stay as they are. */
static void relax(struct level *l, int margin, int steps)
{
	for (int step = 0; step < steps; step++)
		for (int y = margin; y < l->h - margin; y++)
			for (int x = margin; x < l->w - margin; x++) {
				struct cell *c = cell_at(l, x, y);
				const struct cell *near[4];
				if (!is_partial(c->i[3]))
					continue;
				int n = neighbours(l, x, y, near);
				if (n)
					settle(c, near, n);
			}
}

/* The mean of up to four cells. */
static void halve(const struct level *from, struct level *to)
{
	for (int y = 0; y < to->h; y++)
		for (int x = 0; x < to->w; x++) {
			int x1 = 2 * x + 1 < from->w ? 2 * x + 1 : 2 * x,
			    y1 = 2 * y + 1 < from->h ? 2 * y + 1 : 2 * y;
			cell_at(to, x, y)->i = 0.25f *
				(cell_at(from, 2 * x, 2 * y)->i + cell_at(from, x1, 2 * y)->i +
					cell_at(from, 2 * x, y1)->i + cell_at(from, x1, y1)->i);
		}
}

static void inherit(const struct level *parent, struct level *l)
{
	for (int y = 0; y < l->h; y++)
		for (int x = 0; x < l->w; x++) {
			struct cell *c = cell_at(l, x, y);
			const struct cell *p = cell_at(parent, x / 2, y / 2);
			c->f = p->f;
			c->b = p->b;
			hold_known(c);
		}
}

static void levels_done(struct level *levels, int n)
{
	for (int i = 0; i < n; i++)
		free(levels[i].cells);
}

/* Colours of a level whose i is set, by a pyramid on top of it. */
static enum err_code solve_pyramid(struct level *base, struct err *e)
{
	struct level up[LEVELS_MAX];
	int n = 1;
	enum err_code code = OK;
	up[0] = *base;
	while (code == OK && n < LEVELS_MAX && (up[n - 1].w > 1 || up[n - 1].h > 1)) {
		code = level_init(&up[n], (up[n - 1].w + 1) / 2, (up[n - 1].h + 1) / 2, e);
		if (code == OK)
			halve(&up[n - 1], &up[n]);
		n++;
	}
	if (code == OK) {
		struct cell *top = up[n - 1].cells;
		top->f = top->b = top->i;
		for (int k = n - 2; k >= 0; k--) {
			inherit(&up[k + 1], &up[k]);
			relax(&up[k], 0, k > 3 ? 8 : 2);
		}
	}
	levels_done(up + 1, n - 1);
	return code;
}

/* The mean colours of blocks of 2^shift pixels: of every second pixel each way, which tells as much. */
static void reduce(const struct picture_planes *p, int shift, struct level *l)
{
	int size = 1 << shift, step = shift > 1 ? 2 : 1;
	for (int y = 0; y < l->h; y++)
		for (int x = 0; x < l->w; x++) {
			int x1 = (x + 1) * size < p->box.w ? (x + 1) * size : p->box.w,
			    y1 = (y + 1) * size < p->box.h ? (y + 1) * size : p->box.h;
			v4 sum = { 0 };
			int n = 0;
			for (int j = y * size; j < y1; j += step)
				for (int i = x * size; i < x1; i += step, n++)
					sum += pixel(p, i, j);
			cell_at(l, x, y)->i = sum / (float)n;
		}
}

static uint8_t to_byte(float v)
{
	return (uint8_t)(v + 0.5f);
}

/* The subject's colour goes where alpha is partial: cell (x + margin, y + margin) belongs to the
 * pixel (x + x0, y + y0) of the box. */
static void give_back(const struct picture_planes *p, const struct level *l, int margin, int x0,
	int y0, int w, int h)
{
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			size_t at = (size_t)(p->box.y + y0 + y) * p->stride +
				(size_t)(p->box.x + x0 + x);
			if (p->alpha[at] == 0 || p->alpha[at] == 255)
				continue;
			const struct cell *c = cell_at(l, x + margin, y + margin);
			p->r[at] = to_byte(c->f[0]);
			p->g[at] = to_byte(c->f[1]);
			p->b[at] = to_byte(c->f[2]);
		}
}

/* A tile: levels[j] has cells of 2^j pixels with a margin of one cell around. */
struct tile {
	const struct picture_planes *p;
	const struct level *coarse;
	int shift; /* coarse cells are of 2^shift pixels */
	int x0, y0, w, h;
	struct level levels[LEVELS_MAX];
};

/* Colours of the coarse cell that (x, y) of level j lies in; those of the margin too. */
static void from_coarse(const struct tile *t, int j, int x, int y, struct cell *c)
{
	int s = t->shift - j, cx = ((t->x0 >> j) + x) >> s, cy = ((t->y0 >> j) + y) >> s;
	cx = cx < 0 ? 0 : cx < t->coarse->w ? cx : t->coarse->w - 1;
	cy = cy < 0 ? 0 : cy < t->coarse->h ? cy : t->coarse->h - 1;
	*c = *cell_at(t->coarse, cx, cy);
}

static void set_margin(const struct tile *t, int j)
{
	const struct level *l = &t->levels[j];
	for (int x = 0; x < l->w; x++) {
		from_coarse(t, j, x - 1, -1, cell_at(l, x, 0));
		from_coarse(t, j, x - 1, l->h - 2, cell_at(l, x, l->h - 1));
	}
	for (int y = 1; y < l->h - 1; y++) {
		from_coarse(t, j, -1, y - 1, cell_at(l, 0, y));
		from_coarse(t, j, l->w - 2, y - 1, cell_at(l, l->w - 1, y));
	}
}

/* i of the cells within the margin: from the picture, or from the finer level. */
static void load_tile(struct tile *t, int j)
{
	struct level *l = &t->levels[j];
	l->w = ((t->w + (1 << j) - 1) >> j) + 2;
	l->h = ((t->h + (1 << j) - 1) >> j) + 2;
	for (int y = 0; y < l->h - 2; y++)
		for (int x = 0; x < l->w - 2; x++) {
			struct cell *c = cell_at(l, x + 1, y + 1);
			if (j == 0) {
				c->i = pixel(t->p, t->x0 + x, t->y0 + y);
				continue;
			}
			const struct level *f = &t->levels[j - 1];
			int x1 = 2 * x + 1 < f->w - 2 ? 2 * x + 2 : 2 * x + 1,
			    y1 = 2 * y + 1 < f->h - 2 ? 2 * y + 2 : 2 * y + 1;
			c->i = 0.25f *
				(cell_at(f, 2 * x + 1, 2 * y + 1)->i +
					cell_at(f, x1, 2 * y + 1)->i +
					cell_at(f, 2 * x + 1, y1)->i + cell_at(f, x1, y1)->i);
		}
}

static void inherit_tile(const struct tile *t, int j)
{
	const struct level *l = &t->levels[j];
	for (int y = 0; y < l->h - 2; y++)
		for (int x = 0; x < l->w - 2; x++) {
			struct cell *c = cell_at(l, x + 1, y + 1), up;
			if (j + 1 == t->shift)
				from_coarse(t, j, x, y, &up);
			else
				up = *cell_at(&t->levels[j + 1], x / 2 + 1, y / 2 + 1);
			c->f = up.f;
			c->b = up.b;
			hold_known(c);
		}
}

static bool has_partial(const struct tile *t)
{
	const struct picture_planes *p = t->p;
	for (int y = 0; y < t->h; y++) {
		const uint8_t *a = p->alpha + (size_t)(p->box.y + t->y0 + y) * p->stride +
			(size_t)(p->box.x + t->x0);
		int found = 0;
		for (int x = 0; x < t->w; x++)
			found |= (uint8_t)(a[x] + 1) > 1;
		if (found)
			return true;
	}
	return false;
}

static void finish_tile(struct tile *t)
{
	for (int j = 0; j < t->shift; j++)
		load_tile(t, j);
	for (int j = t->shift - 1; j >= 0; j--) {
		set_margin(t, j);
		inherit_tile(t, j);
		relax(&t->levels[j], 1, 1);
	}
	give_back(t->p, &t->levels[0], 1, t->x0, t->y0, t->w, t->h);
}

static enum err_code finish_tiles(const struct picture_planes *p, const struct level *coarse,
	int shift, struct err *e)
{
	int side = TILE_CELLS << shift;
	struct tile t = { .p = p, .coarse = coarse, .shift = shift };
	enum err_code code = OK;
	for (int j = 0; code == OK && j < shift; j++)
		code = level_init(&t.levels[j], (side >> j) + 2, (side >> j) + 2, e);
	for (t.y0 = 0; code == OK && t.y0 < p->box.h; t.y0 += side)
		for (t.x0 = 0; t.x0 < p->box.w; t.x0 += side) {
			t.w = t.x0 + side < p->box.w ? side : p->box.w - t.x0;
			t.h = t.y0 + side < p->box.h ? side : p->box.h - t.y0;
			if (has_partial(&t))
				finish_tile(&t);
		}
	levels_done(t.levels, shift);
	return code;
}

enum err_code matte_foreground(uint8_t *r, uint8_t *g, uint8_t *b, const uint8_t *alpha, int w,
	int h, struct matte_box box, struct err *e)
{
	(void)h;
	if (box.w < 1 || box.h < 1)
		return OK;
	struct picture_planes p = { r, g, b, alpha, (size_t)w, box };
	int shift = 0, longest = box.w > box.h ? box.w : box.h;
	while (longest > COARSE << shift)
		shift++;
	struct level coarse = { 0 };
	enum err_code code = level_init(&coarse, ((box.w - 1) >> shift) + 1,
		((box.h - 1) >> shift) + 1, e);
	if (code != OK)
		return code;
	reduce(&p, shift, &coarse);
	code = solve_pyramid(&coarse, e);
	if (code == OK && shift == 0)
		give_back(&p, &coarse, 0, 0, 0, box.w, box.h);
	else if (code == OK)
		code = finish_tiles(&p, &coarse, shift, e);
	free(coarse.cells);
	return code;
}
