/* SPDX-License-Identifier: MIT
 *
 * The guided filter as sums over windows. A pixel of guide and mask is one vector (r, g, b, p), and
 * itself times r, g and b are all the products that are needed, so sixteen sums run along in four
 * vectors. They are kept of whole numbers, which floats hold well enough over a piece. A piece is
 * loaded with its margin, zeros outside of the picture, so that no loop looks for the border; only
 * the counts do.
 */
#include "matte/guided.h"

#include "base/mem.h"

#include <string.h>

struct sums {
	v4 v[4]; /* (r g b p), times 1, r, g, b */
};
struct guided {
	int radius, side; /* side: of the largest area with two margins of the radius */
	float eps;
	v4 *in;            /* side × side */
	struct sums *cols; /* of the window's columns; the first is left of the piece */
	v4 *fit;           /* side × side: coefficients of single windows */
	v4 *fit_cols;
};

enum err_code guided_new(int side, int radius, double eps, struct guided **ret, struct err *e)
{
	struct guided *g = mem_new(struct guided);
	g->radius = radius;
	g->side = side + 4 * radius;
	g->eps = (float)(eps * 255 * 255);
	size_t row = (size_t)g->side, plane = row * row;
	g->in = mem_try_alloc(plane * sizeof(*g->in));
	g->cols = mem_try_alloc((row + 8) * sizeof(*g->cols));
	g->fit = mem_try_alloc((plane + 8) * sizeof(*g->fit));
	g->fit_cols = mem_try_alloc((row + 8) * sizeof(*g->fit_cols));
	if (!g->in || !g->cols || !g->fit || !g->fit_cols) {
		guided_free(g);
		return err_set(e, ERR_LIMIT_MEMORY, "no memory for the guided filter");
	}
	*ret = g;
	return OK;
}

void guided_free(struct guided *g)
{
	if (!g)
		return;
	free(g->in);
	free(g->cols);
	free(g->fit);
	free(g->fit_cols);
	free(g);
}

/* w × h from (x0, y0) of the picture, which may lie outside. */
static void load(struct guided *g, const struct guided_source *s, int x0, int y0, int w, int h)
{
	int first = x0 < 0 ? -x0 : 0, last = x0 + w > s->w ? s->w - x0 : w;
	for (int y = 0; y < h; y++) {
		v4 *out = g->in + (size_t)y * (size_t)g->side;
		memset(out, 0, (size_t)w * sizeof(*out));
		if (y0 + y < 0 || y0 + y >= s->h)
			continue;
		size_t from = (size_t)(y0 + y) * (size_t)s->w + (size_t)(x0 + first);
		const uint8_t *red = s->r + from, *green = s->g + from, *blue = s->b + from;
		const int16_t *p = s->p +
			(size_t)(y0 + y - s->of_p.y0) * (size_t)(s->of_p.x1 - s->of_p.x0) +
			(size_t)(x0 + first - s->of_p.x0);
		for (int x = 0; x < last - first; x++)
			out[first + x] = (v4){ red[x], green[x], blue[x], p[x] };
	}
}

static void add_row(struct sums *cols, const v4 *in, int n)
{
	for (int x = 0; x < n; x++) {
		v4 p = in[x];
		cols[x].v[0] += p;
		cols[x].v[1] += p * p[0];
		cols[x].v[2] += p * p[1];
		cols[x].v[3] += p * p[2];
	}
}

static void take_row(struct sums *cols, const v4 *in, int n)
{
	for (int x = 0; x < n; x++) {
		v4 p = in[x];
		cols[x].v[0] -= p;
		cols[x].v[1] -= p * p[0];
		cols[x].v[2] -= p * p[1];
		cols[x].v[3] -= p * p[2];
	}
}

/* The same lane of four sums. */
static v4 lanes(const struct sums *s, int vector, int lane)
{
	return (v4){ s[0].v[vector][lane], s[1].v[vector][lane], s[2].v[vector][lane],
		s[3].v[vector][lane] };
}

/* The linear function of the colours that is nearest the mask, for four windows at a time: a 3 × 3
 * system, solved by cofactors. k: 1 / pixels of each window. */
static void solve(const struct sums *s, v4 k, float eps, v4 *fit)
{
	v4 r = k * lanes(s, 0, 0), g = k * lanes(s, 0, 1), b = k * lanes(s, 0, 2),
	   p = k * lanes(s, 0, 3);
	v4 rr = k * lanes(s, 1, 0) - r * r + eps, rg = k * lanes(s, 1, 1) - r * g,
	   rb = k * lanes(s, 1, 2) - r * b, rp = k * lanes(s, 1, 3) - r * p;
	v4 gg = k * lanes(s, 2, 1) - g * g + eps, gb = k * lanes(s, 2, 2) - g * b,
	   gp = k * lanes(s, 2, 3) - g * p;
	v4 bb = k * lanes(s, 3, 2) - b * b + eps, bp = k * lanes(s, 3, 3) - b * p;
	v4 c0 = gg * bb - gb * gb, c1 = rb * gb - rg * bb, c2 = rg * gb - rb * gg;
	v4 c3 = rr * bb - rb * rb, c4 = rg * rb - rr * gb, c5 = rr * gg - rg * rg;
	v4 by = 1 / (rr * c0 + rg * c1 + rb * c2);
	v4 fr = by * (c0 * rp + c1 * gp + c2 * bp), fg = by * (c1 * rp + c3 * gp + c4 * bp),
	   fb = by * (c2 * rp + c4 * gp + c5 * bp);
	v4 rest = p - fr * r - fg * g - fb * b;
	for (int i = 0; i < 4; i++)
		fit[i] = (v4){ fr[i], fg[i], fb[i], rest[i] };
}

