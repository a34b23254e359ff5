/* SPDX-License-Identifier: MIT
 *
 * Each row of the result is first summed down the columns into a row of floats, then along that
 * row. Nothing but one such row lives between the two, so the plane is read once and stays in the
 * cache. Filters are normalised at the edges instead of repeating the border, and stretched by the
 * factor when shrinking (an area filter with Lanczos's shape).
 */
#include "image/resample.h"

#include "base/mem.h"
#include "image/resample_rows.h"

#include <math.h>
#include <string.h>

#define LOBES 3

static void filter_done(struct filter *f)
{
	free(f->start);
	free(f->count);
	free(f->weights);
}

/* part: sin(π x / LOBES) */
static double lanczos(double x, double part)
{
	if (fabs(x) < 1e-8)
		return 1;
	if (fabs(x) >= LOBES)
		return 0;
	double px = M_PI * x;
	double all = part * (3 - 4 * part * part); /* sin(3a) by sin(a): sines are what costs */
	return LOBES * all * part / (px * px);
}

/* each: room for the taps of a row. */
static void filter_row(struct filter *f, int i, double centre, double stretch, int size,
	double *each)
{
	double reach = LOBES * stretch;
	int first = (int)ceil(centre - reach), last = (int)floor(centre + reach);
	first = first < 0 ? 0 : first >= size ? size - 1 : first;
	last = last >= size ? size - 1 : last < first ? first : last;
	float *weights = f->weights + (size_t)i * (size_t)f->taps;
	double sum = 0, step = M_PI / reach, sin_step = sin(step), cos_step = cos(step);
	double s = sin((first - centre) * step), c = cos((first - centre) * step);
	for (int k = first; k <= last; k++) {
		sum += each[k - first] = lanczos((k - centre) / stretch, s);
		double next = s * cos_step + c * sin_step; /* turned by a step: no sine a tap */
		c = c * cos_step - s * sin_step;
		s = next;
	}
	f->start[i] = first;
	f->count[i] = last - first + 1;
	if (fabs(sum) < 1e-6) { /* a window beyond the plane: the nearest sample */
		weights[0] = 1;
		return;
	}
	for (int k = first; k <= last; k++)
		weights[k - first] = (float)(each[k - first] / sum);
}

static size_t whole_groups(int n)
{
	return ((size_t)n + RESAMPLE_GROUP - 1) / RESAMPLE_GROUP * RESAMPLE_GROUP;
}

static enum err_code filter_init(struct filter *f, double from, double length, int size, int n,
	double blur, struct err *e)
{
	double factor = length / n, stretch = factor > 1 ? factor * blur : 1;
	int taps = (int)(2 * LOBES * stretch) + 2;
	size_t rows = whole_groups(n);
	f->n = n;
	f->taps = (int)whole_groups(taps);
	f->start = calloc(rows, sizeof(*f->start));
	f->count = calloc(rows, sizeof(*f->count));
	f->weights = calloc(rows * (size_t)f->taps, sizeof(*f->weights));
	autofree double *each = mem_try_alloc((size_t)f->taps * sizeof(*each));
	if (!f->start || !f->count || !f->weights || !each)
		return err_set(e, ERR_LIMIT_MEMORY, "resize: no memory for %d filters", n);
	for (int i = 0; i < n; i++)
		filter_row(f, i, from + (i + 0.5) * factor - 0.5, stretch, size, each);
	for (size_t i = (size_t)n; i < rows; i++)
		f->start[i] = f->start[n - 1]; /* of weights that are all zero */
	return OK;
}

static const struct resample_rows *best_rows(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return &resample_rows_avx2;
#endif
	return &resample_rows_plain;
}

struct pass {
	const struct plane *src, *alpha, *dst_alpha;
	struct plane *dst;
	struct filter columns, rows;
};

static enum err_code run(const struct pass *p, struct err *e)
{
	const struct resample_rows *best = best_rows();
	int x0 = p->columns.start[0];
	int end = p->columns.start[p->dst->w - 1] + p->columns.count[p->dst->w - 1];
	int n = end - x0;
	size_t bytes = ((size_t)n + (size_t)p->columns.taps + RESAMPLE_BLOCK) * sizeof(float);
	autofree float *acc = mem_try_alloc(bytes);
	if (!acc)
		return err_set(e, ERR_LIMIT_MEMORY, "resize: no memory for a row");
	memset(acc, 0, bytes);
	for (int y = 0; y < p->dst->h; y++) {
		size_t at = (size_t)y * (size_t)p->dst->w;
		best->columns(p->src, p->alpha, &p->rows, y, x0, n, acc);
		best->row(acc, x0, &p->columns, p->dst_alpha ? p->dst_alpha->px + at : NULL,
			p->dst->px + at);
	}
	return OK;
}

enum err_code resample(const struct plane *src, const struct plane *alpha, struct rect window,
	double blur, struct plane *dst, const struct plane *dst_alpha, struct err *e)
{
	struct pass p = { .src = src, .alpha = alpha, .dst = dst, .dst_alpha = dst_alpha };
	enum err_code code = filter_init(&p.columns, window.x, window.w, src->w, dst->w, blur, e);
	if (code == OK)
		code = filter_init(&p.rows, window.y, window.h, src->h, dst->h, blur, e);
	if (code == OK)
		code = run(&p, e);
	filter_done(&p.columns);
	filter_done(&p.rows);
	return code;
}
