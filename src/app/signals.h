/* SPDX-License-Identifier: MIT
 *
 * Signals as something to wait for: blocked in every thread, taken by the main one.
 */
#ifndef BULB_APP_SIGNALS_H
#define BULB_APP_SIGNALS_H

#include <stdatomic.h>
#include <stdint.h>

/* Before the first thread: block SIGINT, SIGTERM and SIGHUP, ignore SIGPIPE. */
void signals_setup(void);
/* A command that may be ended at any moment takes them as they come again. */
void signals_default(void);
/* The next signal, or 0 after so long (-1: for ever). */
int signals_wait(int64_t ms);
/* A thread that waits for SIGINT or SIGTERM and sets *stop; a second signal ends the process at
 * once with status 130. For commands that block in a call. */
void signals_stop_flag(atomic_bool *stop);

#endif
