/* SPDX-License-Identifier: MIT
 *
 * The guided filter as sums over windows. The first sums (thirteen: colours, mask, and their
 * products) are of integers and run along without drifting; a piece's planes fit a core's cache,
 * and every loop over a row is one that compilers turn into vectors.
 */
#include "matte/guided.h"

#include "base/mem.h"

#include <string.h>

enum { R, G, B, P, RR, RG, RB, GG, GB, BB, RP, GP, BP, SUMS };

struct guided {
	int radius, side; /* side: of the largest area with both margins */
	float eps;
	int16_t *in;   /* 4 planes: r, g, b, p */
	int32_t *cols; /* SUMS rows: sums over a column of the window */
	int32_t *sums; /* SUMS rows: over the whole window */
	float *fit;    /* 4 planes: coefficients of single windows */
	float *means;  /* 4 rows */
};

enum err_code guided_new(int side, int radius, double eps, struct guided **ret, struct err *e)
{
	struct guided *g = mem_new(struct guided);
	g->radius = radius;
	g->side = side + 4 * radius;
	g->eps = (float)(eps * 255 * 255);
	size_t row = (size_t)g->side, plane = row * row;
	g->in = mem_try_alloc(4 * plane * sizeof(*g->in));
	g->cols = mem_try_alloc(SUMS * row * sizeof(*g->cols));
	g->sums = mem_try_alloc(SUMS * row * sizeof(*g->sums));
	g->fit = mem_try_alloc(4 * plane * sizeof(*g->fit));
	g->means = mem_try_alloc(4 * row * sizeof(*g->means));
	if (!g->in || !g->cols || !g->sums || !g->fit || !g->means) {
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
	free(g->sums);
	free(g->fit);
	free(g->means);
	free(g);
}

static int at_least(int a, int b)
{
	return a > b ? a : b;
}

static int at_most(int a, int b)
{
	return a < b ? a : b;
}

static struct guided_area widen(struct guided_area a, int by, const struct guided_source *s)
{
	return (struct guided_area){ at_least(a.x0 - by, 0), at_least(a.y0 - by, 0),
		at_most(a.x1 + by, s->w), at_most(a.y1 + by, s->h) };
}

static void load(struct guided *g, const struct guided_source *s, struct guided_area c)
{
	size_t n = (size_t)(c.x1 - c.x0), plane = (size_t)g->side * (size_t)g->side;
	for (int y = c.y0; y < c.y1; y++) {
		size_t from = (size_t)y * (size_t)s->w + (size_t)c.x0;
		int16_t *restrict out = g->in + (size_t)(y - c.y0) * (size_t)g->side;
		const uint8_t *restrict rgb = s->rgb + 3 * from;
		for (size_t x = 0; x < n; x++) {
			out[x] = rgb[3 * x];
			out[x + plane] = rgb[3 * x + 1];
			out[x + 2 * plane] = rgb[3 * x + 2];
		}
		memcpy(out + 3 * plane, s->p + from, n * sizeof(*out));
	}
}

/* One row of the piece enters the columns' sums (sign 1) or leaves them (-1). */
static void slide(struct guided *g, int row, int n, int sign)
{
	size_t plane = (size_t)g->side * (size_t)g->side, side = (size_t)g->side;
	const int16_t *restrict r = g->in + (size_t)row * side, *restrict gr = r + plane,
				*restrict b = gr + plane, *restrict p = b + plane;
	int32_t *restrict c = g->cols;
	for (int x = 0; x < n; x++) {
		int16_t pr = (int16_t)(r[x] * sign), pg = (int16_t)(gr[x] * sign),
			pb = (int16_t)(b[x] * sign);
		c[R * side + (size_t)x] += pr;
		c[G * side + (size_t)x] += pg;
		c[B * side + (size_t)x] += pb;
		c[P * side + (size_t)x] += p[x] * sign;
		c[RR * side + (size_t)x] += pr * r[x];
		c[RG * side + (size_t)x] += pr * gr[x];
		c[RB * side + (size_t)x] += pr * b[x];
		c[GG * side + (size_t)x] += pg * gr[x];
		c[GB * side + (size_t)x] += pg * b[x];
		c[BB * side + (size_t)x] += pb * b[x];
		c[RP * side + (size_t)x] += pr * p[x];
		c[GP * side + (size_t)x] += pg * p[x];
		c[BP * side + (size_t)x] += pb * p[x];
	}
}

/* Of columns 0 … n-1, the sums over x - radius … x + radius for x = from … to-1. */
static void across(const int32_t *restrict cols, int32_t *restrict sums, int n, int from, int to,
	int radius)
{
	int32_t sum = 0;
	for (int x = at_least(from - radius, 0); x < at_most(from + radius, n); x++)
		sum += cols[x];
	int x = from;
	for (; x < to && x <= radius; x++) {
		sum += x + radius < n ? cols[x + radius] : 0;
		sums[x] = sum;
	}
	for (; x < at_most(to, n - radius); x++) {
		sum += cols[x + radius] - cols[x - radius - 1];
		sums[x] = sum;
	}
	for (; x < to; x++) {
		sum -= cols[x - radius - 1];
		sums[x] = sum;
	}
}

/* How many pixels of a line of n the window around x covers. */
static int covered(int x, int n, int radius)
{
	return at_most(x + radius + 1, n) - at_least(x - radius, 0);
}

/* The linear function of the colours that is nearest the mask in each window: a 3 × 3 system, solved
 * by cofactors. inv: 1 / pixels of each window. */
static void solve(const struct guided *g, const float *restrict inv, int from, int to,
	float *restrict fit)
{
	size_t side = (size_t)g->side, plane = side * side;
	const int32_t *restrict s = g->sums;
	float eps = g->eps;
	for (int i = from; i < to; i++) {
		size_t x = (size_t)i;
		float k = inv[x];
		float r = k * (float)s[R * side + x], gr = k * (float)s[G * side + x],
		      b = k * (float)s[B * side + x], p = k * (float)s[P * side + x];
		float rr = k * (float)s[RR * side + x] - r * r + eps,
		      rg = k * (float)s[RG * side + x] - r * gr,
		      rb = k * (float)s[RB * side + x] - r * b,
		      gg = k * (float)s[GG * side + x] - gr * gr + eps,
		      gb = k * (float)s[GB * side + x] - gr * b,
		      bb = k * (float)s[BB * side + x] - b * b + eps;
		float rp = k * (float)s[RP * side + x] - r * p,
		      gp = k * (float)s[GP * side + x] - gr * p,
		      bp = k * (float)s[BP * side + x] - b * p;
		float c0 = gg * bb - gb * gb, c1 = rb * gb - rg * bb, c2 = rg * gb - rb * gg;
		float c3 = rr * bb - rb * rb, c4 = rg * rb - rr * gb, c5 = rr * gg - rg * rg;
		float by = 1 / (rr * c0 + rg * c1 + rb * c2);
		float ar = by * (c0 * rp + c1 * gp + c2 * bp),
		      ag = by * (c1 * rp + c3 * gp + c4 * bp),
		      ab = by * (c2 * rp + c4 * gp + c5 * bp);
		fit[x] = ar;
		fit[x + plane] = ag;
		fit[x + 2 * plane] = ab;
		fit[x + 3 * plane] = p - ar * r - ag * gr - ab * b;
	}
}

/* The coefficients of the windows of b; c: b with its margin, which is loaded. Left in fit in c's
 * coordinates. */
static void fit_windows(struct guided *g, const struct guided_source *s, struct guided_area b,
	struct guided_area c)
{
	int n = c.x1 - c.x0, r = g->radius;
	size_t side = (size_t)g->side;
	float *inv = g->means;
	memset(g->cols, 0, SUMS * side * sizeof(*g->cols));
	for (int y = at_least(b.y0 - r, 0); y < at_most(b.y0 + r, s->h); y++)
		slide(g, y - c.y0, n, 1);
	for (int y = b.y0; y < b.y1; y++) {
		if (y + r < s->h)
			slide(g, y + r - c.y0, n, 1);
		if (y - r - 1 >= c.y0 && y > b.y0)
			slide(g, y - r - 1 - c.y0, n, -1);
		for (int k = 0; k < SUMS; k++)
			across(g->cols + (size_t)k * side, g->sums + (size_t)k * side, n,
				b.x0 - c.x0, b.x1 - c.x0, r);
		for (int x = b.x0; x < b.x1; x++)
			inv[x - c.x0] = 1.0f / (float)(covered(x, s->w, r) * covered(y, s->h, r));
		solve(g, inv, b.x0 - c.x0, b.x1 - c.x0, g->fit + (size_t)(y - c.y0) * side);
	}
}

static void add_row(float *restrict sums, const float *restrict row, int n, float sign)
{
	for (int x = 0; x < n; x++)
		sums[x] += sign * row[x];
}

/* Each pixel lies in many windows: the mean of their coefficients. b, c as above; a: b without its
 * margin. */
static void average(struct guided *g, const struct guided_source *s, struct guided_area a,
	struct guided_area b, struct guided_area c, float *ret)
{
	int r = g->radius, n = b.x1 - b.x0;
	size_t side = (size_t)g->side;
	for (int k = 0; k < 4; k++) {
		float *cols = g->means;
		const float *fit = g->fit + (size_t)k * side * side + (b.x0 - c.x0);
		memset(cols, 0, (size_t)n * sizeof(*cols));
		for (int y = b.y0; y < at_most(a.y0 + r, b.y1); y++)
			add_row(cols, fit + (size_t)(y - c.y0) * side, n, 1);
		for (int y = a.y0; y < a.y1; y++) {
			if (y + r < s->h)
				add_row(cols, fit + (size_t)(y + r - c.y0) * side, n, 1);
			if (y - r - 1 >= b.y0 && y > a.y0)
				add_row(cols, fit + (size_t)(y - r - 1 - c.y0) * side, n, -1);
			float sum = 0;
			for (int x = b.x0; x < at_most(a.x0 + r, b.x1); x++)
				sum += cols[x - b.x0];
			float *out = ret + 4 * (size_t)(y - a.y0) * (size_t)(a.x1 - a.x0) + k;
			for (int x = a.x0; x < a.x1; x++, out += 4) {
				sum += x + r < s->w ? cols[x + r - b.x0] : 0;
				sum -= x - r - 1 >= b.x0 && x > a.x0 ? cols[x - r - 1 - b.x0] : 0;
				*out = sum / (float)(covered(x, s->w, r) * covered(y, s->h, r));
			}
		}
	}
}

void guided_run(struct guided *g, const struct guided_source *s, struct guided_area a, float *ret)
{
	struct guided_area b = widen(a, g->radius, s), c = widen(b, g->radius, s);
	load(g, s, c);
	fit_windows(g, s, b, c);
	average(g, s, a, b, c, ret);
}
