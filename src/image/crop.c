/* SPDX-License-Identifier: MIT
 *
 * libvips does the looking (vips_smartcrop, as in sharp); only where it cut is kept, so that the
 * cut itself can be made from a better source.
 */
#include "image/crop.h"

#include "image/vips_picture.h"

static enum err_code search(VipsImage *im, int w, int h, enum position position, int *ret_left,
	int *ret_top, struct err *e)
{
	VipsImage *cut = NULL;
	VipsInteresting what = position == POSITION_ENTROPY ? VIPS_INTERESTING_ENTROPY
							    : VIPS_INTERESTING_ATTENTION;
	if (vips_smartcrop(im, &cut, w, h, "interesting", what, NULL))
		return vips_failed(e, ERR_ENCODE_FAILED, "crop");
	*ret_left = -vips_image_get_xoffset(cut);
	*ret_top = -vips_image_get_yoffset(cut);
	g_object_unref(cut);
	return OK;
}

enum err_code crop_search(const struct picture *p, int w, int h, enum position position,
	int *ret_left, int *ret_top, struct err *e)
{
	struct picture rgb = { 0 };
	VipsImage *im = NULL;
	enum err_code code = picture_to_rgb(p, &rgb, e);
	if (code == OK)
		code = picture_to_vips(&rgb, &im, e);
	if (code == OK) {
		code = search(im, w, h, position, ret_left, ret_top, e);
		g_object_unref(im);
	}
	picture_done(&rgb);
	return code;
}
