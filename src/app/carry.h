/* SPDX-License-Identifier: MIT
 *
 * Blobs from one blob store into another, several at a time, each checked on the way.
 */
#ifndef BULB_APP_CARRY_H
#define BULB_APP_CARRY_H

#include "blob/blob.h"
#include "store/copy.h"

struct carry {
	struct blob *from, *to;
	/* Under no lock, by any thread: this one is not there, or not what it was. */
	void (*bad)(void *ctx, const struct copy_blob *b, const char *why);
	void *ctx;
	int64_t blobs, bytes; /* that were carried; written between calls only */
};
/* For copy_opts.carry, with a struct carry as ctx. Durable afterwards. */
enum err_code carry_blobs(void *carry, struct copy_blob *v, size_t n, struct err *e) MUST_CHECK;

#endif
