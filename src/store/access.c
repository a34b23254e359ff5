/* SPDX-License-Identifier: MIT
 *
 * Tenants and keys. They change seldom and are asked for at every request, so servers keep all of
 * them and look at one number, meta.access, which every change here raises in its own transaction.
 * Rows stay when a key is revoked: a server that has any key is not one that needs none.
 */
#include "store/access.h"

#include "store/tx.h"

#include <stdlib.h>
#include <string.h>

static enum err_code changed(struct tx *t, struct err *e)
{
	return sql_run(t->db, "UPDATE meta SET access = access + 1", SQL_NONE, NULL, e);
}

/* ---- tenants -------------------------------------------------------------------------------- */

struct op_tenant {
	const char *name;
	int64_t no;
	const struct limits *in;
	struct limits limits;
	struct arena *arena;
	const char *sealed, *secrets[2];
};

/* 0 when it is no number: numbers begin at 1. */
static int64_t as_number(const char *name)
{
	char *end;
	long long v = strtoll(name, &end, 10);

	return *name >= '1' && *name <= '9' && *end == '\0' ? v : 0;
}

static enum err_code find_tenant(struct tx *t, const char *name, int64_t *ret, struct err *e)
{
	*ret = 0;
	enum err_code code = sql_get(t->db, "SELECT no FROM tenant WHERE name = $1",
		SQL(sql_t(name)), ret, e);

	if (code == OK && !*ret && as_number(name))
		code = sql_get(t->db, "SELECT no FROM tenant WHERE no = $1",
			SQL(sql_i(as_number(name))), ret, e);
	return code;
}

static enum err_code op_tenant_find(struct tx *t, void *arg, struct err *e)
{
	struct op_tenant *op = arg;

	return find_tenant(t, op->name, &op->no, e);
}

enum err_code store_tenant_find(struct store *s, const char *name, int64_t *ret, struct err *e)
{
	struct op_tenant op = { .name = name };
	enum err_code code = s->impl->read(s, op_tenant_find, &op, e);

	if (code == OK)
		*ret = op.no;
	return code;
}

static enum err_code put_limits(struct tx *t, int64_t tenant, const struct limits *l, struct err *e)
{
	autofree char *text = limits_text(l);

	return sql_run(t->db, "UPDATE tenant SET limits = $1 WHERE no = $2",
		SQL(sql_t(text), sql_i(tenant)), NULL, e);
}

static enum err_code op_tenant_limit(struct tx *t, void *arg, struct err *e)
{
	struct op_tenant *op = arg;
	enum err_code code = put_limits(t, op->no, op->in, e);

	return code == OK ? changed(t, e) : code;
}

enum err_code store_tenant_limit(struct store *s, int64_t tenant, const struct limits *l,
	struct err *e)
{
	struct op_tenant op = { .no = tenant, .in = l };

	return s->impl->write(s, op_tenant_limit, &op, e);
}

/* What cannot be read was written by a newer bulb: better held to what is known than to nothing. */
static void read_limits(const char *text, struct limits *ret)
{
	struct err ignored;

	limits_none(ret);
	while (text && *text) {
		size_t n = strcspn(text, ",");
		autofree char *one = mem_strndup(text, n);
		(void)!limits_parse(one, ret, &ignored);
		text += n + (text[n] == ',');
	}
}

enum err_code tenant_limits(struct tx *t, int64_t tenant, struct limits *ret, struct err *e)
{
	struct sql_rows r = sql_query(t->db, "SELECT limits FROM tenant WHERE no = $1",
		SQL(sql_i(tenant)), e);

	limits_none(ret);
	if (sql_next(&r))
		read_limits(sql_text(&r, 0), ret);
	return sql_end(&r);
}

static enum err_code op_tenant_limits(struct tx *t, void *arg, struct err *e)
{
	struct op_tenant *op = arg;

	return tenant_limits(t, op->no, &op->limits, e);
}

enum err_code store_tenant_limits(struct store *s, int64_t tenant, struct limits *ret,
	struct err *e)
{
	struct op_tenant op = { .no = tenant };
	enum err_code code = s->impl->read(s, op_tenant_limits, &op, e);

	if (code == OK)
		*ret = op.limits;
	return code;
}

/* ---- webhook secrets ------------------------------------------------------------------------ */

