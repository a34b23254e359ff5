/* SPDX-License-Identifier: MIT
 *
 * Who may call, as the store remembers it: tenants, which own jobs, caches and usage, and the keys
 * that open them. A key's secret is never here, only its SHA-256; a webhook secret is sealed under
 * the seal key (base/digest.h), because it must be read again to sign with.
 *
 * As in store.h: every call may block and is thread-safe, rows live in the caller's arena, and
 * ERR_STORE_UNAVAILABLE may always come.
 */
#ifndef BULB_STORE_ACCESS_H
#define BULB_STORE_ACCESS_H

#include "job/key.h"
#include "store/store.h"

#define TENANT_DEFAULT 1 /* of who needs no key, and of the root key */

struct key_row {
	const char *id, *name;
	int64_t tenant;
	const char *tenant_name;
	struct limits limits; /* of the tenant */
	uint8_t hash[SHA256_LEN];
	unsigned scopes;                                     /* enum key_scope */
	int64_t created_ms, expires_ms, revoked_ms, used_ms; /* 0: never */
};
struct key_new {
	const char *id, *name;
	uint8_t hash[SHA256_LEN];
	unsigned scopes;
	int64_t expires_ms; /* 0: never */
	const char *
		tenant; /* name or number of one that is there; NULL: one of the key's name is made */
	const struct limits *limits; /* of the tenant from now on; NULL: as they are */
	const char *webhook;         /* sealed secret of a tenant that is made */
};
/* ERR_USAGE: a tenant of that name is there already, or a key of that id. ERR_NOT_FOUND: no such tenant. */
enum err_code store_key_add(struct store *s, const struct key_new *in, int64_t *ret_tenant,
	struct err *e) MUST_CHECK;
/* Every key there ever was, in the order in which they were made. */
enum err_code store_keys(struct store *s, struct arena *a, struct key_row **ret, size_t *ret_n,
	struct err *e) MUST_CHECK;
/* A number that every change of keys and tenants raises: whoever keeps store_keys' answer asks this. */
enum err_code store_access_version(struct store *s, int64_t *ret, struct err *e) MUST_CHECK;
/* Idempotent. ERR_NOT_FOUND. */
enum err_code store_key_revoke(struct store *s, const char *id, struct err *e) MUST_CHECK;
/* When they were last used; raises no version. */
enum err_code store_key_used(struct store *s, const char *const *ids, const int64_t *used_ms,
	size_t n, struct err *e) MUST_CHECK;

/* By name or number; 0 in *ret when there is none. */
enum err_code store_tenant_find(struct store *s, const char *name, int64_t *ret, struct err *e)
	MUST_CHECK;
enum err_code store_tenant_limit(struct store *s, int64_t tenant, const struct limits *l,
	struct err *e) MUST_CHECK;
enum err_code store_tenant_limits(struct store *s, int64_t tenant, struct limits *ret,
	struct err *e) MUST_CHECK;

/* The sealed secrets that sign this tenant's webhooks, the newest first; NULL where there is none. */
enum err_code store_webhook_secrets(struct store *s, int64_t tenant, struct arena *a,
	const char *ret_sealed[2], struct err *e) MUST_CHECK;
/* The newest becomes the old one; with NULL nothing is added and the old one goes. */
enum err_code store_webhook_rotate(struct store *s, int64_t tenant, const char *sealed,
	struct err *e) MUST_CHECK;

/* What counts against each limit at this moment (not those of a second: servers count them). Only of
 * limits that are set; the others are 0. */
enum err_code store_quota_used(struct store *s, int64_t tenant, const struct limits *l,
	int64_t ret[LIMIT_COUNT], struct err *e) MUST_CHECK;

#endif
