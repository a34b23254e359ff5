/* SPDX-License-Identifier: MIT
 *
 * What a forked child does for the rest of its life. Descriptor 0 is its socket.
 */
#ifndef BULB_INSIDE_CHILD_H
#define BULB_INSIDE_CHILD_H

#include "base/cdefs.h"
#include "darkroom/jail.h"

#include <stdbool.h>

NORETURN void child_main(const struct jail_limits *l, bool alone);

#endif