/* How many pixels of a line of n the window around x covers; 1 when x is outside. */
static int covered(int x, int n, int radius)
{
	int from = x > radius ? x - radius : 0, to = x + radius < n ? x + radius + 1 : n;
	return x < 0 || x >= n ? 1 : to - from;
}

/* Along a row of columns: n windows, the first around column `radius`. */
static void fit_row(const struct guided *g, const struct guided_source *s, int x0, float inv_rows,
	int n, v4 *fit)
{
	int r = g->radius;
	struct sums sum = { 0 }, four[4];
	for (int x = 0; x < 2 * r; x++)
		for (int k = 0; k < 4; k++)
			sum.v[k] += g->cols[1 + x].v[k];
	for (int x = 0; x < n; x += 4) {
		v4 inv = { 0 };
		for (int i = 0; i < 4; i++) {
			const struct sums *in = &g->cols[1 + x + i + 2 * r], *out = &g->cols[x + i];
			for (int k = 0; k < 4; k++)
				sum.v[k] += in->v[k] - out->v[k];
			four[i] = sum;
			inv[i] = inv_rows / (float)covered(x0 + x + i, s->w, r);
		}
		solve(four, inv, g->eps, fit + x);
	}
}

/* Windows around pixels outside of the picture do not count. */
static void blank_outside(v4 *fit, int x0, int n, int w)
{
	for (int x = 0; x < n && x0 + x < 0; x++)
		fit[x] = (v4){ 0 };
	for (int x = n - 1; x >= 0 && x0 + x >= w; x--)
		fit[x] = (v4){ 0 };
}

/* The coefficients of the w × h windows around pixels from (x0, y0) on. */
static void fit_windows(struct guided *g, const struct guided_source *s, int x0, int y0, int w,
	int h)
{
	int r = g->radius, n = w + 2 * r;
	size_t side = (size_t)g->side;
	memset(g->cols, 0, (side + 8) * sizeof(*g->cols));
	for (int y = 0; y < 2 * r; y++)
		add_row(g->cols + 1, g->in + (size_t)y * side, n);
	for (int y = 0; y < h; y++) {
		v4 *fit = g->fit + (size_t)y * side;
		add_row(g->cols + 1, g->in + (size_t)(y + 2 * r) * side, n);
		if (y > 0)
			take_row(g->cols + 1, g->in + (size_t)(y - 1) * side, n);
		if (y0 + y < 0 || y0 + y >= s->h) {
			memset(fit, 0, (size_t)w * sizeof(*fit));
			continue;
		}
		fit_row(g, s, x0, 1.0f / (float)covered(y0 + y, s->h, r), w, fit);
		blank_outside(fit, x0, w, s->w);
	}
}

/* Each pixel of a lies in many windows: the mean of their coefficients. */
static void average(struct guided *g, const struct guided_source *s, struct guided_area a, v4 *ret)
{
	int r = g->radius, w = a.x1 - a.x0, n = w + 2 * r;
	size_t side = (size_t)g->side;
	v4 *cols = g->fit_cols + 1;
	memset(g->fit_cols, 0, (side + 8) * sizeof(*g->fit_cols));
	for (int y = 0; y < 2 * r; y++)
		for (int x = 0; x < n; x++)
			cols[x] += g->fit[(size_t)y * side + (size_t)x];
	for (int y = a.y0; y < a.y1; y++) {
		const v4 *in = g->fit + (size_t)(y - a.y0 + 2 * r) * side;
		for (int x = 0; x < n; x++)
			cols[x] += in[x];
		for (int x = 0; x < n && y > a.y0; x++)
			cols[x] -= g->fit[(size_t)(y - a.y0 - 1) * side + (size_t)x];
		v4 sum = { 0 };
		for (int x = 0; x < 2 * r; x++)
			sum += cols[x];
		float inv = 1.0f / (float)covered(y, s->h, r);
		for (int x = 0; x < w; x++) {
			sum += cols[x + 2 * r] - cols[x - 1];
			*ret++ = sum * (inv / (float)covered(a.x0 + x, s->w, r));
		}
	}
}

void guided_run(struct guided *g, const struct guided_source *s, struct guided_area a, v4 *ret)
{
	int r = g->radius, w = a.x1 - a.x0, h = a.y1 - a.y0;
	load(g, s, a.x0 - 2 * r, a.y0 - 2 * r, w + 4 * r, h + 4 * r);
	fit_windows(g, s, a.x0 - r, a.y0 - r, w + 2 * r, h + 2 * r);
	average(g, s, a, ret);
}
