/* SPDX-License-Identifier: MIT
 *
 * Lanczos-3 resampling of one plane.
 */
#ifndef BULB_IMAGE_RESAMPLE_H
#define BULB_IMAGE_RESAMPLE_H

#include "image/picture.h"

/* Fill dst (its size is given) from a window of src, in src's samples. The window may lie between
 * samples; outside of the plane nothing is counted. With alpha (same size as src) samples weigh as
 * much as they are opaque, and dst_alpha must have been resampled before. blur widens the filter
 * when shrinking; 1 leaves it. ERR_LIMIT_MEMORY. */
enum err_code resample(const struct plane *src, const struct plane *alpha, struct rect window,
	double blur, struct plane *dst, const struct plane *dst_alpha, struct err *e) MUST_CHECK;

#endif
