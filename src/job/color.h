/* SPDX-License-Identifier: MIT
 *
 * For this room only: colours as requests spell them (CSS Color Module Level 4, the parts people
 * use) and as sharp's {r, g, b, alpha} objects.
 */
#ifndef BULB_JOB_COLOR_H
#define BULB_JOB_COLOR_H

#include "job/members.h"

#define COLOR_MAX 10 /* "#rrggbbaa" */

/* "#rgb", "#rgba", "#rrggbb", "#rrggbbaa", a basic name, or "transparent". */
bool color_parse(const char *s, struct rgba *ret);
/* "#rrggbb", with "aa" only where it is not opaque. */
void color_format(struct rgba c, char out[COLOR_MAX]);
/* A string as above or {"r", "g", "b": 0 … 255, "alpha": 0 … 1}. false: a fault was added. */
bool color_read(const json_t *v, const struct at *at, struct faults *f, struct rgba *ret);

#endif
