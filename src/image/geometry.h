/* SPDX-License-Identifier: MIT
 *
 * Where the pixels of a variant come from: sharp's words (fit, position, without_enlargement) and
 * sharp's rounding, as arithmetic on sizes. No pixel is touched here.
 */
#ifndef BULB_IMAGE_GEOMETRY_H
#define BULB_IMAGE_GEOMETRY_H

#include "job/recipe.h"

/* The whole upright picture is scaled to scaled_w × scaled_h; the result is out_w × out_h. Along
 * each axis the result is either cut out of the scaled picture (left, top ≥ 0) or the scaled
 * picture lies inside it at (-left, -top) with bars around (left, top ≤ 0). */
struct geometry {
	int scaled_w, scaled_h;
	int left, top;
	int out_w, out_h;
	bool has_bars;
	bool is_searched; /* entropy, attention: left and top come from the pixels, here 0 */
};
/* w, h: upright size of the source, at least 1. */
struct geometry geometry_of(const struct variant *v, int w, int h);

#endif
