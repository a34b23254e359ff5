/* SPDX-License-Identifier: MIT
 *
 * Pictures to test with: made here, so that what they must become is known.
 *
 * The scene is four quarters: red and green above, blue and white below. It looks different under
 * each of the eight orientations.
 */
#ifndef BULB_TESTS_IMAGE_PICTURES_H
#define BULB_TESTS_IMAGE_PICTURES_H

#include "lib/test.h"

#include "image/image.h"

#include <vips/vips.h>

struct file {
	uint8_t *data; /* owned: file_done */
	size_t n;
};
void file_done(struct file *f);

int pictures_start(void **state); /* group setup: image_init */

VipsImage *scene(int w, int h);
/* The scene as it is stored so that the orientation turns it upright. */
VipsImage *scene_stored(int w, int h, int orientation);
/* Encode and release; suffix as in libvips, ".jpg[Q=95]". */
struct file encode(VipsImage *im, const char *suffix);
/* The scene with an alpha: left half opaque, right half as said. */
VipsImage *scene_alpha(int w, int h, int alpha);

/* A TIFF structure as EXIF has it: orientation, and a GPS directory that names a secret. */
struct file exif(int orientation);
extern const char exif_secret[];
/* The same JPEG with an EXIF segment. Takes f. */
struct file jpeg_with_exif(struct file f, int orientation);
/* A GIF of that many frames of one pixel. */
struct file gif_frames(int frames);

struct made {
	enum err_code code;
	struct err e;
	struct image_header header;
	struct image_summary summary;
	struct file files[VARIANTS_MAX]; /* by index in the recipe */
	enum format formats[VARIANTS_MAX];
	int w[VARIANTS_MAX], h[VARIANTS_MAX];
	int count;
};
/* Probe and make, with the JSON of a recipe. */
struct made make(struct file f, const char *variants);
/* The same, and it worked. */
struct made make_well(struct file f, const char *variants);
void made_done(struct made *m);
/* Both of them. */
void made_and_file_done(struct made *m, struct file *f);

/* The colour at a place (0 … 1 of each side) is this, give or take. Alpha -1: not looked at. */
void assert_color(struct file f, double x, double y, int r, int g, int b, int a, int tolerance);
/* The whole scene, upright. */
void assert_scene(struct file f, int tolerance);

#endif
