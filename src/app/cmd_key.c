/* SPDX-License-Identifier: MIT
 *
 * bulb key: who may call. Reaches the embedded store beside a running server, in short transactions,
 * and the server hears of it within a second. What is secret is printed once and kept nowhere: of a
 * key the store has a hash, and a webhook secret is sealed.
 */
#include "app/cmd.h"
#include "app/say.h"
#include "app/secrets.h"
#include "app/table.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/access.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WEBHOOK_BYTES 32
#define WEBHOOK_MAX   (sizeof("whsec_") + BASE64_MAX(WEBHOOK_BYTES))
#define NAME_MAX_LEN  64

struct key_call {
	const struct conf *conf;
	const char *what; /* the second argument, or NULL */
	struct store *store;
	struct err *e;
};

/* ---- what was asked for --------------------------------------------------------------------- */

static enum err_code read_limits(const struct conf *c, struct limits *ret, struct err *e)
{
	enum err_code code = OK;

	for (size_t i = 0; code == OK && i < c->limits.n; i++)
		code = limits_parse(c->limits.v[i], ret, e);
	return code == OK ? OK : err_wrap(e, "--limits");
}

static enum err_code read_scopes(const struct conf *c, unsigned *ret, struct err *e)
{
	*ret = 0;
	for (size_t i = 0; i < c->scopes.n; i++) {
		unsigned bit = key_scope_parse(c->scopes.v[i]);
		if (!bit)
			return err_set(e, ERR_USAGE, "--scopes: '%s' is not read, write or admin",
				c->scopes.v[i]);
		*ret |= bit;
	}
	return *ret ? OK : err_set(e, ERR_USAGE, "--scopes: a key without any opens nothing");
}

/* Names stand in tables and log lines; one of digits only would be taken for a number. */
static enum err_code check_name(const char *name, struct err *e)
{
	static const char signs[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	size_t n = strlen(name);

	if (n == 0 || n > NAME_MAX_LEN || strspn(name, signs) != n)
		return err_set(e, ERR_USAGE, "'%.80s': a name is 1 to %d of A-Z a-z 0-9 _ . -",
			name, NAME_MAX_LEN);
	if (strspn(name, "0123456789") == n)
		return err_set(e, ERR_USAGE, "'%s': a name needs something that is no digit", name);
	return OK;
}

static enum err_code need(const struct key_call *k, const char *what)
{
	return k->what ? OK
		       : err_set(k->e, ERR_USAGE, "bulb key %s needs %s", k->conf->args.v[0], what);
}

static enum err_code find_tenant(const struct key_call *k, int64_t *ret)
{
	if (need(k, "a tenant") != OK || store_tenant_find(k->store, k->what, ret, k->e) != OK)
		return k->e->code;
	return *ret ? OK : err_set(k->e, ERR_USAGE, "there is no tenant '%s'", k->what);
}

/* ---- webhook secrets ------------------------------------------------------------------------ */

static enum err_code load_secrets(const struct conf *c, struct secrets *ret, struct err *e)
{
	if (c->secret)
		return secrets_from_text(c->secret, ret, e);
	if (store_url_is_shared(c->store))
		return err_set(e, ERR_USAGE,
			"--secret-file is needed: what the servers that share this database seal with");
	if (io_mkdirs(c->data, 0700, e) != OK)
		return e->code;
	return secrets_load(c->data, ret, e);
}

/* A new one as text, and sealed for the store. */
static enum err_code make_webhook(const struct conf *c, char text[WEBHOOK_MAX], char **ret_sealed,
	struct err *e)
{
	uint8_t bytes[WEBHOOK_BYTES];
	struct secrets s;

