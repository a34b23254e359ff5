/* SPDX-License-Identifier: MIT
 *
 * Which encoder takes which kind of picture.
 */
#include "image/save.h"

void encoded_done(struct encoded *f)
{
	if (f->data)
		f->free(f->data);
	*f = (struct encoded){ 0 };
}

static enum err_code save_rgb(const struct picture *p, const struct variant *v, save_fn *save,
	struct encoded *ret, struct err *e)
{
	if (!p->is_ycc)
		return save(p, v, ret, e);
	struct picture rgb = { 0 };
	enum err_code code = picture_to_rgb(p, &rgb, e);
	if (code == OK)
		code = save(&rgb, v, ret, e);
	picture_done(&rgb);
	return code;
}

static enum err_code save_flat(const struct picture *p, const struct variant *v,
	struct encoded *ret, struct err *e)
{
	if (p->n < 4)
		return jpeg_save(p, v, ret, e);
	struct picture flat = { 0 };
	enum err_code code = picture_flatten(p, v->background, &flat, e);
	if (code == OK)
		code = jpeg_save(&flat, v, ret, e);
	picture_done(&flat);
	return code;
}

enum err_code save_picture(const struct picture *p, const struct variant *v, struct encoded *ret,
	struct err *e)
{
	switch (v->format) {
	case FORMAT_JPEG:
		return save_flat(p, v, ret, e);
	case FORMAT_WEBP:
		return v->lossless ? save_rgb(p, v, webp_save, ret, e) : webp_save(p, v, ret, e);
	case FORMAT_PNG:
		return save_rgb(p, v, vips_save_png, ret, e);
	case FORMAT_AVIF:
		return save_rgb(p, v, vips_save_avif, ret, e);
	default:
		return err_set(e, ERR_ENCODE_FAILED, "%s is not a format that bulb writes",
			format_name(v->format));
	}
}
