/* SPDX-License-Identifier: MIT
 *
 * Pictures for the tests of matte: blanks, and composites whose alpha is known as they are computed.
 */
#ifndef BULB_TESTS_MATTE_PICTURES_H
#define BULB_TESTS_MATTE_PICTURES_H

#include "matte/matte.h"

struct scene {
	int w, h;
	uint8_t *px[3];   /* what is seen */
	uint8_t *fore[3]; /* the subject's own colour */
	uint8_t *alpha;   /* the truth */
};
/* A textured, shaded subject of this kind on a ground like a photograph's. soft: width of the edge in
 * pixels. */
enum subject { SUBJECT_BALL, SUBJECT_BLOB, SUBJECT_FIGURE, SUBJECT_BOX, SUBJECTS };
struct scene scene_new(int w, int h, enum subject kind, double soft, unsigned seed);
void scene_done(struct scene *s);

/* Blanks by number, 0 … BLANKS - 1: nothing on them is a subject. Packed RGB; the caller frees. */
#define BLANKS 12
uint8_t *blank_new(int kind, int w, int h, const char **ret_name);

/* Packed RGB at w × h by the mean of what each pixel covers. The caller frees. */
uint8_t *scene_pack(const struct scene *s, int w, int h);
/* The same as planes, which lie in what is returned. */
uint8_t *scene_guide(const struct scene *s, int w, int h, struct matte_planes *ret);
struct matte_planes scene_planes(const struct scene *s);

/* 0 … 1 from a place and a seed: always the same. */
double noise_at(int x, int y, unsigned seed);

#endif