	if (load_secrets(c, &s, e) != OK)
		return e->code;
	random_bytes(bytes, sizeof(bytes));
	memcpy(text, "whsec_", sizeof("whsec_"));
	base64_format(bytes, sizeof(bytes), text + strlen("whsec_"));
	*ret_sealed = seal_text(s.seal_key, text, strlen(text));
	mem_wipe(bytes, sizeof(bytes));
	secrets_wipe(&s);
	return OK;
}

/* ---- add ------------------------------------------------------------------------------------ */

static void print_added(const struct conf *c, const struct key *key, int64_t tenant,
	const char *webhook)
{
	if (c->json) {
		autojson *o = json_obj();
		json_put_str(o, "id", key->id);
		json_put_int(o, "tenant", tenant);
		json_put_str(o, "key", key->text);
		json_put_str(o, "webhook_secret", webhook);
		autofree char *text = json_text(o);
		puts(text);
		mem_wipe(text, strlen(text));
		return;
	}
	printf("key             %s\n", key->text);
	if (webhook)
		printf("webhook secret  %s\n", webhook);
	fflush(stdout);
	fprintf(stderr, "bulb: tenant %lld. What is above is shown this once.\n",
		(long long)tenant);
}

static enum err_code key_add(struct key_call *k)
{
	const struct conf *c = k->conf;
	struct key key = { 0 };
	struct limits limits;
	struct key_new in = { .tenant = c->tenant };
	char webhook[WEBHOOK_MAX] = "";
	autofree char *sealed = NULL;
	int64_t tenant = 0;

	key_make(&key);
	in.id = key.id;
	in.name = k->what ? k->what : key.id;
	memcpy(in.hash, key.hash, sizeof(in.hash));
	limits_none(&limits);
	in.limits = c->limits.n ? &limits : NULL;
	if (c->expires_ms >= 0)
		in.expires_ms = clock_wall_ms() + c->expires_ms;
	if (check_name(in.name, k->e) != OK || read_scopes(c, &in.scopes, k->e) != OK)
		return k->e->code;
	if (c->tenant && store_tenant_find(k->store, c->tenant, &tenant, k->e) == OK && tenant &&
		in.limits && store_tenant_limits(k->store, tenant, &limits, k->e) != OK)
		return k->e->code;
	if (read_limits(c, &limits, k->e) != OK)
		return k->e->code;
	if (!c->tenant && make_webhook(c, webhook, &sealed, k->e) != OK)
		return k->e->code;
	in.webhook = sealed;
	if (store_key_add(k->store, &in, &tenant, k->e) != OK)
		return k->e->code;
	print_added(c, &key, tenant, webhook[0] ? webhook : NULL);
	mem_wipe(&key, sizeof(key));
	mem_wipe(webhook, sizeof(webhook));
	return OK;
}

/* ---- list ----------------------------------------------------------------------------------- */

static const char *state_of(const struct key_row *r)
{
	if (r->revoked_ms)
		return "revoked";
	return r->expires_ms && r->expires_ms <= clock_wall_ms() ? "expired" : "active";
}

static void put_time(json_t *o, const char *name, int64_t ms)
{
	char text[CLOCK_RFC3339_MAX];

	if (ms)
		clock_format_rfc3339(ms, text);
	json_put_str(o, name, ms ? text : NULL);
}

static void print_json(const struct key_row *rows, size_t n)
{
	autojson *doc = json_obj();
	json_t *list = json_arr();

	for (size_t i = 0; i < n; i++) {
		const struct key_row *r = &rows[i];
		autofree char *scopes = key_scopes_text(r->scopes);
		json_t *o = json_obj();
		json_put_str(o, "id", r->id);
		json_put_str(o, "name", r->name);
		json_put_int(o, "tenant", r->tenant);
		json_put_str(o, "tenant_name", r->tenant_name);
		json_put_str(o, "scopes", scopes);
		json_put_str(o, "state", state_of(r));
		json_put(o, "limits", limits_json(&r->limits));
		put_time(o, "created_at", r->created_ms);
		put_time(o, "expires_at", r->expires_ms);
		put_time(o, "revoked_at", r->revoked_ms);
		put_time(o, "used_at", r->used_ms);
		json_push(list, o);
	}
	json_put(doc, "keys", list);
	autofree char *text = json_text(doc);
	puts(text);
}

static void time_cell(struct table *t, int64_t ms)
{
	char text[CLOCK_RFC3339_MAX] = "-";

	if (ms)
		clock_format_rfc3339(ms, text);
	table_cell(t, "%.16s%s", text, ms ? "Z" : "");
}

static void print_table(const struct key_row *rows, size_t n)
{
	static const char *const heads[] = { "ID", "NAME", "TENANT", "SCOPES", "STATE", "CREATED",
		"EXPIRES", "LAST USED", "LIMITS" };
	CLEANUP(table_freep) struct table *t = table_with_heads(heads, ARRAY_LEN(heads));
	for (size_t i = 0; i < n; i++) {
		autofree char *scopes = key_scopes_text(rows[i].scopes);
		autofree char *limits = limits_text(&rows[i].limits);
		table_cell(t, "%s", rows[i].id);
		table_cell(t, "%s", rows[i].name);
		table_cell(t, "%lld %s", (long long)rows[i].tenant, rows[i].tenant_name);
		table_cell(t, "%s", scopes);
		table_cell(t, "%s", state_of(&rows[i]));
		time_cell(t, rows[i].created_ms);
		time_cell(t, rows[i].expires_ms);
		time_cell(t, rows[i].used_ms);
		table_cell(t, "%s", limits[0] ? limits : "-");
	}
	table_print(t, stdout);
}

static enum err_code key_list(struct key_call *k)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct key_row *rows;
	size_t n;

