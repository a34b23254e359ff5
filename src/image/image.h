/* SPDX-License-Identifier: MIT
 *
 * Pictures: sniff, decode once, variants as a cascade, encode, placeholder. Runs inside the
 * darkroom only (and in its tests): the bytes are a stranger's. One thread at a time a process.
 */
#ifndef BULB_IMAGE_IMAGE_H
#define BULB_IMAGE_IMAGE_H

#include "base/err.h"
#include "job/recipe.h"

#include <stddef.h>
#include <stdint.h>

struct image_limits {
	int64_t max_pixels; /* width × height of a frame */
	int max_frames;
	int64_t max_bytes_out; /* of one variant */
};

/* Once per process, before any sandbox: loads libraries, runs no picture, starts no thread. */
enum err_code image_init(struct err *e) MUST_CHECK;
/* "vips 8.14.1 jpeg 2.1.5 webp 1.2.4 …": part of every variant digest. Static. */
const char *image_codecs(void);

/* From the first bytes alone, by us: FORMAT_NONE when it is none that bulb reads. */
enum format image_sniff(const void *data, size_t n);

struct image_header {
	enum format format;
	int width, height; /* as stored, before orientation */
	int orientation;   /* EXIF's 1 … 8; applied to every variant */
	int frames;
	bool has_alpha, progressive;
	int64_t decode_bytes; /* what decoding will take at its peak, for admission */
};
/* Reads headers only; no pixel is decoded. ERR_FETCH_NOT_IMAGE, ERR_DECODE_UNSUPPORTED,
 * ERR_DECODE_CORRUPT, ERR_LIMIT_PIXELS, ERR_LIMIT_FRAMES. r NULL: decode_bytes is for the whole picture
 * as RGB and alpha, and for nothing that is made of it. */
enum err_code image_probe(const void *data, size_t n, const struct image_limits *lim,
	const struct recipe *r, struct image_header *ret, struct err *e) MUST_CHECK;

struct image_variant {
	enum format format;
	int width, height;
	size_t index;     /* in the recipe */
	const void *data; /* valid during the call of the sink only */
	size_t bytes;
};
struct image_summary {
	int width, height;  /* upright */
	char thumbhash[64]; /* base64 of the ThumbHash */
	char color[8];      /* "#rrggbb", the dominant colour */
};
/* Decode once and hand every variant of the recipe to the sink, in any order. The sink returns
 * false to stop (ERR_INTERNAL). Also ERR_ENCODE_FAILED, ERR_LIMIT_OUTPUT. */
enum err_code image_make(const void *data, size_t n, const struct image_header *h,
	const struct image_limits *lim, const struct recipe *r,
	bool (*sink)(void *ctx, const struct image_variant *v), void *ctx,
	struct image_summary *ret, struct err *e) MUST_CHECK;

#endif
