/* SPDX-License-Identifier: MIT
 *
 * The runtime and the model of a darkroom for cut-outs, as the keeper has read them: no child can
 * open a file.
 */
#ifndef BULB_INSIDE_MODEL_H
#define BULB_INSIDE_MODEL_H

#include "base/buf.h"
#include "matte/model.h"

struct held_model {
	struct matte_model manifest;
	struct buf bytes; /* of the ONNX file; its digest is the manifest's */
};
/* Load the runtime and read manifest and model. ERR_MATTE_UNAVAILABLE says what is missing or
 * wrong. */
enum err_code held_model_load(const char *runtime, const char *manifest, struct held_model *ret,
	struct err *e) MUST_CHECK;
void held_model_done(struct held_model *m);

#endif
