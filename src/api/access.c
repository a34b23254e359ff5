/* SPDX-License-Identifier: MIT
 *
 * Keys are kept sorted by id and never freed while the server runs: tokens, sockets and requests
 * point at them, and see at their next step that one was revoked. A key that was there and is not
 * any more counts as revoked. When the store is away, what was known stands.
 */
#include "api/access.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS     500
#define USED_MS     60000 /* last uses are written so often */
#define ROOT_LEAST  32    /* characters */
#define ROOT_SCOPES KEY_ALL

struct tenant {
	int64_t no;
	struct limits limits;
	struct rate_bucket buckets[RATES];
};

struct access {
	struct access_opts o;
	struct access_key root; /* hash is of the whole text; id "" where there is none */
	pthread_mutex_t lock;   /* of what follows */
	pthread_cond_t wake;
	bool stop;
	struct access_key **keys; /* by id */
	size_t keys_n;
	struct tenant *tenants; /* by number */
	size_t tenants_n;
	_Atomic bool any;
	pthread_mutex_t reading; /* one reads anew at a time */
	int64_t version, written_ms;
	pthread_t thread;
	bool has_thread;
};

/* ---- looking up ----------------------------------------------------------------------------- */

static int by_id(const void *id, const void *element)
{
	return strcmp(id, (*(struct access_key *const *)element)->id);
}

static int in_order(const void *a, const void *b)
{
	return by_id((*(struct access_key *const *)a)->id, b);
}

/* Among the first n; NULL: not there. */
static struct access_key **find(const struct access *a, size_t n, const char *id)
{
	return n ? bsearch(id, a->keys, n, sizeof(struct access_key *), by_id) : NULL;
}

static struct access_key *known(struct access *a, const char *id)
{
	pthread_mutex_lock(&a->lock);
	struct access_key **at = find(a, a->keys_n, id), *k = at ? *at : NULL;
	pthread_mutex_unlock(&a->lock);
	return k;
}

bool access_key_is_good(const struct access_key *k)
{
	return !atomic_load(&k->revoked) && (k->expires_ms == 0 || k->expires_ms > clock_wall_ms());
}

bool access_is_needed(const struct access *a)
{
	return a && atomic_load(&a->any);
}

const _Atomic bool *access_needed_flag(const struct access *a)
{
	return a ? &a->any : NULL;
}

/* ---- reading the store ---------------------------------------------------------------------- */

static struct access_key *key_of_row(const struct key_row *r)
{
	struct access_key *k = mem_new(struct access_key);

	snprintf(k->id, sizeof(k->id), "%s", r->id);
	memcpy(k->hash, r->hash, sizeof(k->hash));
	k->tenant = r->tenant;
	k->scopes = r->scopes;
	k->expires_ms = r->expires_ms;
	atomic_store(&k->used_ms, r->used_ms);
	return k;
}

static void add_key(struct access *a, struct access_key *k)
{
	a->keys = mem_realloc(a->keys, a->keys_n + 1, sizeof(struct access_key *));
	a->keys[a->keys_n++] = k;
}

static void put_tenant(struct access *a, const struct key_row *r)
{
	size_t i = 0;

	while (i < a->tenants_n && a->tenants[i].no != r->tenant)
		i++;
	if (i == a->tenants_n) {
		a->tenants = mem_realloc(a->tenants, i + 1, sizeof(*a->tenants));
		a->tenants[a->tenants_n++] = (struct tenant){ .no = r->tenant };
	}
	a->tenants[i].limits = r->limits;
}

