/* SPDX-License-Identifier: MIT
 *
 * From the planes of a JPEG to RGB in place, at full size. Chroma of half the size is widened as
 * libjpeg and browsers do it, three parts the nearer sample and one part the farther, which is
 * several times as fast as resampling; other shapes are rare and are resampled.
 */
#include "base/mem.h"
#include "image/picture.h"
#include "image/resample.h"

#include <stdlib.h>

static int at_most(int v, int most)
{
	return v < most ? v : most;
}

/* A sample of chroma between its two rows, in quarters. */
static int quarters(const uint8_t *near, const uint8_t *far, int i)
{
	return 3 * near[i] + far[i];
}

/* One row of the result: near and far are the rows of chroma above and below it. The two ends repeat
 * their sample; between them nothing depends on the step before, so that compilers take many at once. */
static void widen_row(const uint8_t *restrict near, const uint8_t *restrict far, int from_w,
	uint8_t *restrict out, int w)
{
	int last = from_w - 1;
	out[0] = (uint8_t)((4 * quarters(near, far, 0) + 8) >> 4);
	for (int i = 0; i < last; i++) {
		int here = quarters(near, far, i), next = quarters(near, far, i + 1);
		out[2 * i + 1] = (uint8_t)((3 * here + next + 7) >> 4);
		out[2 * i + 2] = (uint8_t)((3 * next + here + 8) >> 4);
	}
	if (2 * last + 1 < w)
		out[2 * last + 1] = (uint8_t)((4 * quarters(near, far, last) + 7) >> 4);
}

static void widen_half(const struct plane *from, struct plane *to)
{
	for (int y = 0; y < to->h; y++) {
		int near = at_most(y / 2, from->h - 1);
		int far = y % 2 == 0 ? (near > 0 ? near - 1 : 0) : at_most(near + 1, from->h - 1);
		widen_row(from->px + (size_t)near * (size_t)from->w,
			from->px + (size_t)far * (size_t)from->w, from->w,
			to->px + (size_t)y * (size_t)to->w, to->w);
	}
}

static bool is_half(const struct plane *from, int w, int h)
{
	return from->sx == 0.5 && from->sy == 0.5 && from->w == (w + 1) / 2 &&
		from->h == (h + 1) / 2;
}

/* Stand for the whole picture with as many samples as it has pixels. */
static enum err_code widen(struct plane *p, int w, int h, struct err *e)
{
	struct plane to;
	enum err_code code = plane_init(&to, w, h, 1, 1, e);
	if (code != OK)
		return code;
	if (is_half(p, w, h))
		widen_half(p, &to);
	else
		code = resample(p, NULL, (struct rect){ 0, 0, w * p->sx, h * p->sy }, 1, &to, NULL,
			e);
	free(code == OK ? p->px : to.px);
	if (code == OK)
		*p = to;
	return code;
}

static uint8_t clamp(int16_t v)
{
	return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)v;
}

/* a × b in 65536ths, rounded; a is at most 256 in size, and its double still fits. */
static inline int16_t part_of(int16_t a, int16_t b)
{
	int16_t floor = (int16_t)((int16_t)(2 * a) * b >> 16);
	return (int16_t)((int16_t)(floor + 1) >> 1);
}

/* JFIF 1.02, in 65536ths, rounded once. What is whole in a factor stands outside: the rest fits into 16
 * bits, of which vectors hold many. */
static void row_to_rgb(uint8_t *restrict a, uint8_t *restrict b, uint8_t *restrict c, size_t n)
{
	const int16_t red = 91881 - 65536, green_b = -22554, green_r = 65536 - 46802,
		      blue = 116130 - 131072;
	for (size_t k = 0; k < n; k++) {
		int16_t y = a[k], cb = (int16_t)(b[k] - 128), cr = (int16_t)(c[k] - 128);
		int16_t green = (int16_t)((green_b * cb + green_r * cr + (1 << 15)) >> 16);
		a[k] = clamp((int16_t)(y + cr + part_of(cr, red)));
		b[k] = clamp((int16_t)(y - cr + green));
		c[k] = clamp((int16_t)(y + 2 * cb + part_of(cb, blue)));
	}
}

void chroma_to_rgb(struct picture *p)
{
	row_to_rgb(p->planes[0].px, p->planes[1].px, p->planes[2].px, (size_t)p->w * (size_t)p->h);
	p->is_ycc = false;
}

enum err_code picture_make_rgb(struct picture *p, struct err *e)
{
	for (int i = 0; i < p->n; i++) {
		struct plane *q = &p->planes[i];
		enum err_code code = q->w == p->w && q->h == p->h ? OK : widen(q, p->w, p->h, e);
		if (code != OK)
			return code;
	}
	if (p->is_ycc)
		chroma_to_rgb(p);
	return OK;
}
