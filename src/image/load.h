/* SPDX-License-Identifier: MIT
 *
 * From a stranger's bytes to an upright picture, decoded once, no larger than the recipe needs.
 */
#ifndef BULB_IMAGE_LOAD_H
#define BULB_IMAGE_LOAD_H

#include "image/image.h"
#include "image/picture.h"

/* The largest factor, at most 1, by which any variant of r scales the picture. */
double load_scale(const struct image_header *h, const struct recipe *r);

struct loaded {
	struct picture picture; /* at full size or less */
	int w, h;               /* the full size. It may differ from the header's: a HEIF can be
	                            cropped by its own properties */
};
/* Upright. `scale` is what load_scale said. ERR_DECODE_*, ERR_LIMIT_MEMORY. */
enum err_code load_picture(const void *data, size_t n, const struct image_header *h, double scale,
	struct loaded *ret, struct err *e) MUST_CHECK;

/* A JPEG in YCbCr or grey without a profile of its own; for any other *ret_plain is false and
 * nothing was made. Not turned upright yet. */
enum err_code jpeg_load(const void *data, size_t n, double scale, struct loaded *ret,
	bool *ret_plain, struct err *e) MUST_CHECK;
/* By libvips: any format, any colour space. Not turned upright yet. */
enum err_code vips_load(const void *data, size_t n, const struct image_header *h, double scale,
	struct loaded *ret, struct err *e) MUST_CHECK;

#endif
