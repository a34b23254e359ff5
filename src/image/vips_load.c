/* SPDX-License-Identifier: MIT
 *
 * The general way in: any format, through libvips, as one pipeline that streams (decode, colour to
 * sRGB, shrink) and ends in 8-bit memory. Loaders are called by name. An embedded profile is
 * honoured; without one the numbers are taken for sRGB and left alone. A profile that makes no
 * sense is ignored, as browsers do.
 */
#include "image/icc.h"
#include "image/load.h"
#include "image/vips_picture.h"

#include <math.h>

/* Replace *im by the result of a call that was given `out`; false when the call failed. */
static bool next(VipsImage **im, VipsImage **out, int failed)
{
	if (failed)
		return false;
	g_object_unref(*im);
	*im = TAKE(out);
	return true;
}

/* libjpeg's own shrinking by 2, 4 or 8, never below what is needed. */
static int jpeg_shrink(double scale)
{
	return scale <= 0.125 ? 8 : scale <= 0.25 ? 4 : scale <= 0.5 ? 2 : 1;
}

static int open_image(void *data, size_t n, enum format f, double scale, VipsImage **ret)
{
	VipsAccess access = VIPS_ACCESS_SEQUENTIAL;
	VipsFailOn fail = VIPS_FAIL_ON_ERROR;
	switch (f) {
	case FORMAT_JPEG:
		return vips_jpegload_buffer(data, n, ret, "access", access, "fail_on", fail,
			"shrink", jpeg_shrink(scale), NULL);
	case FORMAT_PNG:
		return vips_pngload_buffer(data, n, ret, "access", access, "fail_on", fail, NULL);
	case FORMAT_WEBP:
		return vips_webpload_buffer(data, n, ret, "access", access, "fail_on", fail, NULL);
	case FORMAT_GIF:
		return vips_gifload_buffer(data, n, ret, "access", access, "fail_on", fail, NULL);
	case FORMAT_TIFF:
		return vips_tiffload_buffer(data, n, ret, "access", access, "fail_on", fail, NULL);
	default:
		return vips_heifload_buffer(data, n, ret, "access", access, "fail_on", fail, NULL);
	}
}

/* A profile that says more than "sRGB". */
static bool has_profile(VipsImage *im)
{
	const void *profile;
	size_t n;
	return vips_image_get_typeof(im, VIPS_META_ICC_NAME) != 0 &&
		!vips_image_get_blob(im, VIPS_META_ICC_NAME, &profile, &n) &&
		!icc_is_srgb(profile, n);
}

/* With black point compensation, as sharp has it: without, the black of print comes out grey. */
static bool to_srgb(VipsImage **im)
{
	VipsImage *out = NULL;
	if (has_profile(*im) &&
		next(im, &out,
			vips_icc_transform(*im, &out, "srgb", "embedded", TRUE, "intent",
				VIPS_INTENT_PERCEPTUAL, "black_point_compensation", TRUE, NULL)))
		return true;
	vips_error_clear();
	if (vips_image_get_interpretation(*im) == VIPS_INTERPRETATION_CMYK)
		return next(im, &out,
			vips_icc_transform(*im, &out, "srgb", "input_profile", "cmyk", "intent",
				VIPS_INTENT_PERCEPTUAL, "black_point_compensation", TRUE, NULL));
	return next(im, &out, vips_colourspace(*im, &out, VIPS_INTERPRETATION_sRGB, NULL));
}

/* Three bands, or four with alpha; more (masks, spot colours of a TIFF) are left out. */
static bool to_bytes(VipsImage **im)
{
	VipsImage *out = NULL;
	if (vips_image_get_bands(*im) > 4 &&
		!next(im, &out, vips_extract_band(*im, &out, 0, "n", 4, NULL)))
		return false;
	return vips_image_get_format(*im) == VIPS_FORMAT_UCHAR ||
		next(im, &out, vips_cast_uchar(*im, &out, NULL));
}

