/* SPDX-License-Identifier: MIT
 *
 * Product shots: a subject on a ground of one colour, without a model.
 *
 * The ground is the border's median colour. It is flat when nearly all of the border is within
 * TOLERANCE of it (which JPEG's noise is); the subject may stand on up to half of the lower edge. The
 * ground is then filled from the border inwards, so a patch of its colour inside the subject stays. A
 * soft shadow, that is one of the ground's hue which deepens by small steps, is filled as well, down
 * to SHADOW levels. Where much of the rim is still no edge but a slope, the ground was not flat, and
 * the model has to say.
 *
 * A coder's noise beside the edge is taken away before the edge is looked at (up to two pixels of it,
 * and specks that lie alone). The two pixels next to the ground are then a mixture: alpha is how far
 * their colour has gone from the ground's to that of the subject beside them. All other alphas are 0
 * or 255.
 */
#include "matte/matte.h"

#include "base/mem.h"

#include <string.h>

#define TOLERANCE 10 /* of any channel */
#define SHADOW    32
#define STEP      4 /* between neighbours within a shadow */
#define HUE       6 /* how far a shadow may be off it, in levels */
#define SIDE_MIN  8
#define SPOTS_MAX (8 << 20) /* then it is a texture */
#define WINDOW    4         /* where the subject's colour is looked for */
#define NOISE     24 /* what a coder leaves beside an edge: at most this far from the ground */
#define FAINT     28 /* an alpha under this is such noise too */

/* The alpha plane holds these while the work goes on; final alphas lie between them. */
enum { GROUND = 0, RIM = 1, SECOND = 2, LEAST = 3, MOST = 254, SUBJECT = 255 };

struct spot {
	int x, y;
};
struct flat {
	const struct matte_planes *p;
	uint8_t *map;
	int ground[3];
	int light; /* of the ground: sum of its channels */
	struct spot *spots;
	size_t n, cap;
	bool failed, is_texture;
};
struct color {
	int v[3];
};

static size_t at(const struct flat *f, int x, int y)
{
	return (size_t)y * (size_t)f->p->w + (size_t)x;
}

static struct color color_at(const struct flat *f, size_t i)
{
	return (struct color){ { f->p->r[i], f->p->g[i], f->p->b[i] } };
}

/* The largest difference of a channel. */
static int distance(struct color a, const int b[3])
{
	int max = 0;
	for (int c = 0; c < 3; c++) {
		int d = a.v[c] > b[c] ? a.v[c] - b[c] : b[c] - a.v[c];
		max = d > max ? d : max;
	}
	return max;
}

static bool is_ground(const struct flat *f, size_t i)
{
	return distance(color_at(f, i), f->ground) <= TOLERANCE;
}

/* The ground's hue, darker by no more than SHADOW. */
static bool is_shadow(const struct flat *f, struct color c)
{
	int light = c.v[0] + c.v[1] + c.v[2];
	if (light > f->light || distance(c, f->ground) > SHADOW)
		return false;
	for (int k = 0; k < 3; k++) {
		int off = c.v[k] * f->light - f->ground[k] * light;
		if (off > HUE * f->light || off < -HUE * f->light)
			return false;
	}
	return true;
}

/* May the ground spread from one pixel to its neighbour? */
static bool spreads(const struct flat *f, size_t from, size_t to)
{
	struct color c = color_at(f, to);
	if (distance(c, f->ground) <= TOLERANCE)
		return true;
	return distance(c, color_at(f, from).v) <= STEP && is_shadow(f, c);
}

static void push(struct flat *f, int x, int y)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 1024;
		struct spot *more = cap > SPOTS_MAX ? NULL : realloc(f->spots, cap * sizeof(*more));
		if (!more) {
			f->is_texture = cap > SPOTS_MAX;
			f->failed = true;
			return;
		}
		f->spots = more;
		f->cap = cap;
	}
	f->map[at(f, x, y)] = GROUND;
	f->spots[f->n++] = (struct spot){ x, y };
}

/* From the ground's run x0 … x1 in row y into row `to`: one spot for each run there. */
static void spread_rows(struct flat *f, int x0, int x1, int y, int to)
{
	if (to < 0 || to >= f->p->h)
		return;
	bool inside = false;
	for (int x = x0; x <= x1; x++) {
		size_t i = at(f, x, to);
		bool enters = f->map[i] == SUBJECT && spreads(f, at(f, x, y), i);
		if (enters && !inside)
			push(f, x, to);
		inside = enters;
	}
}

