/* SPDX-License-Identifier: MIT
 *
 * Watching one job from a terminal: `watch` and `submit --wait`.
 */
#ifndef BULB_APP_WATCH_H
#define BULB_APP_WATCH_H

#include "app/client.h"
#include "conf/conf.h"

/* Shows the job's events until its end; returns the exit status. */
int watch_job(const struct conf *c, struct client *cl, const char *job);

#endif
