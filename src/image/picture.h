/* SPDX-License-Identifier: MIT
 *
 * A picture in memory: planes of bytes and nothing else. It holds no metadata, so nothing made
 * from it can leak any.
 *
 * Either R, G, B (and straight alpha), or the Y, Cb, Cr of a JPEG (full range, BT.601), whose
 * planes may have sizes of their own: a photo goes from one codec into the next without ever
 * becoming RGB.
 */
#ifndef BULB_IMAGE_PICTURE_H
#define BULB_IMAGE_PICTURE_H

#include "base/err.h"
#include "job/recipe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLANES_MAX 4
#define PLANE_PAD  64 /* readable bytes after the last pixel, so that loops may run over */

struct plane {
	uint8_t *px; /* owned; rows follow each other without a gap */
	int w, h;
	double sx, sy; /* samples of this plane for one pixel of the picture */
};
struct picture {
	int w, h; /* what it stands for; planes may hold more or fewer samples */
	bool is_ycc;
	bool is_resampled; /* by us, so it is as sharp as its size allows */
	int n;             /* planes: 3, or 4 with alpha (never in YCbCr) */
	struct plane planes[PLANES_MAX];
};
struct rect {
	double x, y, w, h;
};

void picture_done(struct picture *p); /* it may be used again */
/* Uninitialised samples, as many as the sizes say. ERR_LIMIT_MEMORY. */
enum err_code plane_init(struct plane *p, int w, int h, double sx, double sy, struct err *e)
	MUST_CHECK;
/* RGB, RGBA, or YCbCr with chroma halved both ways (rounded up). */
enum err_code picture_init(struct picture *p, int w, int h, bool is_ycc, int n, struct err *e)
	MUST_CHECK;
/* For what libvips calls on its threads: it orders them by GLib's locks, which ThreadSanitizer does not
 * see. */
#define ON_VIPS_THREAD __attribute__((no_sanitize("thread")))
/* One row from and to packed bytes, n a pixel; planes at full size. picture_get_row: w pixels from x on. */
ON_VIPS_THREAD void picture_put_row(struct picture *p, int y, const uint8_t *packed);
ON_VIPS_THREAD void picture_get_row(const struct picture *p, int x, int y, int w, uint8_t *packed);
/* The same with all rows at once. */
enum err_code picture_unpack(struct picture *ret, const uint8_t *packed, int w, int h, int n,
	struct err *e) MUST_CHECK;
enum err_code picture_pack(const struct picture *p, uint8_t **ret, struct err *e) MUST_CHECK;

/* A window of p (in its pixels), resampled to w × h (resample.h). */
enum err_code picture_resize(const struct picture *p, struct rect window, int w, int h,
	struct picture *ret, struct err *e) MUST_CHECK;
/* Turn in place as EXIF orientation 1 … 8 says. */
enum err_code picture_orient(struct picture *p, int orientation, struct err *e) MUST_CHECK;
/* The same pixels as RGB with every plane at full size; a copy also when it is RGB already. */
enum err_code picture_to_rgb(const struct picture *p, struct picture *ret, struct err *e)
	MUST_CHECK;
/* The same in place, without a second picture in memory. */
enum err_code picture_make_rgb(struct picture *p, struct err *e) MUST_CHECK;
/* YCbCr with every plane at full size becomes RGB in place. */
void chroma_to_rgb(struct picture *p);
/* Only the window at (x, y) of w × h is left, in place. RGB only. */
void picture_crop(struct picture *p, int x, int y, int w, int h);
/* On a canvas of w × h filled with c, at (x, y). RGB only; gains alpha when c is not opaque. */
enum err_code picture_embed(const struct picture *p, int x, int y, int w, int h, struct rgba c,
	struct picture *ret, struct err *e) MUST_CHECK;
/* Laid on c, without alpha. RGBA only. */
enum err_code picture_flatten(const struct picture *p, struct rgba c, struct picture *ret,
	struct err *e) MUST_CHECK;
/* The same in place. */
void picture_lay_on(struct picture *p, struct rgba c);

#endif
