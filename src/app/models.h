/* SPDX-License-Identifier: MIT
 *
 * The models and the runtime that are installed: in the folder of --models first, then in the
 * system's. A model is a manifest NAME.json with its file beside it; the runtime is
 * libonnxruntime.so there, or one that the system brings.
 */
#ifndef BULB_APP_MODELS_H
#define BULB_APP_MODELS_H

#include "base/err.h"
#include "matte/model.h"

#define MODELS_RUNTIME "libonnxruntime.so"

struct models_one {
	struct matte_model model;
	char *manifest, *file; /* paths */
};
struct models {
	char *runtime;        /* path; NULL: there is none */
	struct models_one *v; /* by name; of two with one name the first folder's */
	size_t n;
	char *fault; /* of a manifest that could not be read, or NULL: the others count all the same */
};
/* Looks only: no file of a model is opened. A folder that is not there has nothing in it. */
void models_find(const char *dir, struct models *ret);
void models_done(struct models *m);
const struct models_one *models_get(const struct models *m, const char *name); /* or NULL */
/* Size and SHA-256 of the model's file against its manifest. ERR_MATTE_UNAVAILABLE says what is wrong. */
enum err_code models_check(const struct models_one *m, struct err *e) MUST_CHECK;
/* "u2netp@309c8469258d": what results are remembered under (struct cut_site). */
void models_ident(const struct matte_model *m, char *out, size_t n);
/* The runtime that the system's own packages brought, or NULL; the caller frees. */
char *models_system_runtime(void);

#endif
