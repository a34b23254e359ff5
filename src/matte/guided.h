/* SPDX-License-Identifier: MIT
 *
 * A guided filter (He, Sun, Tang 2010) with a colour guide, one piece of a picture at a time: the
 * filtered value at a pixel is c[0] r + c[1] g + c[2] b + c[3], and these coefficients are smooth,
 * so that they can be computed on a small picture and used on a large one.
 */
#ifndef BULB_MATTE_GUIDED_H
#define BULB_MATTE_GUIDED_H

#include "base/err.h"
#include "matte/v4.h"

#include <stdint.h>

#define GUIDED_MAX 1023 /* a mask's 1.0, as the sums are of integers */

struct guided_area {
	int x0, y0, x1, y1; /* half open */
};
struct guided_source {
	const uint8_t *r, *g, *b; /* w × h */
	int w, h;
	const int16_t *p; /* 0 … GUIDED_MAX, of this part of the picture: */
	struct guided_area of_p;
};
struct guided;
/* For areas of at most side × side. ERR_LIMIT_MEMORY. */
enum err_code guided_new(int side, int radius, double eps, struct guided **ret, struct err *e)
	MUST_CHECK;
void guided_free(struct guided *g);
/* p has to be there as far as two radii around a, or to the border. ret: rows of a's width; the value is in
 * p's unit, colours 0 … 255. */
void guided_run(struct guided *g, const struct guided_source *s, struct guided_area a, v4 *ret);

#endif
