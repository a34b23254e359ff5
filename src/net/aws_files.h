/* SPDX-License-Identifier: MIT
 *
 * The shared files of AWS's tools. Private to net.
 */
#ifndef BULB_NET_AWS_FILES_H
#define BULB_NET_AWS_FILES_H

#include "base/err.h"

enum aws_file { AWS_FILE_CREDENTIALS, AWS_FILE_CONFIG };

/* A setting of the profile that AWS_PROFILE names ("default" else); *ret is NULL when the file, the
 * profile or the setting is not there. The caller frees (mem_wipe first where it is a secret).
 * ERR_USAGE: the file is there and cannot be read. */
enum err_code aws_file_get(char *const *envp, enum aws_file file, const char *name, char **ret,
	struct err *e) MUST_CHECK;

#endif