	if (store_keys(k->store, a, &rows, &n, k->e) != OK)
		return k->e->code;
	if (k->conf->json)
		print_json(rows, n);
	else
		print_table(rows, n);
	return OK;
}

/* ---- the others ----------------------------------------------------------------------------- */

static enum err_code key_revoke(struct key_call *k)
{
	if (need(k, "the id of a key; bulb key list shows them") != OK ||
		store_key_revoke(k->store, k->what, k->e) != OK)
		return k->e->code;
	printf("revoked %s\n", k->what);
	return OK;
}

static enum err_code key_limits(struct key_call *k)
{
	struct limits limits;
	int64_t tenant = 0;

	if (find_tenant(k, &tenant) != OK ||
		store_tenant_limits(k->store, tenant, &limits, k->e) != OK ||
		read_limits(k->conf, &limits, k->e) != OK)
		return k->e->code;
	if (k->conf->limits.n && store_tenant_limit(k->store, tenant, &limits, k->e) != OK)
		return k->e->code;
	autofree char *text = limits_text(&limits);
	printf("%s\n", text[0] ? text : "none");
	return OK;
}

static enum err_code key_rotate(struct key_call *k)
{
	char webhook[WEBHOOK_MAX] = "";
	autofree char *sealed = NULL;
	int64_t tenant = 0;

	if (find_tenant(k, &tenant) != OK)
		return k->e->code;
	if (!k->conf->drop_old && make_webhook(k->conf, webhook, &sealed, k->e) != OK)
		return k->e->code;
	if (store_webhook_rotate(k->store, tenant, sealed, k->e) != OK)
		return k->e->code;
	if (webhook[0])
		printf("webhook secret  %s\n", webhook);
	else
		puts("the old secret signs no more");
	mem_wipe(webhook, sizeof(webhook));
	return OK;
}

/* ---- the command ---------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum err_code (*run)(struct key_call *k);
} actions[] = {
	{ "add", key_add },
	{ "list", key_list },
	{ "revoke", key_revoke },
	{ "limits", key_limits },
	{ "rotate-webhook", key_rotate },
};

static enum err_code run(const struct conf *c, struct err *e)
{
	CLEANUP(store_freep) struct store *store = NULL;
	struct store_opts o = { .short_visitor = true,
		.keep_results_ms = -1,
		.max_cost_month = -1 };
	size_t i = 0;

	while (i < ARRAY_LEN(actions) && strcmp(actions[i].name, c->args.v[0]) != 0)
		i++;
	if (i == ARRAY_LEN(actions))
		return err_set(e, ERR_USAGE,
			"bulb key: '%s' is not add, list, revoke, limits or rotate-webhook",
			c->args.v[0]);
	if (store_open(c->store, &o, &store, e) != OK)
		return e->code;
	struct key_call k = { c, c->args.n > 1 ? c->args.v[1] : NULL, store, e };
	return actions[i].run(&k);
}

int cmd_key(const struct conf *c)
{
	struct err e = { 0 };

	/* A name mistyped would make a new folder, and find nothing in it. */
	if (c->source[CONF_data] != CONF_DEFAULT && access(c->data, F_OK) != 0 &&
		strcmp(c->args.v[0], "add") != 0)
		err_set(&e, ERR_USAGE, "--data '%s': there is no such folder", c->data);
	return e.code == OK && run(c, &e) == OK ? 0 : say_error(&e);
}
