/* SPDX-License-Identifier: MIT
 *
 * The keys of a server, or of all that share a database: one signs links and tokens, one seals
 * per-item headers, and from one come the secrets of tasks that are done outside. They come from a
 * secret that is given, or from one that is made at the first start, readable by the owner only, and
 * kept in DATA/secret.
 */
#ifndef BULB_APP_SECRETS_H
#define BULB_APP_SECRETS_H

#include "base/err.h"

#include <stdint.h>

struct secrets {
	uint8_t link_key[32];
	uint8_t seal_key[32];
	uint8_t report_key[32];
	char fingerprint[65]; /* tells one secret from another, and nothing else of it */
};

enum err_code secrets_load(const char *data_dir, struct secrets *ret, struct err *e) MUST_CHECK;
/* --secret: 32 characters or more. ERR_USAGE. */
enum err_code secrets_from_text(const char *text, struct secrets *ret, struct err *e) MUST_CHECK;
void secrets_wipe(struct secrets *s);

#endif
