/* SPDX-License-Identifier: MIT
 *
 * The program in the darkroom: what `bulb darkroom` is. Descriptor 0 is the worker's socket.
 */
#ifndef BULB_INSIDE_INSIDE_H
#define BULB_INSIDE_INSIDE_H

#include "base/cdefs.h"

/* main() of the keeper. argv: nothing, or the paths of a runtime and of a model's manifest, for children
 * that cut out. Never returns: ends with _exit when descriptor 0 closes. Call it before
 * anything else in the process, in particular before any thread. */
NORETURN void inside_main(int argc, char *const *argv);

#endif
