/* SPDX-License-Identifier: MIT
 *
 * A whole server without workers for unit tests: memory store, blobs in a fresh folder, push, api
 * and http on a port of the kernel's choice. What a worker would do is done by site_* calls.
 */
#ifndef BULB_TESTS_LIB_SITE_H
#define BULB_TESTS_LIB_SITE_H

#include "api/api.h"

struct site {
	char dir[64];
	struct store *store;
	struct blob *blob;
	struct presets *presets;
	struct push *push;
	struct api *api;
	struct http_server *http;
	int port;
	bool deaf; /* hints are lost */
	struct push_opts push_opts;
	struct api_opts api_opts;
	struct http_opts http_opts;
};
extern const uint8_t site_key[32];

void site_defaults(struct site *s); /* change the options, then: */
void site_start(struct site *s);
void site_open(struct site *s); /* both */
void site_close(struct site *s);

/* A job of n URLs over the API; its id. The caller frees. */
char *site_submit(struct site *s, size_t n);
/* Plan and claim up to n items' downloads; every one fails for good. */
void site_fail(struct site *s, size_t n);
/* Item after item of the job gets one original and its variants; blobs are not written. */
void site_succeed(struct site *s, size_t n);
struct job_row *site_job(struct site *s, const char *id, struct arena *a);
/* A blob with these bytes; its signed path and query. The caller frees. */
char *site_blob(struct site *s, const char *key, const char *bytes);

#endif
