/* SPDX-License-Identifier: MIT
 *
 * How far a mask is to be believed, and whether there can be a subject at all.
 */
#ifndef BULB_MATTE_CONFIDENCE_H
#define BULB_MATTE_CONFIDENCE_H

#include "matte/matte.h"

/* Nothing but one colour, noise, or lines of one direction: there is no subject on it. rgb: packed. */
bool matte_is_blank(const uint8_t *rgb, int w, int h);
/* Sets confidence and no_subject of a mask whose v and raw_max are set. */
void matte_judge(const struct matte_model *model, struct matte_mask *mask);

#endif
