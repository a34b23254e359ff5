/* SPDX-License-Identifier: MIT
 *
 * The least that AWS must allow a process with these settings to do (`bulb doctor --policy`).
 */
#ifndef BULB_APP_POLICY_H
#define BULB_APP_POLICY_H

#include "base/buf.h"
#include "conf/conf.h"

/* An IAM policy as JSON. ERR_USAGE: with these settings AWS is asked for nothing. */
enum err_code policy_text(const struct conf *c, struct buf *ret, struct err *e) MUST_CHECK;

#endif