static void fill(struct flat *f)
{
	while (f->n > 0 && !f->failed) {
		struct spot s = f->spots[--f->n];
		int x0 = s.x, x1 = x0;
		for (size_t i = at(f, s.x, s.y);
			x0 > 0 && f->map[i - 1] == SUBJECT && spreads(f, i, i - 1); i--, x0--)
			f->map[i - 1] = GROUND;
		for (size_t i = at(f, s.x, s.y);
			x1 + 1 < f->p->w && f->map[i + 1] == SUBJECT && spreads(f, i, i + 1);
			i++, x1++)
			f->map[i + 1] = GROUND;
		spread_rows(f, x0, x1, s.y, s.y - 1);
		spread_rows(f, x0, x1, s.y, s.y + 1);
	}
}

/* One side of the border: its first pixel, how many, and the way from one to the next. */
struct side {
	size_t start, n, step;
	int need; /* per cent that must be ground */
};

static void get_sides(const struct flat *f, struct side sides[4])
{
	size_t w = (size_t)f->p->w, h = (size_t)f->p->h;
	sides[0] = (struct side){ 0, w, 1, 97 };
	sides[1] = (struct side){ 0, h, w, 97 };
	sides[2] = (struct side){ w - 1, h, w, 97 };
	sides[3] = (struct side){ (h - 1) * w, w, 1, 50 };
}

static void find_ground(struct flat *f, const struct side sides[4])
{
	const uint8_t *planes[3] = { f->p->r, f->p->g, f->p->b };
	f->light = 0;
	for (int c = 0; c < 3; c++) {
		size_t counts[256] = { 0 }, all = 0, seen = 0;
		for (int s = 0; s < 4; s++)
			for (size_t k = 0; k < sides[s].n; k++, all++)
				counts[planes[c][sides[s].start + k * sides[s].step]]++;
		int v = 0;
		while (v < 255 && (seen += counts[v]) * 2 < all)
			v++;
		f->ground[c] = v;
		f->light += v;
	}
}

static bool border_is_ground(const struct flat *f, const struct side sides[4])
{
	for (int s = 0; s < 4; s++) {
		size_t good = 0;
		for (size_t k = 0; k < sides[s].n; k++)
			good += is_ground(f, sides[s].start + k * sides[s].step);
		if (good * 100 < sides[s].n * (size_t)sides[s].need)
			return false;
	}
	return true;
}

static void fill_from_border(struct flat *f, const struct side sides[4])
{
	for (int s = 0; s < 4; s++)
		for (size_t k = 0; k < sides[s].n && !f->failed; k++) {
			size_t i = sides[s].start + k * sides[s].step;
			if (f->map[i] != SUBJECT || !is_ground(f, i))
				continue;
			push(f, (int)(i % (size_t)f->p->w), (int)(i / (size_t)f->p->w));
			fill(f);
		}
}

/* A neighbour of (x, y), of eight, that has this mark: its index, or -1. */
static int64_t near_mark(const struct flat *f, int x, int y, uint8_t mark)
{
	for (int j = y > 0 ? y - 1 : 0; j <= y + 1 && j < f->p->h; j++)
		for (int i = x > 0 ? x - 1 : 0; i <= x + 1 && i < f->p->w; i++)
			if (f->map[at(f, i, j)] == mark)
				return (int64_t)at(f, i, j);
	return -1;
}

/* Marks the subject's pixels beside those marked `beside`. False when more than a fifth of them
 * differ from those by no more than a shadow's step: a slope, not an edge. */
static bool mark_beside(const struct flat *f, uint8_t beside, uint8_t mark)
{
	size_t all = 0, soft = 0;
	for (int y = 0; y < f->p->h; y++)
		for (int x = 0; x < f->p->w; x++) {
			size_t i = at(f, x, y);
			if (f->map[i] != SUBJECT)
				continue;
			int64_t from = near_mark(f, x, y, beside);
			if (from < 0)
				continue;
			f->map[i] = mark;
			all++;
			soft += distance(color_at(f, i), color_at(f, (size_t)from).v) <= STEP;
		}
	return soft * 5 <= all;
}

/* A coder's noise beside an edge would pass for the subject's rim, and the rim for its inside: up to two
 * pixels of it are taken away. */