/* Under the lock. true: what somebody opened must close. */
static bool take_rows(struct access *a, const struct key_row *rows, size_t n)
{
	size_t before = a->keys_n;
	autofree bool *there = mem_array(before + 1, sizeof(*there));
	bool news = false;

	for (size_t i = 0; i < n; i++) {
		struct access_key **at = find(a, before, rows[i].id), *k = at ? *at : NULL;
		if (at)
			there[at - a->keys] = true;
		else
			add_key(a, k = key_of_row(&rows[i]));
		if (rows[i].revoked_ms)
			news |= !atomic_exchange(&k->revoked, true);
		put_tenant(a, &rows[i]);
	}
	for (size_t i = 0; i < before; i++)
		if (!there[i])
			news |= !atomic_exchange(&a->keys[i]->revoked, true);
	if (a->keys_n > 1)
		qsort(a->keys, a->keys_n, sizeof(struct access_key *), in_order);
	bool any = a->root.id[0] || a->keys_n > 0;
	return atomic_exchange(&a->any, any) != any || news;
}

static enum err_code read_anew(struct access *a, struct err *e)
{
	CLEANUP(arena_freep) struct arena *arena = arena_new();
	struct key_row *rows;
	size_t n;

	if (store_keys(a->o.store, arena, &rows, &n, e) != OK)
		return e->code;
	pthread_mutex_lock(&a->lock);
	bool news = take_rows(a, rows, n);
	pthread_mutex_unlock(&a->lock);
	if (news && a->o.on_revoked)
		a->o.on_revoked(a->o.ctx);
	return OK;
}

/* The version is asked first: what changes in between is seen the next time. */
static enum err_code look(struct access *a, struct err *e)
{
	int64_t version;

	pthread_mutex_lock(&a->reading);
	enum err_code code = store_access_version(a->o.store, &version, e);
	if (code == OK && version != a->version) {
		code = read_anew(a, e);
		if (code == OK)
			a->version = version;
	}
	pthread_mutex_unlock(&a->reading);
	return code;
}

/* ---- the last use of keys ------------------------------------------------------------------- */

static void write_used(struct access *a)
{
	CLEANUP(arena_freep) struct arena *arena = arena_new();
	int64_t since = a->written_ms;
	size_t n = 0;
	struct err ignored;

	pthread_mutex_lock(&a->lock);
	const char **ids = arena_alloc(arena, (a->keys_n + 1) * sizeof(*ids));
	int64_t *used = arena_alloc(arena, (a->keys_n + 1) * sizeof(*used));
	for (size_t i = 0; i < a->keys_n; i++) {
		used[n] = atomic_load(&a->keys[i]->used_ms);
		ids[n] = a->keys[i]->id;
		n += used[n] > since;
	}
	pthread_mutex_unlock(&a->lock);
	a->written_ms = clock_wall_ms();
	if (n > 0)
		(void)!store_key_used(a->o.store, ids, used, n, &ignored);
}

static void *keep_looking(void *arg)
{
	struct access *a = arg;
	int64_t due = clock_mono_ms() + USED_MS;
	struct err ignored;

	pthread_setname_np(pthread_self(), "access");
	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		struct timespec until = clock_deadline(a->o.poll_ms);
		pthread_cond_clockwait(&a->wake, &a->lock, CLOCK_MONOTONIC, &until);
		if (a->stop)
			break;
		pthread_mutex_unlock(&a->lock);
		(void)!look(a, &ignored);
		if (clock_mono_ms() >= due) {
			write_used(a);
			due = clock_mono_ms() + USED_MS;
		}
		pthread_mutex_lock(&a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	write_used(a);
	return NULL;
}

/* ---- who asks ------------------------------------------------------------------------------- */

static const struct access_key *used(struct access_key *k)
{
	if (!access_key_is_good(k))
		return NULL;
	atomic_store(&k->used_ms, clock_wall_ms());
	return k;
}

/* The same work whether there is such an id or not: what is compared with is then nobody's. */
static const struct access_key *find_key(struct access *a, const struct key *given)
{
	static const uint8_t nobody[SHA256_LEN];
	struct access_key *k = known(a, given->id);
	struct err ignored;

	if (!k && look(a, &ignored) == OK)
		k = known(a, given->id);
	bool same = bytes_equal_secret(given->hash, k ? k->hash : nobody, SHA256_LEN);
	return k && same ? used(k) : NULL;
}

const struct access_key *access_find(struct access *a, const char *text)
{
	uint8_t hash[SHA256_LEN];
	struct key given;

	if (!a)
		return NULL;
	sha256_of(text, strlen(text), hash);
	if (a->root.id[0] && bytes_equal_secret(hash, a->root.hash, sizeof(hash)))
		return used(&a->root);
	if (!key_parse(text, &given))
		return NULL;
	const struct access_key *k = find_key(a, &given);
	mem_wipe(&given, sizeof(given));
	return k;
}

const struct access_key *access_find_id(struct access *a, const char *id)
{
	if (!a)
		return NULL;
	if (a->root.id[0] && strcmp(a->root.id, id) == 0)
		return &a->root;
	struct access_key *k = known(a, id);
	return k && access_key_is_good(k) ? k : NULL;
}

void access_limits(struct access *a, int64_t tenant, struct limits *ret)
{
	limits_none(ret);
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < a->tenants_n; i++)
		if (a->tenants[i].no == tenant)
			*ret = a->tenants[i].limits;
	pthread_mutex_unlock(&a->lock);
}

