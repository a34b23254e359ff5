/* SPDX-License-Identifier: MIT
 *
 * The text of one setting into its field of struct conf.
 */
#ifndef BULB_CONF_VALUE_H
#define BULB_CONF_VALUE_H

#include "conf/conf.h"

/* Lists are appended to; the caller empties them when a source of higher precedence begins.
 * ERR_USAGE says what is wrong with the value, without naming the setting. */
enum err_code value_set(struct conf *c, enum conf_setting id, const char *text, struct err *e)
	MUST_CHECK;
/* Put the field back to NULL, 0 or empty. */
void value_clear(struct conf *c, enum conf_setting id);
/* A secret from a file: its first line. */
enum err_code value_set_from_file(struct conf *c, enum conf_setting id, const char *path,
	struct err *e) MUST_CHECK;

#endif