static enum err_code op_secrets(struct tx *t, void *arg, struct err *e)
{
	struct op_tenant *op = arg;
	struct sql_rows r = sql_query(t->db,
		"SELECT webhook, webhook_old FROM tenant WHERE no = $1", SQL(sql_i(op->no)), e);

	op->secrets[0] = op->secrets[1] = NULL;
	if (sql_next(&r))
		for (int i = 0; i < 2; i++)
			op->secrets[i] = arena_strdup(op->arena, sql_text(&r, i));
	return sql_end(&r);
}

enum err_code store_webhook_secrets(struct store *s, int64_t tenant, struct arena *a,
	const char *ret_sealed[2], struct err *e)
{
	struct op_tenant op = { .no = tenant, .arena = a };
	enum err_code code = s->impl->read(s, op_secrets, &op, e);

	if (code == OK)
		memcpy(ret_sealed, op.secrets, sizeof op.secrets);
	return code;
}

static enum err_code op_rotate(struct tx *t, void *arg, struct err *e)
{
	struct op_tenant *op = arg;
	enum err_code code = op->sealed
		? sql_run(t->db,
			  "UPDATE tenant SET webhook_old = webhook, webhook = $1 WHERE no = $2",
			  SQL(sql_t(op->sealed), sql_i(op->no)), NULL, e)
		: sql_run(t->db, "UPDATE tenant SET webhook_old = NULL WHERE no = $1",
			  SQL(sql_i(op->no)), NULL, e);

	return code == OK ? changed(t, e) : code;
}

enum err_code store_webhook_rotate(struct store *s, int64_t tenant, const char *sealed,
	struct err *e)
{
	struct op_tenant op = { .no = tenant, .sealed = sealed };

	return s->impl->write(s, op_rotate, &op, e);
}

/* ---- keys ----------------------------------------------------------------------------------- */

struct op_key_add {
	const struct key_new *in;
	int64_t tenant;
};

static enum err_code make_tenant(struct tx *t, const struct key_new *in, int64_t *ret,
	struct err *e)
{
	*ret = 0;
	enum err_code code = sql_get(t->db,
		"INSERT INTO tenant (name, limits, webhook, created_ms) VALUES ($1, '', $2, $3)"
		" ON CONFLICT (name) DO NOTHING RETURNING no",
		SQL(sql_t(in->name), sql_t(in->webhook), sql_i(t->now_ms)), ret, e);

	if (code == OK && !*ret)
		return err_set(e, ERR_USAGE,
			"there is a tenant '%s' already; --tenant %s adds a key to it", in->name,
			in->name);
	return code;
}

static enum err_code tenant_of(struct tx *t, const struct key_new *in, int64_t *ret, struct err *e)
{
	if (!in->tenant)
		return make_tenant(t, in, ret, e);
	enum err_code code = find_tenant(t, in->tenant, ret, e);
	if (code == OK && !*ret)
		return err_set(e, ERR_NOT_FOUND, "there is no tenant '%s'", in->tenant);
	return code;
}

static enum err_code op_key_add(struct tx *t, void *arg, struct err *e)
{
	struct op_key_add *op = arg;
	const struct key_new *in = op->in;
	int64_t added = 0;
	enum err_code code = tenant_of(t, in, &op->tenant, e);

	if (code == OK && in->limits)
		code = put_limits(t, op->tenant, in->limits, e);
	if (code == OK)
		code = sql_run(t->db,
			"INSERT INTO api_key (id, tenant, hash, name, scopes, created_ms, expires_ms)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
			SQL(sql_t(in->id), sql_i(op->tenant), sql_b(in->hash, SHA256_LEN),
				sql_t(in->name), sql_i(in->scopes), sql_i(t->now_ms),
				sql_i_or_null(in->expires_ms, in->expires_ms > 0)),
			&added, e);
	if (code == OK && !added)
		return err_set(e, ERR_USAGE, "there is a key '%s' already", in->id);
	return code == OK ? changed(t, e) : code;
}

enum err_code store_key_add(struct store *s, const struct key_new *in, int64_t *ret_tenant,
	struct err *e)
{
	struct op_key_add op = { .in = in };
	enum err_code code = s->impl->write(s, op_key_add, &op, e);

	if (code == OK)
		*ret_tenant = op.tenant;
	return code;
}

