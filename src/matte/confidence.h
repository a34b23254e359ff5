/* SPDX-License-Identifier: MIT
 *
 * How far a mask is to be believed.
 */
#ifndef BULB_MATTE_CONFIDENCE_H
#define BULB_MATTE_CONFIDENCE_H

#include "matte/matte.h"

/* Sets confidence and no_subject of a mask whose v and raw_max are set. */
void matte_judge(const struct matte_model *model, struct matte_mask *mask);

#endif
