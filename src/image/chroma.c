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

/* One row of the result: near and far are the rows of chroma above and below it. */
static void widen_row(const uint8_t *near, const uint8_t *far, int from_w, uint8_t *out, int w)
{
	int last = 3 * near[0] + far[0], here = last;
	for (int i = 0; 2 * i < w; i++) {
		int k = at_most(i + 1, from_w - 1), next = 3 * near[k] + far[k];
		out[2 * i] = (uint8_t)((3 * here + last + 8) >> 4);
		if (2 * i + 1 < w)
			out[2 * i + 1] = (uint8_t)((3 * here + next + 7) >> 4);
		last = here;
		here = next;
	}
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

static uint8_t clamp(int v)
{
	return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)v;
}

/* JFIF 1.02, in 65536ths, rounded once. */
void chroma_to_rgb(struct picture *p)
{
	uint8_t *a = p->planes[0].px, *b = p->planes[1].px, *c = p->planes[2].px;
	size_t count = (size_t)p->w * (size_t)p->h;
	for (size_t k = 0; k < count; k++) {
		int y = (a[k] << 16) + (1 << 15), cb = b[k] - 128, cr = c[k] - 128;
		a[k] = clamp((y + 91881 * cr) >> 16);
		b[k] = clamp((y - 22554 * cb - 46802 * cr) >> 16);
		c[k] = clamp((y + 116130 * cb) >> 16);
	}
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
