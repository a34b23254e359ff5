/* SPDX-License-Identifier: MIT
 *
 * The manifests of models.
 */
#include "matte/model.h"

const char matte_fast_manifest[] = "{}";
