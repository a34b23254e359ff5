/* SPDX-License-Identifier: MIT
 *
 * The rules are those of sharp's pipeline (its ResolveShrink, CalculateCrop and
 * CalculateEmbedPosition), so that who moves from sharp gets pictures of the same size, cut at the
 * same pixel: factors are kept as real numbers and rounded once, half up; a centred cut rounds its
 * offset up, a centred bar rounds it down.
 */
#include "image/geometry.h"

#include <math.h>

#define SIZE_MAX_PX 1e9 /* more than any memory holds; a number that can be counted with */

static int round_size(double x)
{
	return x < 1 ? 1 : (int)(fmin(x, SIZE_MAX_PX) + 0.5);
}

/* How much each axis shrinks; below 1 it grows. */
static void resolve_shrink(const struct variant *v, int w, int h, double *ret_h, double *ret_v)
{
	double hs = v->width > 0 ? (double)w / v->width : 0;
	double vs = v->height > 0 ? (double)h / v->height : 0;
	if (hs == 0 && vs == 0) {
		hs = vs = 1;
	} else if (v->fit == FIT_FILL) {
		hs = hs == 0 ? 1 : hs;
		vs = vs == 0 ? 1 : vs;
	} else if (hs == 0 || vs == 0) {
		hs = vs = fmax(hs, vs);
	} else if (v->fit == FIT_COVER || v->fit == FIT_OUTSIDE) {
		hs = vs = fmin(hs, vs);
	} else {
		hs = vs = fmax(hs, vs);
	}
	if (v->without_enlargement) {
		hs = fmax(1, hs);
		vs = fmax(1, vs);
	}
	*ret_h = fmin(hs, w);
	*ret_v = fmin(vs, h);
}

/* Along one axis: -1 keeps the start (north, west), +1 the end, 0 the middle. */
static int side_x(enum position p)
{
	switch (p) {
	case POSITION_NORTHEAST:
	case POSITION_EAST:
	case POSITION_SOUTHEAST:
		return 1;
	case POSITION_NORTHWEST:
	case POSITION_WEST:
	case POSITION_SOUTHWEST:
		return -1;
	default:
		return 0;
	}
}

static int side_y(enum position p)
{
	switch (p) {
	case POSITION_NORTHWEST:
	case POSITION_NORTH:
	case POSITION_NORTHEAST:
		return -1;
	case POSITION_SOUTHWEST:
	case POSITION_SOUTH:
	case POSITION_SOUTHEAST:
		return 1;
	default:
		return 0;
	}
}

/* spare: how much longer the scaled axis is than the result; negative where bars are needed. */
static int offset(int spare, int side)
{
	if (side < 0)
		return 0;
	if (side > 0)
		return spare;
	return spare >= 0 ? (spare + 1) / 2 : -(-spare / 2);
}

static int smaller(int a, int b)
{
	return a < b ? a : b;
}

struct geometry geometry_of(const struct variant *v, int w, int h)
{
	double hs, vs;
	resolve_shrink(v, w, h, &hs, &vs);
	struct geometry g = { .scaled_w = round_size(w / hs), .scaled_h = round_size(h / vs) };
	int ask_w = v->width > 0 ? v->width : g.scaled_w;
	int ask_h = v->height > 0 ? v->height : g.scaled_h;
	g.out_w = g.scaled_w;
	g.out_h = g.scaled_h;
	if (v->fit == FIT_COVER) {
		g.out_w = smaller(ask_w, g.scaled_w);
		g.out_h = smaller(ask_h, g.scaled_h);
		g.is_searched = (v->position == POSITION_ENTROPY ||
					v->position == POSITION_ATTENTION) &&
			(g.out_w < g.scaled_w || g.out_h < g.scaled_h);
	} else if (v->fit == FIT_CONTAIN) {
		g.out_w = ask_w;
		g.out_h = ask_h;
		g.has_bars = g.out_w > g.scaled_w || g.out_h > g.scaled_h;
	}
	if (!g.is_searched) {
		g.left = offset(g.scaled_w - g.out_w, side_x(v->position));
		g.top = offset(g.scaled_h - g.out_h, side_y(v->position));
	}
	return g;
}
