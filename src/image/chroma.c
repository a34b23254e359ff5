/* SPDX-License-Identifier: MIT
 *
 * From the planes of a JPEG to RGB in place, at full size. Chroma of half the size is widened as
 * libjpeg and browsers do it, three parts the nearer sample and one part the farther, which is
 * several times as fast as resampling; other shapes are rare and are resampled.
 *
 * The loops are plain C of which compilers make vectors, in 16 bits, of which vectors hold many. They are
 * compiled twice, as with AVX2 a vector holds twice as much.
 */
#include "base/mem.h"
#include "image/picture.h"
#include "image/resample.h"

#include <stdlib.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* A sample of chroma between its two rows, in quarters. */
INLINE uint16_t quarters(const uint8_t *near, const uint8_t *far, int i)
{
	return (uint16_t)(3 * near[i] + far[i]);
}

INLINE uint8_t between(uint16_t near, uint16_t far, uint16_t half)
{
	return (uint8_t)((uint16_t)(3 * near + far + half) >> 4);
}

/* One row of the result: near and far are the rows of chroma above and below it. The two ends repeat
 * their sample; between them nothing depends on the step before. */
INLINE void widen_row(const uint8_t *restrict near, const uint8_t *restrict far, int from_w,
	uint8_t *restrict out, int w)
{
	int last = from_w - 1;
	uint16_t left = quarters(near, far, 0), right = quarters(near, far, last);
	out[0] = between(left, left, 8);
	for (int i = 0; i < last; i++) {
		uint16_t here = quarters(near, far, i), next = quarters(near, far, i + 1);
		out[2 * i + 1] = between(here, next, 7);
		out[2 * i + 2] = between(next, here, 8);
	}
	if (2 * last + 1 < w)
		out[2 * last + 1] = between(right, right, 7);
}

/* Row y of what is twice as large as `from`. */
INLINE void widen_into(const struct plane *from, int y, uint8_t *out, int w)
{
	int near = y / 2, far = y % 2 ? near + 1 : near - 1;
	far = far < 0 ? 0 : far < from->h ? far : from->h - 1;
	widen_row(from->px + (size_t)near * (size_t)from->w,
		from->px + (size_t)far * (size_t)from->w, from->w, out, w);
}

INLINE uint8_t clamp(int16_t v)
{
	v = v > 0 ? v : 0;
	return (uint8_t)(v < 255 ? v : 255);
}

/* a × b in 65536ths, rounded; a is at most 256 in size, and its double still fits. */
INLINE int16_t part_of(int16_t a, int16_t b)
{
	int16_t floor = (int16_t)((int16_t)(2 * a) * b >> 16);
	return (int16_t)((int16_t)(floor + 1) >> 1);
}

/* JFIF 1.02, in 65536ths, rounded once. What is whole in a factor stands outside: the rest fits into 16
 * bits. */
INLINE void to_rgb(uint8_t *restrict a, uint8_t *restrict b, uint8_t *restrict c, size_t n)
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

/* Row by row: what has just been widened is still at hand. */
INLINE void halves_to_rgb(const struct plane *cb, const struct plane *cr, struct plane rgb[3])
{
	for (int y = 0; y < rgb->h; y++) {
		size_t at = (size_t)y * (size_t)rgb->w;
		widen_into(cb, y, rgb[1].px + at, rgb->w);
		widen_into(cr, y, rgb[2].px + at, rgb->w);
		to_rgb(rgb[0].px + at, rgb[1].px + at, rgb[2].px + at, (size_t)rgb->w);
	}
}

struct loops {
	void (*to_rgb)(uint8_t *a, uint8_t *b, uint8_t *c, size_t n);
	/* rgb: the first is Y, the others take what comes of cb and cr, which are half as large. */
	void (*halves_to_rgb)(const struct plane *cb, const struct plane *cr, struct plane rgb[3]);
};

static void to_rgb_plain(uint8_t *a, uint8_t *b, uint8_t *c, size_t n)
{
	to_rgb(a, b, c, n);
}

static void halves_to_rgb_plain(const struct plane *cb, const struct plane *cr, struct plane rgb[3])
{
	halves_to_rgb(cb, cr, rgb);
}

static const struct loops plain = { to_rgb_plain, halves_to_rgb_plain };

#ifdef __x86_64__
#define AVX2 __attribute__((target("avx2")))

AVX2 static void to_rgb_avx2(uint8_t *a, uint8_t *b, uint8_t *c, size_t n)
{
	to_rgb(a, b, c, n);
}

AVX2 static void halves_to_rgb_avx2(const struct plane *cb, const struct plane *cr,
	struct plane rgb[3])
{
	halves_to_rgb(cb, cr, rgb);
}

static const struct loops avx2 = { to_rgb_avx2, halves_to_rgb_avx2 };
#endif

static const struct loops *best_loops(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		return &avx2;
#endif
	return &plain;
}

static bool is_half(const struct plane *p, int w, int h)
{
	return p->sx == 0.5 && p->sy == 0.5 && p->w == (w + 1) / 2 && p->h == (h + 1) / 2;
}

static enum err_code widen_halves(struct picture *p, struct err *e)
{
	struct plane from[3], *to = p->planes;
	memcpy(from, to, sizeof(from));
	enum err_code code = plane_init(&to[1], p->w, p->h, 1, 1, e);
	if (code != OK)
		return code;
	code = plane_init(&to[2], p->w, p->h, 1, 1, e);
	if (code != OK) {
		free(to[1].px);
		to[1] = from[1];
		return code;
	}
	best_loops()->halves_to_rgb(&from[1], &from[2], to);
	free(from[1].px);
	free(from[2].px);
	p->is_ycc = false;
	return OK;
}

/* Stand for the whole picture with as many samples as it has pixels. */
static enum err_code widen(struct plane *p, int w, int h, struct err *e)
{
	struct plane to;
	enum err_code code = plane_init(&to, w, h, 1, 1, e);
	if (code != OK)
		return code;
	code = resample(p, NULL, (struct rect){ 0, 0, w * p->sx, h * p->sy }, 1, &to, NULL, e);
	free(code == OK ? p->px : to.px);
	if (code == OK)
		*p = to;
	return code;
}

void chroma_to_rgb(struct picture *p)
{
	struct plane *q = p->planes;
	best_loops()->to_rgb(q[0].px, q[1].px, q[2].px, (size_t)p->w * (size_t)p->h);
	p->is_ycc = false;
}

enum err_code picture_make_rgb(struct picture *p, struct err *e)
{
	if (p->is_ycc && is_half(&p->planes[1], p->w, p->h) && is_half(&p->planes[2], p->w, p->h))
		return widen_halves(p, e);
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