static void shed_noise(const struct flat *f)
{
	size_t n = (size_t)f->p->w * (size_t)f->p->h;
	for (int pass = 0; pass < 2; pass++) {
		for (int y = 0; y < f->p->h; y++)
			for (int x = 0; x < f->p->w; x++) {
				size_t i = at(f, x, y);
				if (f->map[i] == SUBJECT &&
					distance(color_at(f, i), f->ground) <= NOISE &&
					near_mark(f, x, y, GROUND) >= 0)
					f->map[i] = RIM;
			}
		for (size_t i = 0; i < n; i++)
			f->map[i] = f->map[i] == RIM ? GROUND : f->map[i];
	}
}

/* The subject's colour near (x, y): the mean of its inner pixels, or, where it is too thin to have
 * any, the colour farthest from the ground. */
static struct color subject_near(const struct flat *f, int x, int y, bool *ret_thin)
{
	int sum[3] = { 0 }, n = 0, far = -1;
	struct color farthest = { { 0 } };
	for (int j = y - WINDOW; j <= y + WINDOW; j++)
		for (int i = x - WINDOW; i <= x + WINDOW; i++) {
			if (i < 0 || j < 0 || i >= f->p->w || j >= f->p->h)
				continue;
			struct color c = color_at(f, at(f, i, j));
			if (f->map[at(f, i, j)] == SUBJECT) {
				for (int k = 0; k < 3; k++)
					sum[k] += c.v[k];
				n++;
			} else if (distance(c, f->ground) > far) {
				far = distance(c, f->ground);
				farthest = c;
			}
		}
	*ret_thin = n == 0;
	return n ? (struct color){ { sum[0] / n, sum[1] / n, sum[2] / n } } : farthest;
}

/* How far the pixel has gone from the ground to the subject. */
static uint8_t mixture(const struct flat *f, int x, int y)
{
	bool thin;
	struct color c = color_at(f, at(f, x, y)), s = subject_near(f, x, y, &thin);
	int dot = 0, length = 0;
	for (int k = 0; k < 3; k++) {
		dot += (c.v[k] - f->ground[k]) * (s.v[k] - f->ground[k]);
		length += (s.v[k] - f->ground[k]) * (s.v[k] - f->ground[k]);
	}
	if (thin && distance(s, f->ground) <= 2 * NOISE)
		return GROUND; /* a speck of noise */
	if (distance(s, f->ground) <= TOLERANCE)
		return MOST;
	int alpha = (int)(255LL * dot / length);
	return alpha < FAINT ? GROUND : alpha > 230 ? MOST : (uint8_t)alpha;
}

static void mix_edge(const struct flat *f)
{
	for (int y = 0; y < f->p->h; y++)
		for (int x = 0; x < f->p->w; x++) {
			uint8_t *m = &f->map[at(f, x, y)];
			if (*m == RIM || *m == SECOND)
				*m = mixture(f, x, y);
		}
	for (size_t i = 0, n = (size_t)f->p->w * (size_t)f->p->h; i < n; i++)
		f->map[i] = f->map[i] == MOST ? 255 : f->map[i];
}

enum err_code matte_flat(const struct matte_planes *p, uint8_t *ret_alpha, bool *ret_flat,
	uint8_t ret_ground[3], struct err *e)
{
	struct flat f = { .p = p, .map = ret_alpha };
	struct side sides[4];
	*ret_flat = false;
	if (p->w < SIDE_MIN || p->h < SIDE_MIN)
		return OK;
	get_sides(&f, sides);
	find_ground(&f, sides);
	if (!border_is_ground(&f, sides))
		return OK;
	memset(ret_alpha, SUBJECT, (size_t)p->w * (size_t)p->h);
	fill_from_border(&f, sides);
	free(f.spots);
	if (f.failed && !f.is_texture)
		return err_set(e, ERR_LIMIT_MEMORY, "no memory to fill a ground of %d×%d", p->w,
			p->h);
	if (!f.failed)
		shed_noise(&f);
	if (f.failed || !mark_beside(&f, GROUND, RIM))
		return OK;
	(void)mark_beside(&f, RIM, SECOND);
	mix_edge(&f);
	for (int c = 0; c < 3; c++)
		ret_ground[c] = (uint8_t)f.ground[c];
	*ret_flat = true;
	return OK;
}
