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
	int threads; /* of the model; 0: without one */
};

struct keeper_link;
struct keeper_opts {
	const char *exe;             /* NULL: ourselves */
	const char *runtime, *model; /* of a keeper whose children cut out; NULL else */
};
/* Starts the keeper and waits until it has loaded its libraries; one with a model is started when
 * its first child is asked for. ERR_DARKROOM. */
enum err_code keeper_link_new(const struct keeper_opts *o, struct keeper_link **ret, struct err *e)
	MUST_CHECK;
void keeper_link_free(struct keeper_link *k); /* ends the keeper and its children */
/* A new child, on its way into the jail. Also ERR_MATTE_UNAVAILABLE: what the keeper said of its
 * runtime or model. */
enum err_code keeper_link_fork(struct keeper_link *k, const struct child_order *o,
	struct child **ret, struct err *e) MUST_CHECK;
/* OK: it lives, or has been started again. ERR_DARKROOM. */
enum err_code keeper_link_check(struct keeper_link *k, struct err *e) MUST_CHECK;
/* End it and its children; the next question starts another, which reads its files anew. */
void keeper_link_stop(struct keeper_link *k);
pid_t keeper_link_pid(struct keeper_link *k); /* -1 while there is none */

#endif
