/* SPDX-License-Identifier: MIT
 *
 * An API key: bulb_<id>_<secret>. The id is looked up and may be shown; of the secret, 32 random
 * bytes' worth of letters and digits, only the SHA-256 is ever kept. That needs no slow hash: there
 * is nothing to guess.
 */
#ifndef BULB_JOB_KEY_H
#define BULB_JOB_KEY_H

#include "base/digest.h"
#include "base/err.h"

#define KEY_PREFIX     "bulb_"
#define KEY_ID_LEN     12
#define KEY_SECRET_LEN 43 /* of 62 signs: 256 bits */
#define KEY_MAX        (sizeof(KEY_PREFIX) + KEY_ID_LEN + 1 + KEY_SECRET_LEN)

enum key_scope {
	KEY_READ = 1,  /* whatever changes nothing, and read tokens */
	KEY_WRITE = 2, /* jobs: submit, cancel, retry, delete; and submit tokens */
	KEY_ADMIN = 4, /* what concerns the server as a whole: /metrics */
};
#define KEY_ALL (KEY_READ | KEY_WRITE | KEY_ADMIN)

struct key {
	char text[KEY_MAX]; /* a secret */
	char id[KEY_ID_LEN + 1];
	uint8_t hash[SHA256_LEN]; /* of the secret */
};
void key_make(struct key *ret);
/* false: it does not look like a key. */
bool key_parse(const char *text, struct key *ret);

/* 0 when it is none. */
unsigned key_scope_parse(const char *name);
char *key_scopes_text(unsigned scopes); /* "read,write"; the caller frees */

#endif
