/* SPDX-License-Identifier: MIT
 *
 * Cutting a subject out of plain pixels, with a local model (ONNX Runtime, loaded at run time) or
 * without one (flat backgrounds). No files, no codecs, no libvips: buffers in, buffers out; runs
 * inside the darkroom. One thread of ours at a time a process; ONNX Runtime has its own.
 */
#ifndef BULB_MATTE_MATTE_H
#define BULB_MATTE_MATTE_H

#include "base/err.h"
#include "matte/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* dlopen the runtime; once per process, before the jail. ERR_MATTE_UNAVAILABLE says what is wrong
 * with the library (missing, no ONNX Runtime, too old). ret_version: static text such as "1.30.0". */
enum err_code matte_load_runtime(const char *path, const char **ret_version, struct err *e)
	MUST_CHECK;

/* A session. Made after the fork, inside the jail, before the first byte of a picture: it starts the
 * runtime's threads. The model's bytes may go afterwards. ERR_MATTE_UNAVAILABLE: corrupt model, other
 * shapes than the manifest says; ERR_LIMIT_MEMORY. */
struct matte;
enum err_code matte_new(const struct matte_model *m, const void *bytes, size_t n, int threads,
	struct matte **ret, struct err *e) MUST_CHECK;
void matte_free(struct matte *m);

/* The size at which the model wants a picture of w × h: its own, or, where the manifest says letterbox,
 * the largest of the picture's shape that fits. */
void matte_input_size(const struct matte_model *m, int w, int h, int *ret_w, int *ret_h);
/* One run. rgb: packed 8-bit, w × h as matte_input_size says (a letterbox is filled up here). mask:
 * w × h floats, 0 … 1, normalised as the manifest says. ERR_MATTE_FAILED, ERR_LIMIT_MEMORY. */
struct matte_mask {
	float *v; /* owned by the caller of matte_mask_done */
	int w, h;
	double raw_max; /* before normalising */
	bool no_subject; /* nothing is there (confidence.c says how that is told); v is not to be used */
	double confidence; /* 0 … 1, docs/background.md says how; without a subject it means nothing */
};
void matte_mask_done(struct matte_mask *m);
enum err_code matte_run(struct matte *m, const uint8_t *rgb, int w, int h, struct matte_mask *ret,
	struct err *e) MUST_CHECK;

/* Sharpen the mask's edge along the picture's: contrast and a colour guided filter as the model's
 * manifest says (nothing where it says none), on the guide's size, then written at the full size,
 * 8 bit. guide: the picture with a long side of at most matte_guide_side; full: all of it. ERR_LIMIT_MEMORY. */
#define MATTE_GUIDE_MAX 1024
int matte_guide_side(const struct matte_model *m);
struct matte_planes {
	const uint8_t *r, *g, *b; /* each w × h, no gaps */
	int w, h;
};
enum err_code matte_refine(const struct matte_model *m, const struct matte_mask *mask,
	const struct matte_planes *guide, const struct matte_planes *full, uint8_t *ret_alpha,
	struct err *e) MUST_CHECK;

struct matte_box {
	int x, y, w, h; /* w == 0: nothing */
};
/* Bounding box of alpha > 2/255… */
struct matte_box matte_bounds(const uint8_t *alpha, int w, int h);
/* The subject's own colour where alpha is partial, in place, so that no background shines through on
 * another ground (multi-level estimation after Germer et al. 2020). Works inside box, in tiles or
 * levels of bounded memory. ERR_LIMIT_MEMORY. */
enum err_code matte_foreground(uint8_t *r, uint8_t *g, uint8_t *b, const uint8_t *alpha, int w,
	int h, struct matte_box box, struct err *e) MUST_CHECK;

/* The subject on a flat ground (product shots): alpha by distance from the border's colour, filled
 * from the border inwards. *ret_flat false: the background is not flat and alpha is not to be used.
 * ret_ground: its colour. A picture that is flat all over: *ret_flat true and alpha all 0. */
enum err_code matte_flat(const struct matte_planes *p, uint8_t *ret_alpha, bool *ret_flat,
	uint8_t ret_ground[3], struct err *e) MUST_CHECK;

#endif
