/* SPDX-License-Identifier: MIT
 *
 * The places inside a container or on an instance that hand out AWS keys. Private to net.
 */
#ifndef BULB_NET_AWS_ENDPOINTS_H
#define BULB_NET_AWS_ENDPOINTS_H

#include "net/sigv4.h"

/* Both leave *ret alone where the place does not exist. ERR_FETCH_*, ERR_SYSTEM, ERR_USAGE. */
enum err_code aws_container_keys(char *const *envp, struct aws_keys *ret, struct err *e) MUST_CHECK;
enum err_code aws_instance_keys(char *const *envp, struct aws_keys *ret, struct err *e) MUST_CHECK;

#endif
