/* SPDX-License-Identifier: MIT
 *
 * Each row of the result is first summed down the columns into a row of floats, then along that
 * row. Nothing but one such row lives between the two, so the plane is read once and stays in the
 * cache. Filters are normalised at the edges instead of repeating the border, and stretched by the
 * factor when shrinking (an area filter with Lanczos's shape).
 *
 * Vectors are the compiler's; on x86-64 the same code is compiled a second time for AVX2, which
 * doubles its speed, and chosen at run time.
 */
#include "image/resample.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define LOBES 3
#define LANES 8

typedef float vec __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef uint8_t bytes __attribute__((vector_size(LANES), aligned(1)));

/* For each of n results: count[i] weights from sample start[i] on. */
struct filter {
	int n, taps;             /* taps: a multiple of LANES; rows are padded with zeros to it */
	int *start, *count;
	float *weights;
};

static void filter_done(struct filter *f)
{
	free(f->start);
	free(f->count);
	free(f->weights);
}

static double lanczos(double x)
{
	x = fabs(x);
	if (x < 1e-8)
		return 1;
	if (x >= LOBES)
		return 0;
	double px = M_PI * x;
	return LOBES * sin(px) * sin(px / LOBES) / (px * px);
}

static void filter_row(struct filter *f, int i, double centre, double stretch, int size)
{
	double reach = LOBES * stretch;
	int first = (int)ceil(centre - reach), last = (int)floor(centre + reach);
	first = first < 0 ? 0 : first >= size ? size - 1 : first;
	last = last >= size ? size - 1 : last < first ? first : last;
	float *weights = f->weights + (size_t)i * (size_t)f->taps;
	double sum = 0;
	for (int k = first; k <= last; k++)
		sum += lanczos((k - centre) / stretch);
	f->start[i] = first;
	f->count[i] = last - first + 1;
	if (fabs(sum) < 1e-6) { /* a window beyond the plane: the nearest sample */
		weights[0] = 1;
		return;
	}
	for (int k = first; k <= last; k++)
		weights[k - first] = (float)(lanczos((k - centre) / stretch) / sum);
}

static enum err_code filter_init(struct filter *f, double from, double length, int size, int n,
	struct err *e)
{
	double factor = length / n, stretch = factor > 1 ? factor : 1;
	int taps = (int)(2 * LOBES * stretch) + 2;
	f->n = n;
	f->taps = (taps + LANES - 1) / LANES * LANES;
	f->start = mem_try_alloc((size_t)n * sizeof(*f->start));
	f->count = mem_try_alloc((size_t)n * sizeof(*f->count));
	f->weights = calloc((size_t)n * (size_t)f->taps, sizeof(*f->weights));
	if (!f->start || !f->count || !f->weights)
		return err_set(e, ERR_LIMIT_MEMORY, "resize: no memory for %d filters", n);
	for (int i = 0; i < n; i++)
		filter_row(f, i, from + (i + 0.5) * factor - 0.5, stretch, size);
	return OK;
}

static inline void load_bytes(vec *ret, const uint8_t *p)
{
	bytes b;
	memcpy(&b, p, sizeof(b));
	*ret = __builtin_convertvector(b, vec);
}

/* acc[0 … n) = the weighted sum of rows, from column x0 on; acc has room for whole vectors. */
__attribute__((always_inline)) static inline void sum_columns(const struct plane *src,
	const struct plane *alpha, const struct filter *f, int y, int x0, int n, float *acc)
{
	const float *weights = f->weights + (size_t)y * (size_t)f->taps;
	int taps = f->count[y];
	size_t stride = (size_t)src->w;
	size_t at = (size_t)f->start[y] * stride + (size_t)x0;
	for (int x = 0; x < n; x += 2 * LANES) {
		const uint8_t *p = src->px + at + x;
		const uint8_t *q = alpha ? alpha->px + at + x : NULL;
		vec a = { 0 }, b = { 0 }, u, v;
		for (int t = 0; t < taps; t++, p += stride) {
			load_bytes(&u, p);
			load_bytes(&v, p + LANES);
			if (q) {
				vec o, r;
				load_bytes(&o, q);
				load_bytes(&r, q + LANES);
				u *= o;
				v *= r;
				q += stride;
			}
			a += weights[t] * u;
			b += weights[t] * v;
		}
		memcpy(acc + x, &a, sizeof(a));
		memcpy(acc + x + LANES, &b, sizeof(b));
	}
}

static inline uint8_t to_byte(float v)
{
	return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)(v + 0.5f);
}

/* One row of the result from a row of floats that begins at column x0. */
__attribute__((always_inline)) static inline void sum_row(const float *acc, int x0,
	const struct filter *f, const uint8_t *alpha, uint8_t *out)
{
	const float *weights = f->weights;
	for (int x = 0; x < f->n; x++, weights += f->taps) {
		const float *p = acc + (f->start[x] - x0);
		vec s = { 0 }, u, w;
		for (int t = 0; t < f->taps; t += LANES) {
			memcpy(&u, p + t, sizeof(u));
			memcpy(&w, weights + t, sizeof(w));
			s += u * w;
		}
		float v = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
		if (alpha)
			v = alpha[x] ? v / alpha[x] : 0;
		out[x] = to_byte(v);
	}
}

struct pass {
	const struct plane *src, *alpha, *dst_alpha;
	struct plane *dst;
	struct filter columns, rows;
	int x0, n;               /* the columns of src that are read */
	float *acc;
};

__attribute__((always_inline)) static inline void run(const struct pass *p)
{
	for (int y = 0; y < p->dst->h; y++) {
		size_t at = (size_t)y * (size_t)p->dst->w;
		sum_columns(p->src, p->alpha, &p->rows, y, p->x0, p->n, p->acc);
		sum_row(p->acc, p->x0, &p->columns, p->dst_alpha ? p->dst_alpha->px + at : NULL,
			p->dst->px + at);
	}
}

static void run_plain(const struct pass *p)
{
	run(p);
}

#ifdef __x86_64__
__attribute__((target("avx2,fma"))) static void run_avx2(const struct pass *p)
{
	run(p);
}
#endif

static void run_best(const struct pass *p)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
		run_avx2(p);
		return;
	}
#endif
	run_plain(p);
}

enum err_code resample(const struct plane *src, const struct plane *alpha, struct rect window,
	struct plane *dst, const struct plane *dst_alpha, struct err *e)
{
	struct pass p = { .src = src, .alpha = alpha, .dst = dst, .dst_alpha = dst_alpha };
	enum err_code code = filter_init(&p.columns, window.x, window.w, src->w, dst->w, e);
	if (code == OK)
		code = filter_init(&p.rows, window.y, window.h, src->h, dst->h, e);
	if (code == OK) {
		p.x0 = p.columns.start[0];
		int end = p.columns.start[dst->w - 1] + p.columns.taps;
		p.n = (end < src->w ? end : src->w) - p.x0;
		size_t room = (size_t)p.n + (size_t)p.columns.taps + 2 * LANES;
		p.acc = calloc(room, sizeof(*p.acc));
		if (!p.acc)
			code = err_set(e, ERR_LIMIT_MEMORY, "resize: no memory for a row");
	}
	if (code == OK)
		run_best(&p);
	free(p.acc);
	filter_done(&p.columns);
	filter_done(&p.rows);
	return code;
}
