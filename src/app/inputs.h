/* SPDX-License-Identifier: MIT
 *
 * The list of pictures a command was given: arguments, a file (-f), or standard input.
 */
#ifndef BULB_APP_INPUTS_H
#define BULB_APP_INPUTS_H

#include "base/err.h"
#include "base/json.h"
#include "conf/conf.h"

/* A job's request body. Its URLs come from c->args ("-" reads standard input) and c->file; with
 * neither, from standard input when it is no terminal. Blank lines and lines that begin with '#' are
 * left out. paths: what is no URL is a local path and becomes file://…; else it is refused. A file
 * that begins like JSON is the whole body. The command's settings are added. ERR_USAGE. */
enum err_code inputs_body(const struct conf *c, bool paths, json_t **ret, struct err *e) MUST_CHECK;

#endif
