/* SPDX-License-Identifier: MIT
 *
 * EXIF orientation (CIPA DC-008, tag 0x0112) as three switches: swap rows and columns, then mirror
 * left-right, then mirror top-bottom. Orientations 5 to 8 are those that swap.
 */
#include "image/picture.h"

#include "base/mem.h"

struct turn {
	bool swap, mirror_x, mirror_y;
};
static const struct turn turns[9] = {
	[2] = { .mirror_x = true },
	[3] = { .mirror_x = true, .mirror_y = true },
	[4] = { .mirror_y = true },
	[5] = { .swap = true },
	[6] = { .swap = true, .mirror_x = true },
	[7] = { .swap = true, .mirror_x = true, .mirror_y = true },
	[8] = { .swap = true, .mirror_y = true },
};

/* to(x, y) = from(u, v), walked so that writes are in order; tiles keep the reads in the cache. */
static void turn_pixels(const struct plane *from, struct plane *to, struct turn t)
{
	enum { TILE = 32 };
	ptrdiff_t step_x = t.swap ? from->w : 1, step_y = t.swap ? 1 : from->w;
	const uint8_t *origin = from->px;
	if (t.mirror_x) {
		origin += step_x * (to->w - 1);
		step_x = -step_x;
	}
	if (t.mirror_y) {
		origin += step_y * (to->h - 1);
		step_y = -step_y;
	}
	for (int y0 = 0; y0 < to->h; y0 += TILE)
		for (int x0 = 0; x0 < to->w; x0 += TILE)
			for (int y = y0; y < y0 + TILE && y < to->h; y++) {
				const uint8_t *row = origin + step_y * y;
				uint8_t *out = to->px + (ptrdiff_t)y * to->w;
				for (int x = x0; x < x0 + TILE && x < to->w; x++)
					out[x] = row[step_x * x];
			}
}

enum err_code picture_orient(struct picture *p, int orientation, struct err *e)
{
	if (orientation < 2 || orientation > 8)
		return OK;
	struct turn t = turns[orientation];
	for (int i = 0; i < p->n; i++) {
		struct plane *from = &p->planes[i], to;
		enum err_code code = t.swap
			? plane_init(&to, from->h, from->w, from->sy, from->sx, e)
			: plane_init(&to, from->w, from->h, from->sx, from->sy, e);
		if (code != OK)
			return code;
		turn_pixels(from, &to, t);
		free(from->px);
		*from = to;
	}
	if (t.swap) {
		int w = p->w;
		p->w = p->h;
		p->h = w;
	}
	return OK;
}
