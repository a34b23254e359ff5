/* SPDX-License-Identifier: MIT
 *
 * Just enough of ICC.1 to see that a profile says nothing: it is sRGB.
 */
#ifndef BULB_IMAGE_ICC_H
#define BULB_IMAGE_ICC_H

#include <stdbool.h>
#include <stddef.h>

/* An RGB profile with sRGB's primaries that calls itself sRGB. */
bool icc_is_srgb(const void *profile, size_t n);

#endif
