/* SPDX-License-Identifier: MIT
 *
 * Cut-outs for tests: pictures whose subject is known, darkrooms with and without a model, and a
 * look at what came out. REAL_BULB is set by the build, TEST_MODELS by the test run.
 */
#ifndef BULB_TESTS_UNIT_DARKROOM_CUTTING_H
#define BULB_TESTS_UNIT_DARKROOM_CUTTING_H

#include "lib/test.h"

#include "darkroom/darkroom.h"

#include <vips/vips.h>

/* A shaded ball of radius h/4 in the middle: on something blurred, on plain white, or on nothing. */
enum scene { ON_BLUR, ON_WHITE, ON_NOTHING, JUST_NOISE, JUST_GREY };
VipsImage *scene_of(enum scene s, int w, int h);
int save(VipsImage *im, const char *suffix); /* a sealed memfd; takes im */
int sealed(const void *data, size_t n);

/* A folder with manifest and model. NULL: there is none to test with (and the test is skipped). */
const char *model_folder(void);
const char *runtime_path(void);
char *manifest_path(void); /* the caller frees */

struct darkroom_opts plain_room(void);
struct darkroom *room_with(struct darkroom_opts o);
struct darkroom *matte_room(void); /* NULL: no model */

struct cut cut_usual(void); /* local, PNG, nothing else */
enum err_code cut_once(struct darkroom *d, int fd, int answer, const struct cut *c,
	enum cut_action action, struct darkroom_cut_result *ret, struct err *e);
/* Decode the result; released by the caller. */
VipsImage *open_result(const struct darkroom_cut_result *r);
/* Of an image with alpha: intersection over union of alpha ≥ 128 with the ball at (cx, cy). */
double overlap(VipsImage *im, double cx, double cy, double radius);
int value_at(VipsImage *im, int x, int y, int band);

#endif
