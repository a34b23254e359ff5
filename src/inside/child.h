/* SPDX-License-Identifier: MIT
 *
 * What a forked child does for the rest of its life. Descriptor 0 is its socket.
 */
#ifndef BULB_INSIDE_CHILD_H
#define BULB_INSIDE_CHILD_H

#include "base/cdefs.h"
#include "darkroom/jail.h"
#include "inside/model.h"

#include <stdbool.h>

/* model NULL: it cuts nothing out by itself; else each run has so many threads. */
NORETURN void child_main(const struct jail_limits *l, bool alone, struct held_model *model,
	int threads);

#endif
