/* SPDX-License-Identifier: MIT
 *
 * The least that AWS must allow a process with these settings to do.
 */
#ifndef BULB_APP_POLICY_H
#define BULB_APP_POLICY_H

#include "conf/conf.h"

/* `bulb doctor --policy`: an IAM policy as JSON, on standard output. The exit status. */
int policy_print(const struct conf *c);

#endif
