/* SPDX-License-Identifier: MIT
 *
 * Installing models: `fast` with its runtime, which are fetched, and those that a user brings with a
 * manifest.
 */
#ifndef BULB_APP_MODEL_ADD_H
#define BULB_APP_MODEL_ADD_H

#include "base/err.h"
#include "conf/conf.h"

/* what: "fast", a manifest (.json) or a model (.onnx, with --manifest). Says on standard output what it
 * did. What is there and good is left alone. ERR_USAGE; what package_get says; ERR_SYSTEM;
 * ERR_MATTE_UNAVAILABLE: the manifest, or the file is not what it says. */
enum err_code model_add(const struct conf *c, const char *what, struct err *e) MUST_CHECK;

#endif
