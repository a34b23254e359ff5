/* SPDX-License-Identifier: MIT
 *
 * Scenes and blanks, by formula: no file, and the same on every machine.
 */
#include "pictures.h"

#include "base/mem.h"

#include <math.h>

double noise_at(int x, int y, unsigned seed)
{
	uint32_t v = (uint32_t)x * 374761393u + (uint32_t)y * 668265263u + seed * 2246822519u;
	v = (v ^ (v >> 13)) * 1274126177u;
	v = (v ^ (v >> 15)) * 2654435769u;
	return (v ^ (v >> 16)) / 4294967296.0;
}

/* Noise without steps: cells of `size` pixels, several octaves. */
static double clouds(double x, double y, double size, int octaves, unsigned seed)
{
	double sum = 0, weight = 0, part = 1;
	for (int o = 0; o < octaves; o++, size /= 2, part *= 0.55) {
		double u = x / size, v = y / size;
		int i = (int)floor(u), j = (int)floor(v);
		double s = u - i, t = v - j;
		s = s * s * (3 - 2 * s);
		t = t * t * (3 - 2 * t);
		unsigned k = seed + 101u * (unsigned)o;
		double top = noise_at(i, j, k) * (1 - s) + noise_at(i + 1, j, k) * s;
		double low = noise_at(i, j + 1, k) * (1 - s) + noise_at(i + 1, j + 1, k) * s;
		sum += part * (top * (1 - t) + low * t);
		weight += part;
	}
	return sum / weight;
}

/* Signed distance to the subject's outline in pixels, negative within; about. */
static double outline(enum subject kind, double x, double y, double unit)
{
	double r = hypot(x, y), a = atan2(y, x);
	switch (kind) {
	case SUBJECT_BLOB:
		return r - unit * (0.30 + 0.05 * sin(3 * a + 1) + 0.03 * sin(5 * a));
	case SUBJECT_FIGURE: { /* a head on a body */
		double head = hypot(x, y + 0.2 * unit) - 0.13 * unit;
		double body = hypot(x / 0.62, (y - 0.13 * unit) / 1.05) - 0.25 * unit;
		return fmin(head, body * 0.8);
	}
	case SUBJECT_BOX:
		return fmax(fabs(x) - 0.28 * unit, fabs(y) - 0.22 * unit);
	default:
		return r - 0.3 * unit;
	}
}

static uint8_t byte(double v)
{
	return (uint8_t)fmin(255, fmax(0, floor(v + 0.5)));
}

static const double dyes[SUBJECTS][3] = { { 0.85, 0.25, 0.15 }, { 0.95, 0.75, 0.2 },
	{ 0.8, 0.35, 0.5 }, { 0.9, 0.9, 0.85 } };

struct scene scene_new(int w, int h, enum subject kind, double soft, unsigned seed)
{
	struct scene s = { .w = w, .h = h };
	size_t n = (size_t)w * (size_t)h;
	for (int c = 0; c < 3; c++) {
		s.px[c] = mem_array(n, 1);
		s.fore[c] = mem_array(n, 1);
	}
	s.alpha = mem_array(n, 1);
	double unit = fmin(w, h), grain = unit / 640;
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			size_t i = (size_t)y * (size_t)w + (size_t)x;
			double dx = x + 0.5 - w / 2.0, dy = y + 0.5 - h / 2.0;
			double d = outline(kind, dx, dy, unit);
			double a = fmin(1, fmax(0, 0.5 - d / soft));
			double light = 0.75 - 0.35 * (dx + dy) / unit;
			double cloth = 0.75 + 0.5 * clouds(x, y, 24 * grain, 4, seed + 7);
			double land = clouds(x, y, 160 * grain, 6, seed);
			double sky = 1 - (double)y / h;
			double back[3] = { 70 + 70 * land + 50 * sky, 90 + 80 * land + 40 * sky,
				60 + 60 * land + 110 * sky };
			s.alpha[i] = byte(255 * a);
			for (int c = 0; c < 3; c++) {
				double f = 255 * dyes[kind][c] * light * cloth;
				s.fore[c][i] = byte(f);
				s.px[c][i] = byte(a * s.fore[c][i] + (1 - a) * back[c]);
			}
		}
	return s;
}

void scene_done(struct scene *s)
{
	for (int c = 0; c < 3; c++) {
		free(s->px[c]);
		free(s->fore[c]);
	}
	free(s->alpha);
}

struct matte_planes scene_planes(const struct scene *s)
{
	return (struct matte_planes){ s->px[0], s->px[1], s->px[2], s->w, s->h };
}

uint8_t *scene_pack(const struct scene *s, int w, int h)
{
	uint8_t *out = mem_array((size_t)w * (size_t)h, 3), *p = out;
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++)
			for (int c = 0; c < 3; c++) {
				int x0 = x * s->w / w, x1 = (x + 1) * s->w / w, y0 = y * s->h / h,
				    y1 = (y + 1) * s->h / h, n = 0, sum = 0;
				for (int j = y0; j < y1 || j == y0; j++)
					for (int i = x0; i < x1 || i == x0; i++, n++)
						sum += s->px[c]
							    [(size_t)j * (size_t)s->w + (size_t)i];
				*p++ = (uint8_t)((sum + n / 2) / n);
			}
	return out;
}

uint8_t *scene_guide(const struct scene *s, int w, int h, struct matte_planes *ret)
{
	size_t n = (size_t)w * (size_t)h;
	autofree uint8_t *packed = scene_pack(s, w, h);
	uint8_t *planes = mem_array(3 * n, 1);
	for (size_t i = 0; i < 3 * n; i++)
		planes[i % 3 * n + i / 3] = packed[i];
	*ret = (struct matte_planes){ planes, planes + n, planes + 2 * n, w, h };
	return planes;
}

static double gauss(int x, int y, unsigned seed)
{
	double sum = 0;
	for (unsigned k = 0; k < 12; k++)
		sum += noise_at(x, y, seed + k);
	return sum - 6;
}

uint8_t *blank_new(int kind, int w, int h, const char **ret_name)
{
	static const char *const names[BLANKS] = { "grey", "white", "black", "red",
		"gaussian noise", "uniform noise", "coarse noise", "gradient across",
		"gradient down", "fine checkerboard", "stripes", "broad stripes" };
	uint8_t *out = mem_array((size_t)w * (size_t)h, 3), *p = out;
	*ret_name = names[kind];
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++)
			for (int c = 0; c < 3; c++) {
				unsigned s = (unsigned)c * 31u + 5;
				const double v[BLANKS] = { 128, 255, 0, c ? 20 : 200,
					128 + 40 * gauss(x, y, s), 255 * noise_at(x, y, s),
					255 * noise_at(x / 8, y / 8, s), 255.0 * x / w,
					255.0 * y / h, (x + y) % 2 ? 255 : 0, x / 4 % 2 ? 230 : 30,
					y / 20 % 2 ? 200 : 60 };
				*p++ = byte(v[kind]);
			}
	return out;
}
