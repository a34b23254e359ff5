/* SPDX-License-Identifier: MIT
 *
 * A model's small mask drawn out to a larger size and made steeper, a piece at a time.
 */
#ifndef BULB_MATTE_ENLARGE_H
#define BULB_MATTE_ENLARGE_H

#include "matte/guided.h"
#include "matte/matte.h"

/* Where sample i of n lies among m, both ends included: position, and weight of the next one. */
int place_among(int i, int n, int m, float *ret_weight);

struct enlarged;
/* To w × h. The mask stays the caller's and has to stay. ERR_LIMIT_MEMORY. */
enum err_code enlarged_new(const struct matte_mask *mask, double contrast, int w, int h,
	struct enlarged **ret, struct err *e) MUST_CHECK;
void enlarged_free(struct enlarged *m);
/* a, within w × h, as rows of its width; 0 … GUIDED_MAX. */
void enlarged_get(struct enlarged *m, struct guided_area a, int16_t *ret);
/* Whether all of a, within w × h, has one value. */
bool enlarged_is_constant(const struct enlarged *m, struct guided_area a, int16_t *ret_value);

#endif
