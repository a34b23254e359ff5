/* SPDX-License-Identifier: MIT
 *
 * Between our pictures and errors and those of libvips; for the files here that call it.
 */
#ifndef BULB_IMAGE_VIPS_PICTURE_H
#define BULB_IMAGE_VIPS_PICTURE_H

#include "image/picture.h"

#include <vips/vips.h>

/* What libvips has just said, after "what: "; its buffer is emptied. `other` is the code of what is
 * not known here: ERR_DECODE_CORRUPT while reading, ERR_ENCODE_FAILED while writing. */
enum err_code vips_failed(struct err *e, enum err_code other, const char *what);
/* An RGB or RGBA picture as libvips sees it; its rows are packed as they are asked for. p must outlive
 * *ret. */
enum err_code picture_to_vips(const struct picture *p, VipsImage **ret, struct err *e) MUST_CHECK;

#endif
