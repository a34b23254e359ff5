/* SPDX-License-Identifier: MIT
 *
 * The two inner loops of resampling, in plain C and for AVX2. Both give the same result to within
 * one step of rounding.
 */
#ifndef BULB_IMAGE_RESAMPLE_ROWS_H
#define BULB_IMAGE_RESAMPLE_ROWS_H

#include "image/picture.h"

/* Weights of filters are padded with zeros to whole groups, results of a row are made in groups;
 * columns are summed in blocks. */
enum { RESAMPLE_GROUP = 8, RESAMPLE_BLOCK = 32 };

/* For each of n results: count[i] weights from sample start[i] on. */
struct filter {
	int n, taps;        /* taps: of each row of weights, a multiple of the group */
	int *start, *count; /* n rounded up to whole groups */
	float *weights;     /* the same number of rows */
};

struct resample_rows {
	/* acc[0 … n) = rows of src under filter y, from column x0 on. acc has room for whole
	 * blocks. Each sample times its alpha, if there is one. */
	void (*columns)(const struct plane *src, const struct plane *alpha, const struct filter *f,
		int y, int x0, int n, float *acc);
	/* out[0 … f->n) = acc, which begins at column x0, under f; divided by alpha, if there is
	 * one. out has room for whole groups. */
	void (*row)(const float *acc, int x0, const struct filter *f, const uint8_t *alpha,
		uint8_t *out);
};
extern const struct resample_rows resample_rows_plain;
#ifdef __x86_64__
extern const struct resample_rows resample_rows_avx2;
#endif

#endif