/* To the size that the largest variant needs, while the rows stream by. */
static bool shrink(VipsImage **im, double scale)
{
	VipsImage *out = NULL;
	int w = vips_image_get_width(*im), h = vips_image_get_height(*im);
	bool alpha = vips_image_get_bands(*im) == 4;
	if (scale >= 1)
		return true;
	/* bytes again before anything is held: floats would take four times the memory */
	if (alpha &&
		(!next(im, &out, vips_premultiply(*im, &out, NULL)) ||
			!next(im, &out, vips_cast_uchar(*im, &out, NULL))))
		return false;
	double x = fmax(1, round(w * scale)) / w, y = fmax(1, round(h * scale)) / h;
	if (!next(im, &out, vips_resize(*im, &out, x, "vscale", y, NULL)))
		return false;
	return !alpha || next(im, &out, vips_unpremultiply(*im, &out, NULL));
}

static bool convert(VipsImage **im, enum format f, double scale)
{
	return to_srgb(im) && (f == FORMAT_JPEG || shrink(im, scale)) && to_bytes(im);
}

/* For a JPEG the samples that the decoder has left out are remembered as density. */
static void set_size(struct picture *p, const struct image_header *h)
{
	if (h->format != FORMAT_JPEG)
		return;
	for (int i = 0; i < p->n; i++) {
		p->planes[i].sx = (double)p->w / h->width;
		p->planes[i].sy = (double)p->h / h->height;
	}
	p->w = h->width;
	p->h = h->height;
}

/* Some rows, top to bottom; on a thread of libvips, one call at a time. */
ON_VIPS_THREAD static int take_rows(VipsRegion *rows, VipsRect *area, void *picture)
{
	for (int y = area->top; y < area->top + area->height; y++)
		picture_put_row(picture, y, VIPS_REGION_ADDR(rows, 0, y));
	return 0;
}

static enum err_code read_pixels(VipsImage *im, const struct image_header *h, struct picture *ret,
	struct err *e)
{
	int n = vips_image_get_bands(im);
	if (n != 3 && n != 4)
		return err_set(e, ERR_DECODE_UNSUPPORTED, "decode: %d colour channels", n);
	enum err_code code = picture_init(ret, vips_image_get_width(im), vips_image_get_height(im),
		false, n, e);
	if (code != OK)
		return code;
	if (vips_sink_disc(im, take_rows, ret)) {
		picture_done(ret);
		return vips_failed(e, ERR_DECODE_CORRUPT, "decode");
	}
	set_size(ret, h);
	return OK;
}

/* The header of HEIF has the largest size of any item, and knows no cut: what is decoded may be
 * smaller than what the scale was reckoned for. */
static double scale_for(const struct image_header *h, int w, int high, double scale)
{
	double larger = fmax((double)h->width / w, (double)h->height / high);
	return fmin(1, scale * fmax(1, larger));
}

enum err_code vips_load(const void *data, size_t n, const struct image_header *h, double scale,
	struct loaded *ret, struct err *e)
{
	VipsImage *im = NULL;
	if (open_image((void *)(uintptr_t)data, n, h->format, scale, &im))
		return vips_failed(e, ERR_DECODE_CORRUPT, "decode");
	int w = vips_image_get_width(im), high = vips_image_get_height(im);
	if (h->format == FORMAT_HEIF || h->format == FORMAT_AVIF)
		scale = scale_for(h, w, high, scale);
	enum err_code code = convert(&im, h->format, scale)
		? read_pixels(im, h, &ret->picture, e)
		: vips_failed(e, ERR_DECODE_CORRUPT, "decode");
	g_object_unref(im);
	vips_error_clear(); /* warnings about this picture are not the next one's error */
	ret->w = h->format == FORMAT_JPEG ? h->width : w;
	ret->h = h->format == FORMAT_JPEG ? h->height : high;
	ret->picture.is_resampled = h->format != FORMAT_JPEG && scale < 1;
	return code;
}
