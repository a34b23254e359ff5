/* SPDX-License-Identifier: MIT
 *
 * PNG and AVIF by libvips, which asks for the rows as it goes: no packed copy is made.
 */
#include "image/save.h"

#include "image/vips_picture.h"

typedef int write_fn(VipsImage *im, const struct variant *v, void **data, size_t *n);

/* effort 0 … 10 as zlib's 0 … 9; the default, 7, is zlib's own default of 6. */
static int write_png(VipsImage *im, const struct variant *v, void **data, size_t *n)
{
	return vips_pngsave_buffer(im, data, n, "compression", v->effort * 9 / 10, "interlace",
		v->progressive, "strip", TRUE, NULL);
}

static int write_avif(VipsImage *im, const struct variant *v, void **data, size_t *n)
{
	return vips_heifsave_buffer(im, data, n, "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1,
		"Q", v->quality, "effort", v->effort, "lossless", v->lossless, "subsample_mode",
		VIPS_FOREIGN_SUBSAMPLE_OFF, "strip", TRUE, NULL);
}

static enum err_code save(const struct picture *p, const struct variant *v, write_fn *write,
	const char *what, struct encoded *ret, struct err *e)
{
	VipsImage *im = NULL;
	struct encoded out = { .free = g_free };
	enum err_code code = picture_to_vips(p, &im, e);
	if (code != OK)
		return code;
	if (write(im, v, &out.data, &out.n))
		code = vips_failed(e, ERR_ENCODE_FAILED, what);
	g_object_unref(im);
	if (code == OK)
		*ret = out;
	return code;
}

enum err_code vips_save_png(const struct picture *p, const struct variant *v, struct encoded *ret,
	struct err *e)
{
	return save(p, v, write_png, "png", ret, e);
}

enum err_code vips_save_avif(const struct picture *p, const struct variant *v, struct encoded *ret,
	struct err *e)
{
	return save(p, v, write_avif, "avif", ret, e);
}
