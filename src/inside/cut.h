/* SPDX-License-Identifier: MIT
 *
 * One picture of which the subject is wanted: from a stranger's bytes to the file of a cut-out, or
 * to what is sent to a provider. Knows no socket; runs in a child.
 */
#ifndef BULB_INSIDE_CUT_H
#define BULB_INSIDE_CUT_H

#include "base/archive.h"
#include "darkroom/darkroom.h"
#include "image/image.h"
#include "image/save.h"
#include "matte/matte.h"

struct cut_job {
	const void *data; /* the original */
	size_t n;
	const void *answer; /* of COMPOSE */
	size_t answer_n;
	struct cut cut;
	enum cut_action action;
	const struct image_limits *limits;
	const struct matte_model *model; /* NULL: none is here */
	struct matte *matte;
	struct image_header header;     /* cut_probe sets it */
	struct archive_member parts[2]; /* color.jpg, alpha.png of an answer that is a zip */
};
/* Reads headers. job->header then says what the picture is and what everything will take at its peak.
 * Errors of image_probe; ERR_MATTE_PROVIDER for the answer. */
enum err_code cut_probe(struct cut_job *job, struct err *e) MUST_CHECK;

struct cut_file {
	bool done, none; /* as struct darkroom_cut_result has them */
	enum cut_engine engine;
	double confidence;
	struct image_summary original;
	int left, top;
	bool has_file;
	enum format format;
	int width, height;
	struct encoded file;
};
void cut_file_done(struct cut_file *f);
/* After cut_probe. Errors of image_make, ERR_MATTE_UNAVAILABLE (no model is here), ERR_MATTE_FAILED,
 * ERR_MATTE_PROVIDER. */
enum err_code cut_make(struct cut_job *job, struct cut_file *ret, struct err *e) MUST_CHECK;
void cut_job_done(struct cut_job *job); /* what cut_probe kept */

#endif