/* ---- what a tenant is held to --------------------------------------------------------------- */

enum limit access_take(struct access *a, int64_t tenant, int64_t urls, struct rate ret[RATES])
{
	enum limit over = LIMIT_COUNT;

	memset(ret, 0, RATES * sizeof(*ret));
	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < a->tenants_n; i++)
		if (a->tenants[i].no == tenant)
			over = rates_take(a->tenants[i].buckets, &a->tenants[i].limits, urls, ret);
	pthread_mutex_unlock(&a->lock);
	return over;
}

/* ---- life ----------------------------------------------------------------------------------- */

/* Tokens name the key that made them: another root key has another name, and ends them. The name
 * tells nothing of the key to who does not have the link key. */
static enum err_code take_root(struct access *a, struct err *e)
{
	const char *text = a->o.root_key;
	uint8_t mac[SHA256_LEN];
	char hex[HEX_MAX(4)];

	if (!text)
		return OK;
	if (strlen(text) < ROOT_LEAST)
		return err_set(e, ERR_USAGE,
			"--root-key-file: it holds %zu characters, and %d are the least that is safe",
			strlen(text), ROOT_LEAST);
	hmac_sha256(a->o.link_key, 32, text, strlen(text), mac);
	hex_format(mac, 4, hex);
	snprintf(a->root.id, sizeof(a->root.id), "root%s", hex);
	sha256_of(text, strlen(text), a->root.hash);
	a->root.tenant = TENANT_DEFAULT;
	a->root.scopes = ROOT_SCOPES;
	a->o.root_key = NULL;
	return OK;
}

enum err_code access_new(const struct access_opts *o, struct access **ret, struct err *e)
{
	struct access *a = mem_new(struct access);

	a->o = *o;
	a->version = -1;
	a->written_ms = clock_wall_ms();
	if (a->o.poll_ms <= 0)
		a->o.poll_ms = POLL_MS;
	pthread_mutex_init(&a->lock, NULL);
	pthread_mutex_init(&a->reading, NULL);
	pthread_cond_init(&a->wake, NULL);
	enum err_code code = take_root(a, e);
	if (code == OK)
		code = look(a, e);
	if (code == OK) {
		int rc = pthread_create(&a->thread, NULL, keep_looking, a);
		a->has_thread = rc == 0;
		code = rc == 0 ? OK : err_sys(e, ERR_SYSTEM, rc, "start the keys' thread");
	}
	if (code != OK) {
		access_free(a);
		return code;
	}
	*ret = a;
	return OK;
}

void access_stop(struct access *a)
{
	if (!a || !a->has_thread)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	a->has_thread = false;
}

void access_free(struct access *a)
{
	if (!a)
		return;
	access_stop(a);
	for (size_t i = 0; i < a->keys_n; i++)
		free(a->keys[i]);
	free(a->keys);
	free(a->tenants);
	pthread_cond_destroy(&a->wake);
	pthread_mutex_destroy(&a->reading);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
