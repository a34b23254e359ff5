/* SPDX-License-Identifier: MIT
 *
 * From a picture to a file in memory. A picture holds no metadata, so the file has none, whatever
 * a library thinks of "strip".
 */
#ifndef BULB_IMAGE_SAVE_H
#define BULB_IMAGE_SAVE_H

#include "image/picture.h"

struct encoded {
	void *data; /* owned */
	size_t n;
	void (*free)(void *data);
};
void encoded_done(struct encoded *f);

/* In v's format and with its options; only its size has been dealt with before. Alpha is laid on
 * v->background where the format has none. ERR_ENCODE_FAILED, ERR_LIMIT_MEMORY. */
enum err_code save_picture(const struct picture *p, const struct variant *v, struct encoded *ret,
	struct err *e) MUST_CHECK;

/* One encoder a file. */
typedef enum err_code save_fn(const struct picture *p, const struct variant *v, struct encoded *ret,
	struct err *e);
save_fn jpeg_save; /* no alpha */
save_fn webp_save;
save_fn vips_save_png, vips_save_avif; /* no YCbCr */

#endif
