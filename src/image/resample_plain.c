/* SPDX-License-Identifier: MIT
 *
 * The inner loops for any machine.
 */
#include "image/resample_rows.h"

#include <string.h>

static void columns(const struct plane *src, const struct plane *alpha, const struct filter *f,
	int y, int x0, int n, float *acc)
{
	const float *weights = f->weights + (size_t)y * (size_t)f->taps;
	memset(acc, 0, (size_t)n * sizeof(*acc));
	for (int t = 0; t < f->count[y]; t++) {
		size_t at = (size_t)(f->start[y] + t) * (size_t)src->w + (size_t)x0;
		const uint8_t *p = src->px + at, *q = alpha ? alpha->px + at : NULL;
		float weight = weights[t];
		if (q)
			for (int x = 0; x < n; x++)
				acc[x] += weight * (float)(p[x] * q[x]);
		else
			for (int x = 0; x < n; x++)
				acc[x] += weight * (float)p[x];
	}
}

static uint8_t to_byte(float v)
{
	return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)(v + 0.5f);
}

static void row(const float *acc, int x0, const struct filter *f, const uint8_t *alpha,
	uint8_t *out)
{
	const float *weights = f->weights;
	for (int x = 0; x < f->n; x++, weights += f->taps) {
		const float *p = acc + (f->start[x] - x0);
		float sum = 0;
		for (int t = 0; t < f->count[x]; t++)
			sum += weights[t] * p[t];
		if (alpha)
			sum = alpha[x] ? sum / alpha[x] : 0;
		out[x] = to_byte(sum);
	}
}

const struct resample_rows resample_rows_plain = { columns, row };
