/* SPDX-License-Identifier: MIT
 *
 * The keys of a server in its memory. A request costs no read of the store: one number is looked at
 * twice a second (and whenever an unknown key comes), and when it has moved all keys are read anew.
 */
#ifndef BULB_API_ACCESS_H
#define BULB_API_ACCESS_H

#include "api/rates.h"
#include "base/err.h"
#include "job/key.h"
#include "job/limits.h"
#include "store/access.h"

#include <stdatomic.h>

#define ACCESS_ID_MAX 16

/* A key that is known. Lives as long as the access; nothing of it changes but the atomics. */
struct access_key {
	char id[ACCESS_ID_MAX]; /* of the root key: a name that another root key does not have */
	uint8_t hash[SHA256_LEN];
	int64_t tenant;
	unsigned scopes;
	int64_t expires_ms; /* wall; 0: never */
	_Atomic bool revoked;
	_Atomic int64_t used_ms;
};

struct access;
struct access_opts {
	struct store *store;
	const char *root_key;    /* its whole text, which has every right; NULL: none */
	const uint8_t *link_key; /* 32 bytes: names the root key */
	int64_t poll_ms;         /* 500 */
	/* After keys were revoked, or the first one came: what they, or nobody, opened must close. On a thread of access's own or of a
	 * request. */
	void (*on_revoked)(void *ctx);
	void *ctx;
};
/* ERR_STORE_UNAVAILABLE, ERR_USAGE (a root key that is too short). */
enum err_code access_new(const struct access_opts *o, struct access **ret, struct err *e)
	MUST_CHECK;
/* Asks the store nothing more. Before the store is closed; NULL is fine. */
void access_stop(struct access *a);
void access_free(struct access *a); /* stops; after whoever holds a key; NULL is fine */

/* Is there any key, good or revoked? Then nothing goes without. NULL: no. */
bool access_is_needed(const struct access *a);
/* True as soon as it is: what goes without a key must not outlast that. NULL where a is. */
const _Atomic bool *access_needed_flag(const struct access *a);
/* The key of this text; NULL: it is none of ours, or revoked, or its time is over. */
const struct access_key *access_find(struct access *a, const char *text);
/* The key that made a token, by its id; NULL as above. */
const struct access_key *access_find_id(struct access *a, const char *id);
bool access_key_is_good(const struct access_key *k);

/* What the tenant is held to; nothing where it is not known. */
void access_limits(struct access *a, int64_t tenant, struct limits *ret);

/* rates_take() on the buckets of a tenant; of one that is not known, nothing is taken. */
enum limit access_take(struct access *a, int64_t tenant, int64_t urls, struct rate ret[RATES]);

#endif
