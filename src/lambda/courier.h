/* SPDX-License-Identifier: MIT
 *
 * Reports on their way to the app server (job/report.h): signed, tried again until they are answered,
 * and left beside the blobs when that is not to be. Thread-safe: whoever tells something while another
 * report is on its way goes with the next, so quick items share one call.
 */
#ifndef BULB_LAMBDA_COURIER_H
#define BULB_LAMBDA_COURIER_H

#include "base/json.h"
#include "blob/blob.h"
#include "job/report.h"

struct courier;
struct courier_opts {
	const char *url;    /* of POST /v1/results; copied */
	const char *prefix; /* of the keys in documents: event.bucket.prefix; copied */
	struct blob *blob;  /* where what nobody takes is left; outlives it */
	int64_t give_up_ms; /* monotonic: from then on nothing is sent */
};
struct courier *courier_new(const struct courier_opts *o);
void courier_free(struct courier *c); /* nobody is telling anything */
/* Nothing is waited for any more: what is not answered is left. */
void courier_hurry(struct courier *c);

struct told {
	bool left;      /* as an object, or not even that: nobody knows of it yet */
	json_t *answer; /* the server's document {"results": [this one's]}, the caller's; or NULL */
};
/* Some results. Blocks until each is answered or left. */
void courier_tell(struct courier *c, const struct report_result *r, const char *const *secrets,
	size_t n, struct told *ret);

#endif
