/* SPDX-License-Identifier: MIT
 *
 * How far a mask is to be believed: a number from 0 to 1.
 */
#include "matte/confidence.h"

void matte_judge(const struct matte_model *model, struct matte_mask *mask)
{
	double sum = 0, unsure = 0;
	for (size_t i = 0, n = (size_t)mask->w * (size_t)mask->h; i < n; i++) {
		sum += mask->v[i];
		unsure += mask->v[i] * (1 - mask->v[i]);
	}
	mask->no_subject = mask->raw_max < model->no_subject_threshold;
	mask->confidence = sum > 0 && !mask->no_subject ? 1 - unsure / sum : 0;
}
