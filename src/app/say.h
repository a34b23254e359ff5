/* SPDX-License-Identifier: MIT
 *
 * How a command tells its user that something went wrong: one line with the code, what happened,
 * and what to do.
 */
#ifndef BULB_APP_SAY_H
#define BULB_APP_SAY_H

#include "base/err.h"

/* Prints to standard error and returns the exit status for the code: 64 for usage, else 1. */
int say_error(const struct err *e);

#endif
