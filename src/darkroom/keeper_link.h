/* SPDX-License-Identifier: MIT
 *
 * The worker's end of the keeper: the process `bulb darkroom`, spawned from our own binary, which
 * forks the jailed children. A keeper that has vanished is replaced when the next child is asked
 * for. Thread-safe.
 */
#ifndef BULB_DARKROOM_KEEPER_LINK_H
#define BULB_DARKROOM_KEEPER_LINK_H

#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

struct child;
struct child_order {
	int64_t memory_bytes, cpu_s, max_bytes_out;
};

struct keeper_link;
/* Starts the keeper and waits until it has loaded its libraries. ERR_DARKROOM. */
enum err_code keeper_link_new(const char *exe, struct keeper_link **ret, struct err *e) MUST_CHECK;
void keeper_link_free(struct keeper_link *k); /* ends the keeper and its children */
/* A new child, on its way into the jail. */
enum err_code keeper_link_fork(struct keeper_link *k, const struct child_order *o,
	struct child **ret, struct err *e) MUST_CHECK;
/* OK: it lives, or has been started again. ERR_DARKROOM. */
enum err_code keeper_link_check(struct keeper_link *k, struct err *e) MUST_CHECK;
pid_t keeper_link_pid(struct keeper_link *k); /* -1 while there is none */

#endif
