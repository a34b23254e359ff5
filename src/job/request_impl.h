/* SPDX-License-Identifier: MIT
 *
 * For this room only: what the readers of a request share.
 */
#ifndef BULB_JOB_REQUEST_IMPL_H
#define BULB_JOB_REQUEST_IMPL_H

#include "job/members.h"
#include "job/request.h"

struct request_context {
	struct request *r; /* being filled; its arena takes every string */
	const struct request_limits *lim;
	const struct presets *presets;
};

/* The recipe that `variants`, or else `preset`, ask for (each may be NULL); NULL when there is
 * neither, or after a fault. Both are members of what stands at `at`. */
const struct recipe *request_recipe(struct request_context *c, const json_t *preset,
	const json_t *variants, const struct at *at, struct faults *f);
/* An object of at most so many bytes of text; a new reference, or NULL after a fault. */
json_t *request_metadata(struct request_context *c, const json_t *v, const struct at *at,
	struct faults *f);
/* `webhook`, into c->r. */
void request_webhook(struct request_context *c, const json_t *v, const struct at *at,
	struct faults *f);
/* `background`, in the request's arena; NULL after a fault. */
const struct cut *request_cut(struct request_context *c, const json_t *v, const struct at *at,
	struct faults *f);
/* The rules for headers that a caller adds to a download. NULL when there is none or after a
 * fault, else a new reference; digest is of their canonical form (zeros when there is none). */
json_t *request_headers(struct request_context *c, const json_t *v, const struct at *at,
	uint8_t digest[SHA256_LEN], struct faults *f);
/* `urls` as a set, into c->r. The job's own recipe is known. */
void request_items(struct request_context *c, const json_t *urls, const struct at *at,
	struct faults *f);

#endif
