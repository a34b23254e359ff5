/* SPDX-License-Identifier: MIT
 *
 * For this room only: the words of a recipe as text. One table each, read both ways.
 */
#ifndef BULB_JOB_WORDS_H
#define BULB_JOB_WORDS_H

#include "job/members.h"

const char *fit_name(enum fit f);
const char *position_name(enum position p); /* the American spelling */
/* false: a fault was added. */
bool fit_read(const json_t *v, const struct at *at, struct faults *f, enum fit *ret);
bool position_read(const json_t *v, const struct at *at, struct faults *f, enum position *ret);
/* A format that can be written; those that will be are REQUEST_UNSUPPORTED. */
bool output_format_read(const json_t *v, const struct at *at, struct faults *f, enum format *ret);

/* What a format's options mean when it is written. */
struct format_rules {
	int quality;                        /* its default; 0: has none */
	int effort_min, effort_max, effort; /* range and default; effort -1: has none */
	bool has_lossless, has_progressive;
	bool has_alpha;
	int side_max; /* pixels */
};
const struct format_rules *format_rules(enum format f); /* of one that can be written */

#endif
