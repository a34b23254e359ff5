/* SPDX-License-Identifier: MIT
 *
 * libjpeg reports errors by a function that must not return. Ours writes the message down and
 * jumps back to where the picture was begun.
 */
#ifndef BULB_IMAGE_JPEG_ERROR_H
#define BULB_IMAGE_JPEG_ERROR_H

#include "base/err.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

struct jpeg_failure {
	struct jpeg_error_mgr mgr; /* first: libjpeg hands this back */
	jmp_buf back;
	char text[JMSG_LENGTH_MAX];
};
/* For cinfo->err. `back` must be set (setjmp) before libjpeg is called. */
struct jpeg_error_mgr *jpeg_failure_init(struct jpeg_failure *f);
/* After the jump: `other`, or ERR_LIMIT_MEMORY when that was the reason. */
enum err_code jpeg_failed(const struct jpeg_failure *f, enum err_code other, struct err *e);

#endif
