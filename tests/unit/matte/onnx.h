/* SPDX-License-Identifier: MIT
 *
 * Models of one node, written here, so that every shape and fault can be had.
 */
#ifndef BULB_TESTS_MATTE_ONNX_H
#define BULB_TESTS_MATTE_ONNX_H

#include "base/buf.h"

#include <stdint.h>

enum onnx_type { ONNX_FLOAT = 1, ONNX_FLOAT16 = 10 };
/* The mean over the channels of `picture` is `mask`. A dimension of -1 is left open. Then, when it is
 * not NULL, `after` (an operator of one input, as "Log") is applied. */
struct onnx_model {
	enum onnx_type type;
	int64_t in[4], out[4];
	int out_rank; /* 4; 3: the channels' dimension is taken away */
	const char *after;
};
/* Appends the file. */
void onnx_write(const struct onnx_model *m, struct buf *b);

#endif
