/* SPDX-License-Identifier: MIT
 *
 * The parts of cut.c: one file for each way to a cut-out, and the end that all share.
 */
#ifndef BULB_INSIDE_CUT_IMPL_H
#define BULB_INSIDE_CUT_IMPL_H

#include "image/load.h"
#include "inside/cut.h"

/* subject.c: FLAT, LOCAL, AUTO. */
enum err_code cut_subject(struct cut_job *job, struct cut_file *ret, struct err *e) MUST_CHECK;

/* prepare.c: PREPARE. */
bool serves_as_it_is(const struct cut_job *job);
enum err_code cut_prepare(struct cut_job *job, struct cut_file *ret, struct err *e) MUST_CHECK;

/* compose.c: COMPOSE. *ret_bytes: what the answer takes when decoded. */
enum err_code answer_probe(struct cut_job *job, int64_t *ret_bytes, struct err *e) MUST_CHECK;
enum err_code cut_compose(struct cut_job *job, struct cut_file *ret, struct err *e) MUST_CHECK;

/* finish.c. p: RGB and alpha, which stands for the picture with the subject cut out. The subject's own
 * colours at its edge (when asked for), crop, fill, encode; or ret->none. left and top are of p. */
enum err_code cut_finish(struct picture *p, const struct cut_job *job, bool foreground,
	struct cut_file *ret, struct err *e) MUST_CHECK;
/* p as v says becomes ret's file. ERR_LIMIT_OUTPUT when it is too large. */
enum err_code cut_encode(const struct picture *p, const struct variant *v,
	const struct cut_job *job, struct cut_file *ret, struct err *e) MUST_CHECK;
/* What the encoder and the colours of the edge take for so many pixels. */
int64_t finish_bytes(enum format f, double pixels);

#endif
