/* SPDX-License-Identifier: MIT
 *
 * Tenants and their keys: what is added is listed, what is revoked stays listed, and every change is
 * seen by whoever looks at the version.
 */
#include "tests/contract/store_fixture.h"

#include "store/access.h"

static struct key_new a_key(const char *id, const char *name, const char *tenant)
{
	struct key_new k = { .id = id, .name = name, .tenant = tenant, .scopes = KEY_READ };

	memset(k.hash, id[0], sizeof k.hash);
	return k;
}

static int64_t add(struct fixture *f, const struct key_new *k)
{
	struct err e;
	int64_t tenant = 0;

	assert_ok(store_key_add(f->s, k, &tenant, &e));
	return tenant;
}

static int64_t version(struct fixture *f)
{
	struct err e;
	int64_t v = -1;

	assert_ok(store_access_version(f->s, &v, &e));
	return v;
}

static void a_new_key_is_a_tenant_and_a_second_one_joins_it(void **state)
{
	struct fixture *f = *state;
	struct err e;
	struct key_new first = a_key("aa", "shop", NULL), second = a_key("bb", "shop-2", "shop"),
		       third = a_key("cc", "news", NULL);
	struct key_row *rows;
	size_t n;

	first.expires_ms = clock_now() + 1000;
	first.scopes = KEY_READ | KEY_WRITE;
	int64_t shop = add(f, &first);
	assert_true(shop > TENANT_DEFAULT);
	assert_int_equal(add(f, &second), shop);
	clock_add(1);
	assert_true(add(f, &third) > shop);
	assert_ok(store_keys(f->s, f->a, &rows, &n, &e));
	assert_int_equal(n, 3);
	assert_string_equal(rows[0].id, "aa");
	assert_string_equal(rows[0].name, "shop");
	assert_string_equal(rows[0].tenant_name, "shop");
	assert_int_equal(rows[0].tenant, shop);
	assert_int_equal(rows[0].scopes, KEY_READ | KEY_WRITE);
	assert_int_equal(rows[0].expires_ms, first.expires_ms);
	assert_int_equal(rows[0].revoked_ms, 0);
	assert_int_equal(rows[0].used_ms, 0);
	assert_memory_equal(rows[0].hash, first.hash, sizeof first.hash);
	assert_string_equal(rows[1].tenant_name, "shop");
	assert_int_equal(rows[1].expires_ms, 0);
	assert_string_equal(rows[2].tenant_name, "news");
}

static void names_and_ids_are_taken_once(void **state)
{
	struct fixture *f = *state;
	struct err e;
	struct key_new k = a_key("aa", "shop", NULL), same = a_key("bb", "shop", NULL),
		       id = a_key("aa", "news", NULL), nobody = a_key("dd", "x", "none");
	int64_t tenant, before;

	add(f, &k);
	before = version(f);
	assert_int_equal(store_key_add(f->s, &same, &tenant, &e), ERR_USAGE);
	assert_int_equal(store_key_add(f->s, &id, &tenant, &e), ERR_USAGE);
	assert_int_equal(store_key_add(f->s, &nobody, &tenant, &e), ERR_NOT_FOUND);
	assert_int_equal(version(f), before);
	assert_ok(store_tenant_find(f->s, "news", &tenant, &e)); /* nothing of it stayed */
	assert_int_equal(tenant, 0);
}

static void a_tenant_is_found_by_name_and_number(void **state)
{
	struct fixture *f = *state;
	struct err e;
	struct key_new k = a_key("aa", "shop", NULL);
	int64_t shop = add(f, &k), found = 0;
	char number[24];

	assert_ok(store_tenant_find(f->s, "default", &found, &e));
	assert_int_equal(found, TENANT_DEFAULT);
	snprintf(number, sizeof number, "%lld", (long long)shop);
	assert_ok(store_tenant_find(f->s, number, &found, &e));
	assert_int_equal(found, shop);
	assert_ok(store_tenant_find(f->s, "99999", &found, &e));
	assert_int_equal(found, 0);
}

