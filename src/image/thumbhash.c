/* SPDX-License-Identifier: MIT
 *
 * The picture becomes four channels (luminance; yellow to blue; red to green; alpha), each a few
 * terms of a cosine transform: the mean, and the lowest frequencies in 4 bits each, relative to the
 * largest of them. The header of 5 or 6 bytes holds means and scales. All rounding is half up, as
 * in the reference, so the bytes are the same.
 */
#include "image/thumbhash.h"

#include "base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { PIXELS_MAX = THUMBHASH_SIDE * THUMBHASH_SIDE, TERMS_MAX = 7 * 7 };

#define NOISE 1e-9 /* of the arithmetic: a flat picture has no other terms */

struct channel {
	double dc, scale;
	double ac[TERMS_MAX];
	int n;
};

struct lpqa {
	int w, h;
	bool has_alpha;
	double l[PIXELS_MAX], p[PIXELS_MAX], q[PIXELS_MAX], a[PIXELS_MAX];
};

static int half_up(double v)
{
	return (int)floor(v + 0.5);
}

/* Laid on the average colour, so that what is transparent adds nothing. */
static void convert(struct lpqa *c, const uint8_t *rgba)
{
	double sum[3] = { 0 }, alpha_sum = 0;
	int n = c->w * c->h;
	for (int i = 0; i < n; i++) {
		double alpha = rgba[4 * i + 3] / 255.0;
		for (int k = 0; k < 3; k++)
			sum[k] += alpha * rgba[4 * i + k] / 255.0;
		alpha_sum += alpha;
	}
	for (int k = 0; k < 3 && alpha_sum > 0; k++)
		sum[k] /= alpha_sum;
	c->has_alpha = alpha_sum < n - 1e-6;
	for (int i = 0; i < n; i++) {
		double alpha = rgba[4 * i + 3] / 255.0, v[3];
		for (int k = 0; k < 3; k++)
			v[k] = sum[k] * (1 - alpha) + alpha * rgba[4 * i + k] / 255.0;
		c->l[i] = (v[0] + v[1] + v[2]) / 3;
		c->p[i] = (v[0] + v[1]) / 2 - v[2];
		c->q[i] = v[0] - v[1];
		c->a[i] = alpha;
	}
}

static double term(const double *values, int w, int h, int cx, int cy)
{
	double fx[THUMBHASH_SIDE], f = 0;
	for (int x = 0; x < w; x++)
		fx[x] = cos(M_PI / w * cx * (x + 0.5));
	for (int y = 0; y < h; y++) { /* in the reference's order: sums round alike */
		double fy = cos(M_PI / h * cy * (y + 0.5));
		for (int x = 0; x < w; x++)
			f += values[x + y * w] * fx[x] * fy;
	}
	return f / (w * h);
}

/* The terms under the diagonal of nx × ny, row by row. */
static void transform(const double *values, int w, int h, int nx, int ny, struct channel *ret)
{
	*ret = (struct channel){ 0 };
	for (int cy = 0; cy < ny; cy++)
		for (int cx = 0; cx * ny < nx * (ny - cy); cx++) {
			double f = term(values, w, h, cx, cy);
			if (cx == 0 && cy == 0) {
				ret->dc = f;
				continue;
			}
			ret->ac[ret->n++] = f;
			ret->scale = fmax(ret->scale, fabs(f));
		}
	if (ret->scale < NOISE) {
		memset(ret->ac, 0, sizeof(ret->ac));
		ret->scale = 0;
	}
	for (int i = 0; i < ret->n && ret->scale > 0; i++)
		ret->ac[i] = 0.5 + 0.5 / ret->scale * ret->ac[i];
}

/* 4 bits a term, low half first. */
static void put_terms(const struct channel *c, uint8_t *out, size_t *nibble)
{
	for (int i = 0; i < c->n; i++, (*nibble)++)
		out[*nibble / 2] |= (uint8_t)(half_up(15 * c->ac[i]) << (*nibble % 2 * 4));
}

static int at_least(int least, int v)
{
	return v < least ? least : v;
}

size_t thumbhash(int w, int h, const uint8_t *rgba, uint8_t out[THUMBHASH_MAX])
{
	autofree struct lpqa *c = mem_new(struct lpqa);
	c->w = w;
	c->h = h;
	convert(c, rgba);
	int limit = c->has_alpha ? 5 : 7, longest = w > h ? w : h;
	int lx = at_least(1, half_up((double)limit * w / longest));
	int ly = at_least(1, half_up((double)limit * h / longest));
	struct channel l, p, q, a = { 0 };
	transform(c->l, w, h, at_least(3, lx), at_least(3, ly), &l);
	transform(c->p, w, h, 3, 3, &p);
	transform(c->q, w, h, 3, 3, &q);
	if (c->has_alpha)
		transform(c->a, w, h, 5, 5, &a);
	bool wide = w > h;
	uint32_t head = (uint32_t)(half_up(63 * l.dc) | half_up(31.5 + 31.5 * p.dc) << 6 |
		half_up(31.5 + 31.5 * q.dc) << 12 | half_up(31 * l.scale) << 18 |
		c->has_alpha << 23);
	uint32_t tail = (uint32_t)((wide ? ly : lx) | half_up(63 * p.scale) << 3 |
		half_up(63 * q.scale) << 9 | wide << 15);
	memset(out, 0, THUMBHASH_MAX);
	const uint8_t fixed[5] = { head & 255, head >> 8 & 255, head >> 16 & 255, tail & 255,
		tail >> 8 };
	memcpy(out, fixed, sizeof(fixed));
	if (c->has_alpha)
		out[5] = (uint8_t)(half_up(15 * a.dc) | half_up(15 * a.scale) << 4);
	size_t nibble = c->has_alpha ? 12 : 10;
	put_terms(&l, out, &nibble);
	put_terms(&p, out, &nibble);
	put_terms(&q, out, &nibble);
	put_terms(&a, out, &nibble);
	return (nibble + 1) / 2;
}
