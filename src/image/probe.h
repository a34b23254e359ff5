/* SPDX-License-Identifier: MIT
 *
 * Headers, one reader a format, all by us and all over the bytes in memory: nothing is decoded and
 * no library has been asked yet when a picture that is too large is turned away.
 */
#ifndef BULB_IMAGE_PROBE_H
#define BULB_IMAGE_PROBE_H

#include "image/image.h"
#include "image/span.h"

/* What the readers find out: the public header, and what decides how much memory decoding takes. */
struct probe {
	struct image_header h; /* format is set on entry; decode_bytes is not set here */
	int max_frames;        /* counting may stop one beyond */
	int bytes_per_pixel;   /* of the decoder's own copy of the whole picture; 0: it streams */
	double buffer_bytes;   /* what it holds beside, however large the picture is */
	double line_bytes;     /* a pixel of the lines between libvips' steps; 0: as most */
};
/* ERR_DECODE_CORRUPT, ERR_DECODE_UNSUPPORTED. A width of 0 is found by the caller. */
typedef enum err_code probe_fn(struct span s, struct probe *p, struct err *e);
probe_fn jpeg_probe, png_probe, webp_probe, gif_probe, tiff_probe, heif_probe;

/* EXIF orientation 1 … 8 from a TIFF header and what follows (CIPA DC-008); 1 when there is none. */
int exif_orientation(struct span tiff);

#endif