static void a_revoked_key_stays_and_the_time_is_the_first(void **state)
{
	struct fixture *f = *state;
	struct err e;
	struct key_new k = a_key("aa", "shop", NULL);
	struct key_row *rows;
	size_t n;

	add(f, &k);
	int64_t before = version(f), at = clock_now();
	assert_ok(store_key_revoke(f->s, "aa", &e));
	assert_true(version(f) > before);
	clock_add(1000);
	assert_ok(store_key_revoke(f->s, "aa", &e));
	assert_int_equal(store_key_revoke(f->s, "zz", &e), ERR_NOT_FOUND);
	assert_ok(store_keys(f->s, f->a, &rows, &n, &e));
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].revoked_ms, at);
}

static void the_last_use_moves_forward_only_and_is_no_change(void **state)
{
	struct fixture *f = *state;
	struct err e;
	struct key_new k = a_key("aa", "shop", NULL);
	const char *id = "aa";
	struct key_row *rows;
	int64_t late = 2000, early = 1000;
	size_t n;

	add(f, &k);
	int64_t before = version(f);
	assert_ok(store_key_used(f->s, &id, &late, 1, &e));
	assert_ok(store_key_used(f->s, &id, &early, 1, &e));
	assert_ok(store_keys(f->s, f->a, &rows, &n, &e));
	assert_int_equal(rows[0].used_ms, late);
	assert_int_equal(version(f), before);
}

static void limits_belong_to_the_tenant(void **state)
{
	struct fixture *f = *state;
	struct err e;
	struct key_new first = a_key("aa", "shop", NULL), second = a_key("bb", "more", "shop");
	struct limits l, got;
	struct key_row *rows;
	size_t n;

	limits_none(&l);
	l.most[LIMIT_URLS_DAY] = 50;
	first.limits = &l;
	int64_t shop = add(f, &first);
	add(f, &second); /* says nothing of limits */
	assert_ok(store_keys(f->s, f->a, &rows, &n, &e));
	assert_int_equal(rows[1].limits.most[LIMIT_URLS_DAY], 50);
	int64_t before = version(f);
	l.most[LIMIT_URLS_DAY] = -1;
	l.most[LIMIT_STORED] = 7;
	assert_ok(store_tenant_limit(f->s, shop, &l, &e));
	assert_true(version(f) > before);
	assert_ok(store_tenant_limits(f->s, shop, &got, &e));
	assert_memory_equal(&got, &l, sizeof l);
	limits_none(&l);
	assert_ok(store_tenant_limits(f->s, TENANT_DEFAULT, &got, &e));
	assert_memory_equal(&got, &l, sizeof l);
}

static void webhook_secrets_rotate(void **state)
{
	struct fixture *f = *state;
	struct err e;
	struct key_new k = a_key("aa", "shop", NULL);
	const char *sealed[2];

	k.webhook = "one";
	int64_t shop = add(f, &k);
	assert_ok(store_webhook_secrets(f->s, shop, f->a, sealed, &e));
	assert_string_equal(sealed[0], "one");
	assert_null(sealed[1]);
	assert_ok(store_webhook_rotate(f->s, shop, "two", &e));
	assert_ok(store_webhook_secrets(f->s, shop, f->a, sealed, &e));
	assert_string_equal(sealed[0], "two");
	assert_string_equal(sealed[1], "one");
	assert_ok(store_webhook_rotate(f->s, shop, NULL, &e));
	assert_ok(store_webhook_secrets(f->s, shop, f->a, sealed, &e));
	assert_string_equal(sealed[0], "two");
	assert_null(sealed[1]);
	assert_ok(store_webhook_secrets(f->s, TENANT_DEFAULT, f->a, sealed, &e));
	assert_null(sealed[0]);
	assert_null(sealed[1]);
}

static void keys_outlive_the_process(void **state)
{
	struct fixture *f = *state;
	struct err e;
	struct key_new k = a_key("aa", "shop", NULL);
	struct key_row *rows;
	size_t n;

	if (strcmp(fixture_backend, "memory") == 0)
		return; /* it ends with the process */
	add(f, &k);
	fixture_reopen(f);
	assert_ok(store_keys(f->s, f->a, &rows, &n, &e));
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].tenant_name, "shop");
}

STORE_TEST_MAIN(TEST(a_new_key_is_a_tenant_and_a_second_one_joins_it),
	TEST(names_and_ids_are_taken_once), TEST(a_tenant_is_found_by_name_and_number),
	TEST(a_revoked_key_stays_and_the_time_is_the_first),
	TEST(the_last_use_moves_forward_only_and_is_no_change), TEST(limits_belong_to_the_tenant),
	TEST(webhook_secrets_rotate), TEST(keys_outlive_the_process))
