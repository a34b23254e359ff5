/* SPDX-License-Identifier: MIT
 *
 * Signatures of Standard Webhooks 1.0.0 (github.com/standard-webhooks/standard-webhooks, spec): an
 * HMAC-SHA-256 over "ID.TIMESTAMP.BODY", base64, after "v1,". A header may hold several, with a space
 * between two. Pure computation; comparisons take the same time whatever differs.
 */
#ifndef BULB_BASE_STANDARD_WEBHOOKS_H
#define BULB_BASE_STANDARD_WEBHOOKS_H

#include "base/digest.h"

#define WEBHOOK_KEY_MAX       64 /* bytes of a secret; the specification says 24 to 64 */
#define WEBHOOK_KEY_MIN       24
#define WEBHOOK_SECRET_MAX    (sizeof("whsec_") + BASE64_MAX(WEBHOOK_KEY_MAX))
#define WEBHOOK_SIGNATURE_MAX (sizeof("v1,") + BASE64_MAX(SHA256_LEN))
#define WEBHOOK_TOLERANCE_S   300 /* between the timestamp and the receiver's clock */
#define WEBHOOK_ID_MAX        256 /* of an id that is taken */

struct webhook_secret {
	uint8_t key[WEBHOOK_KEY_MAX];
	size_t n;
};
/* "whsec_" and base64; without the prefix it is taken, too. mem_wipe it afterwards. */
bool webhook_secret_parse(const char *text, struct webhook_secret *ret);
void webhook_secret_format(const void *key, size_t n, char out[WEBHOOK_SECRET_MAX]);

/* What is signed. */
struct webhook_message {
	const char *id;     /* header webhook-id */
	const char *time_s; /* header webhook-timestamp: seconds since 1970, as text */
	const void *body;
	size_t body_n;
};
/* "v1,…": for the header webhook-signature. */
void webhook_sign(const struct webhook_secret *s, const struct webhook_message *m,
	char out[WEBHOOK_SIGNATURE_MAX]);
/* Is one of the header's signatures this secret's? Those of other versions are passed over. */
bool webhook_verify(const struct webhook_secret *s, const struct webhook_message *m,
	const char *signatures);
/* The same for the n-th of them alone, from 0. */
bool webhook_verify_nth(const struct webhook_secret *s, const struct webhook_message *m,
	const char *signatures, size_t n);
/* A timestamp that is a number and at most WEBHOOK_TOLERANCE_S from now. */
bool webhook_time_is_near(const char *time_s, int64_t now_ms);

#endif
