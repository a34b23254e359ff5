/* SPDX-License-Identifier: MIT
 *
 * How far a mask is to be believed: a number from 0 to 1.
 *
 *   confidence = min(1, raw maximum) × Σv² / Σv
 *
 * Σv² / Σv is the mean of the mask's values, each weighted by itself: 1 where all are 0 or 1, and less
 * the more of the mask lies in between, be it a subject the model cannot decide on or a long frayed
 * outline. The raw maximum is how sure the model is where it is surest, before the mask is stretched
 * to 0 … 1. fast gives 0.98 and more on objects with a clear outline, 0.9 and more on most photographs
 * of one subject, and 0.5 to 0.75 on landscapes of which it has made something up.
 *
 * A model always answers; stretched, its answer to an empty picture looks like a mask. No subject is
 * there when the raw maximum is under the model's threshold; when the mask is all of the picture; and
 * when the confidence is under FLOOR + FLOOR_SLOPE × the mask's share of the picture: an outline grows
 * slower than an area, so a large mask has to be surer. On strong noise and on stripes fast is as sure
 * as on a photograph, so these are told by the picture itself: noise has neighbours that have nothing
 * to do with each other, and stripes change in one direction only.
 */
#include "matte/confidence.h"

#include <math.h>

#define FLOOR       0.45
#define FLOOR_SLOPE 0.5
#define WHOLE       0.95 /* share of the picture that is all of it */
#define LIKENESS    0.3  /* correlation of neighbours: photographs have 0.7 and more */
#define ONE_WAY     0.01 /* change in one direction against that in the other */
#define VARIANCE    2.0  /* of one colour, in levels² */

static double light(const uint8_t *p)
{
	return (p[0] + 2 * p[1] + p[2]) / 4.0;
}

bool matte_is_blank(const uint8_t *rgb, int w, int h)
{
	double sum = 0, squares = 0, across = 0, down = 0, n = (double)w * h;
	if (w < 2 || h < 2)
		return false;
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			const uint8_t *p = rgb + 3 * ((size_t)y * (size_t)w + (size_t)x);
			double v = light(p), dx = x > 0 ? v - light(p - 3) : 0,
			       dy = y > 0 ? v - light(p - 3 * (size_t)w) : 0;
			sum += v;
			squares += v * v;
			across += dx * dx;
			down += dy * dy;
		}
	double variance = squares / n - sum * sum / (n * n);
	across /= n - h;
	down /= n - w;
	if (variance < VARIANCE)
		return true;
	bool is_noise = fmin(across, down) > 2 * variance * (1 - LIKENESS);
	bool is_lines = fmin(across, down) < ONE_WAY * fmax(across, down);
	return is_noise || is_lines;
}

void matte_judge(const struct matte_model *model, struct matte_mask *mask)
{
	double sum = 0, squares = 0, n = (double)mask->w * mask->h;
	for (size_t i = 0; i < (size_t)n; i++) {
		sum += mask->v[i];
		squares += mask->v[i] * mask->v[i];
	}
	double share = sum / n;
	mask->confidence = sum > 0 ? fmin(1, fmax(0, mask->raw_max)) * squares / sum : 0;
	mask->no_subject = mask->raw_max < model->no_subject_threshold || share > WHOLE ||
		mask->confidence < FLOOR + FLOOR_SLOPE * share;
}
