/* SPDX-License-Identifier: MIT
 *
 * All variants of one picture, from large to small, each made from the one before where that is
 * large enough: 1280 pixels out of 1920 instead of out of 6000.
 */
#ifndef BULB_IMAGE_CASCADE_H
#define BULB_IMAGE_CASCADE_H

#include "image/load.h"

struct cascade_opts {
	const struct recipe *recipe;
	int64_t max_bytes_out;
	bool (*sink)(void *ctx, const struct image_variant *v);
	void *ctx;
};
/* Takes l's picture; on success ret holds the last and smallest whole picture, which the caller
 * ends with picture_done. Errors as image_make. */
enum err_code cascade_run(struct loaded *l, const struct cascade_opts *o, struct picture *ret,
	struct err *e) MUST_CHECK;

#endif