struct op_keys {
	struct arena *arena;
	struct key_row *rows; /* heap */
	size_t n;
	int64_t version;
};

static struct key_row key_from_row(struct sql_rows *r, struct arena *a)
{
	struct key_row k = {
		.id = arena_strdup(a, sql_text(r, 0)),
		.name = arena_strdup(a, sql_text(r, 1)),
		.tenant = sql_int(r, 2),
		.tenant_name = arena_strdup(a, sql_text(r, 3)),
		.scopes = (unsigned)sql_int(r, 6),
		.created_ms = sql_int(r, 7),
		.expires_ms = sql_int(r, 8),
		.revoked_ms = sql_int(r, 9),
		.used_ms = sql_int(r, 10),
	};

	read_limits(sql_text(r, 4), &k.limits);
	sql_bytes(r, 5, k.hash, sizeof k.hash);
	return k;
}

static enum err_code op_keys(struct tx *t, void *arg, struct err *e)
{
	struct op_keys *op = arg;
	size_t room = op->n = 0;
	struct sql_rows r = sql_query(t->db,
		"SELECT k.id, k.name, k.tenant, n.name, n.limits, k.hash, k.scopes, k.created_ms,"
		" k.expires_ms, k.revoked_ms, k.used_ms FROM api_key k JOIN tenant n ON n.no = k.tenant"
		" ORDER BY k.created_ms, k.id",
		SQL_NONE, e);

	while (sql_next(&r)) {
		if (op->n == room) {
			room = room ? room * 2 : 16;
			op->rows = mem_realloc(op->rows, room, sizeof *op->rows);
		}
		op->rows[op->n++] = key_from_row(&r, op->arena);
	}
	return sql_end(&r);
}

enum err_code store_keys(struct store *s, struct arena *a, struct key_row **ret, size_t *ret_n,
	struct err *e)
{
	struct op_keys op = { .arena = a };
	enum err_code code = s->impl->read(s, op_keys, &op, e);

	if (code == OK) {
		*ret = arena_alloc(a, (op.n + 1) * sizeof **ret);
		if (op.n > 0)
			memcpy(*ret, op.rows, op.n * sizeof **ret);
		*ret_n = op.n;
	}
	free(op.rows);
	return code;
}

static enum err_code op_version(struct tx *t, void *arg, struct err *e)
{
	struct op_keys *op = arg;

	return sql_get(t->db, "SELECT access FROM meta", SQL_NONE, &op->version, e);
}

enum err_code store_access_version(struct store *s, int64_t *ret, struct err *e)
{
	struct op_keys op = { 0 };
	enum err_code code = s->impl->read(s, op_version, &op, e);

	if (code == OK)
		*ret = op.version;
	return code;
}

struct op_key {
	const char *id;
	const char *const *ids;
	const int64_t *used_ms;
	size_t n;
};

static enum err_code op_revoke(struct tx *t, void *arg, struct err *e)
{
	struct op_key *op = arg;
	int64_t there = 0;
	enum err_code code = sql_run(t->db,
		"UPDATE api_key SET revoked_ms = coalesce(revoked_ms, $1) WHERE id = $2",
		SQL(sql_i(t->now_ms), sql_t(op->id)), &there, e);

	if (code == OK && !there)
		return err_set(e, ERR_NOT_FOUND, "there is no key '%s'", op->id);
	return code == OK ? changed(t, e) : code;
}

enum err_code store_key_revoke(struct store *s, const char *id, struct err *e)
{
	struct op_key op = { .id = id };

	return s->impl->write(s, op_revoke, &op, e);
}

static enum err_code op_used(struct tx *t, void *arg, struct err *e)
{
	struct op_key *op = arg;
	enum err_code code = OK;

	for (size_t i = 0; code == OK && i < op->n; i++)
		code = sql_run(t->db,
			"UPDATE api_key SET used_ms = $1 WHERE id = $2 AND coalesce(used_ms, 0) < $1",
			SQL(sql_i(op->used_ms[i]), sql_t(op->ids[i])), NULL, e);
	return code;
}

enum err_code store_key_used(struct store *s, const char *const *ids, const int64_t *used_ms,
	size_t n, struct err *e)
{
	struct op_key op = { .ids = ids, .used_ms = used_ms, .n = n };

	return s->impl->write(s, op_used, &op, e);
}
