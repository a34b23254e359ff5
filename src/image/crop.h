/* SPDX-License-Identifier: MIT
 *
 * Where the interesting part of a picture is: position "entropy" and "attention".
 */
#ifndef BULB_IMAGE_CROP_H
#define BULB_IMAGE_CROP_H

#include "image/picture.h"

/* The window of w × h that vips_smartcrop chooses in p. */
enum err_code crop_search(const struct picture *p, int w, int h, enum position position,
	int *ret_left, int *ret_top, struct err *e) MUST_CHECK;

#endif
