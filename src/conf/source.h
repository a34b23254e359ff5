/* SPDX-License-Identifier: MIT
 *
 * The three sources of settings, strongest first, and what is worked out afterwards. All return
 * ERR_USAGE with the place and name of what is wrong.
 */
#ifndef BULB_CONF_SOURCE_H
#define BULB_CONF_SOURCE_H

#include "base/environment.h"
#include "conf/conf.h"

enum err_code source_flags(struct conf *c, enum command cmd, int argc, char *const *argv,
	struct err *e) MUST_CHECK;
enum err_code source_environment(struct conf *c, enum command cmd, char *const *envp, struct err *e)
	MUST_CHECK;
enum err_code source_file(struct conf *c, enum command cmd, const char *path, struct err *e)
	MUST_CHECK;
/* The lines of a file that has been read; the text is changed. NULL is an empty file. */
enum err_code source_text(struct conf *c, enum command cmd, const char *name, char *text,
	struct err *e) MUST_CHECK;
/* Fill in what "auto" left open, and what systemd and platforms tell. */
enum err_code conf_derive(struct conf *c, enum command cmd, char *const *envp, struct err *e)
	MUST_CHECK;

/* Sets the field unless a stronger source has set it; a bad value is refused in either case. */
enum err_code source_set(struct conf *c, enum conf_setting id, enum conf_source source,
	const char *text, struct err *e) MUST_CHECK;
#endif
