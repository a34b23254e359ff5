/* SPDX-License-Identifier: MIT
 *
 * What a page shows before the picture is there.
 */
#ifndef BULB_IMAGE_PLACEHOLDER_H
#define BULB_IMAGE_PLACEHOLDER_H

#include "image/image.h"
#include "image/picture.h"

/* Fills thumbhash and color from any size of the picture, and any shape: ret's width and height, which are
 * there, say what it stands for. ERR_LIMIT_MEMORY. */
enum err_code placeholder_make(const struct picture *p, struct image_summary *ret, struct err *e)
	MUST_CHECK;

#endif
