/* SPDX-License-Identifier: MIT
 *
 * What there is to copy is asked of the schema itself, so that a table or column that is added later is
 * copied without a word here. An empty store in memory answers: it speaks SQLite, whose tables say
 * more of themselves, and PostgreSQL's are made of the same text.
 *
 * Rows are read in the order of their keys, and both databases must mean the same order: texts go by
 * their bytes.
 */
#include "store/copy_impl.h"

#include "base/buf.h"

#include <string.h>

#define TEXT_MAX 16384

struct reading {
	struct copy *copy;
	struct arena *arena;
};

static enum sql_type type_of(const char *name)
{
	if (strcmp(name, "INTEGER") == 0)
		return SQL_TYPE_INT;
	return strcmp(name, "BLOB") == 0 ? SQL_TYPE_BLOB : SQL_TYPE_TEXT;
}

static struct copy_shape *shape_of(struct copy *c, const char *table, bool numbered)
{
	if (c->n > 0 && strcmp(c->shapes[c->n - 1].report.name, table) == 0)
		return &c->shapes[c->n - 1];
	c->shapes = mem_realloc(c->shapes, c->n + 1, sizeof *c->shapes);
	struct copy_shape *s = &c->shapes[c->n++];
	*s = (struct copy_shape){ .blob = -1, .data = -1 };
	s->report.name = arena_strdup(c->arena, table);
	s->identity = numbered ? "" : NULL;
	return s;
}

/* A manifest is written anew at the target: what it says of links is the target's. */
static bool is_fixed(const char *table, const char *column, int64_t *ret)
{
	*ret = strcmp(column, "due") == 0;
	return strcmp(table, "manifest") == 0 && (*ret || strcmp(column, "until_ms") == 0);
}

static enum err_code add_column(struct copy *c, struct sql_rows *r, struct err *e)
{
	struct copy_shape *s = shape_of(c, sql_text(r, 0), sql_int(r, 4) != 0);
	const char *name = arena_strdup(c->arena, sql_text(r, 1));

	if (s->n == COPY_COLUMNS)
		return err_set(e, ERR_INTERNAL, "table '%s' has more than %d columns",
			s->report.name, COPY_COLUMNS);
	struct copy_column *col = &s->columns[s->n];
	*col = (struct copy_column){ .name = name,
		.type = type_of(sql_text(r, 2)),
		.key = (int)sql_int(r, 3) };
	col->is_fixed = is_fixed(s->report.name, name, &col->fixed);
	s->keys_n += col->key > 0;
	if (col->key > 0 && s->identity)
		s->identity = name;
	if (strcmp(name, "blob") == 0 && strcmp(s->report.name, "manifest") != 0)
		s->blob = (int)s->n;
	if (strcmp(name, "data") == 0)
		s->data = (int)s->n;
	s->n++;
	return OK;
}

static enum err_code read_schema(struct tx *t, void *arg, struct err *e)
{
	struct copy *c = arg;
	struct sql_rows r = sql_query(t->db,
		"SELECT m.name, c.name, c.type, c.pk, m.sql LIKE '%AUTOINCREMENT%'"
		" FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
		" AND m.name NOT LIKE 'sqlite%' AND m.name <> 'meta' ORDER BY m.name, c.cid",
		SQL_NONE, e);

	while (sql_next(&r))
		r.code = add_column(c, &r, e);
	return sql_end(&r);
}

/* ---- texts ---- */

struct dialect {
	const struct copy_shape *s;
	bool pg, sharded; /* PostgreSQL keeps several rows of a key, to be added up */
};

static const struct copy_column *key_of(const struct copy_shape *s, size_t i)
{
	for (size_t k = 0; k < s->n; k++)
		if (s->columns[k].key == (int)i + 1)
			return &s->columns[k];
	return NULL;
}

/* "(a, b)", with what follows each. */
static void put_keys(struct buf *b, const struct dialect *d, bool order)
{
	for (size_t i = 0; i < d->s->keys_n; i++) {
		const struct copy_column *k = key_of(d->s, i);
		buf_printf(b, "%s%s%s", i ? ", " : "", k->name,
			order && d->pg && k->type == SQL_TYPE_TEXT ? " COLLATE \"C\"" : "");
	}
}

static void put_places(struct buf *b, size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%s$%zu", i ? ", " : "", from + i);
}

static void put_bound(struct buf *b, const struct dialect *d, const char *compare, size_t from,
	bool order)
{
	buf_puts(b, "(");
	put_keys(b, d, order);
	buf_printf(b, ") %s (", compare);
	put_places(b, from, d->s->keys_n);
	buf_puts(b, ")");
}

static void put_columns(struct buf *b, const struct dialect *d, bool values)
{
	for (size_t i = 0; i < d->s->n; i++) {
		const struct copy_column *c = &d->s->columns[i];
		buf_puts(b, i ? ", " : "");
		if (values && c->is_fixed)
			buf_printf(b, "%lld", (long long)c->fixed);
		else if (values && d->sharded && !c->key)
			buf_printf(b, "sum(%s)::bigint", c->name);
		else
			buf_puts(b, c->name);
	}
}

static const char *finish(struct buf *b, struct arena *a)
{
	const char *text = arena_strdup(a, buf_str(b));

	buf_reset(b);
	return text;
}

/* A page of rows: after a key (or from the first), up to a key or so many. fixed: as the target is to have
 * them. */
static const char *select_text(const struct dialect *d, bool fixed, bool after, bool upto,
	struct buf *b, struct arena *a)
{
	struct dialect plain = *d;
	struct copy_shape unfixed;
	size_t at = 1;

	if (!fixed) {
		unfixed = *d->s;
		for (size_t i = 0; i < unfixed.n; i++)
			unfixed.columns[i].is_fixed = false;
		plain.s = &unfixed;
	}
	buf_puts(b, "SELECT ");
	put_columns(b, &plain, true);
	buf_printf(b, " FROM %s", d->s->report.name);
	if (after) {
		buf_puts(b, " WHERE ");
		put_bound(b, d, ">", at, true);
		at += d->s->keys_n;
	}
	if (upto) {
		buf_puts(b, after ? " AND " : " WHERE ");
		put_bound(b, d, "<=", at, true);
	}
	if (d->sharded) {
		buf_puts(b, " GROUP BY ");
		put_keys(b, d, false);
	}
	buf_puts(b, " ORDER BY ");
	put_keys(b, d, true);
	if (!upto)
		buf_printf(b, " LIMIT $%zu", at);
	return finish(b, a);
}

static const char *insert_text(const struct dialect *d, struct buf *b, struct arena *a)
{
	buf_printf(b, "INSERT INTO %s (", d->s->report.name);
	put_columns(b, d, false);
	buf_printf(b, "%s) VALUES (", d->sharded ? ", shard" : "");
	put_places(b, 1, d->s->n);
	buf_printf(b, "%s)", d->sharded ? ", 0" : "");
	return finish(b, a);
}

static const char *erase_text(const struct dialect *d, const char *compare, struct buf *b,
	struct arena *a)
{
	buf_printf(b, "DELETE FROM %s", d->s->report.name);
	if (compare) {
		buf_puts(b, " WHERE ");
		put_bound(b, d, compare, 1, compare[0] != '=');
	}
	return finish(b, a);
}

static void number_texts(const struct dialect *d, struct copy_texts *t, struct arena *a)
{
	const char *table = d->s->report.name, *column = d->s->identity;

	if (!column)
		return;
	t->number = d->pg
		? arena_printf(a,
			  "SELECT coalesce(last_value, 0) FROM pg_sequences WHERE schemaname"
			  " = current_schema() AND sequencename = '%s_%s_seq'",
			  table, column)
		: arena_printf(a, "SELECT seq FROM sqlite_sequence WHERE name = '%s'", table);
	t->set_number = d->pg
		? arena_printf(a, "SELECT setval('%s_%s_seq', $1)", table, column)
		: arena_printf(a, "INSERT INTO sqlite_sequence (seq, name) VALUES ($1, '%s')",
			  table);
	if (!d->pg)
		t->no_number = arena_printf(a, "DELETE FROM sqlite_sequence WHERE name = '%s'",
			table);
}

static struct copy_texts texts_of(const struct copy_shape *s, bool pg, bool sharded, bool fixed,
	struct arena *a)
{
	struct dialect d = { s, pg, sharded };
	CLEANUP(buf_done) struct buf b = BUF_INIT(TEXT_MAX);
	struct copy_texts t = {
		.count = sharded
			? arena_printf(a,
				  "SELECT count(*) FROM (SELECT DISTINCT tenant, day FROM %s) d",
				  s->report.name)
			: arena_printf(a, "SELECT count(*) FROM %s", s->report.name),
		.first = select_text(&d, fixed, false, false, &b, a),
		.next = select_text(&d, fixed, true, false, &b, a),
		.upto = select_text(&d, fixed, false, true, &b, a),
		.between = select_text(&d, fixed, true, true, &b, a),
		.insert = insert_text(&d, &b, a),
		.erase = erase_text(&d, "=", &b, a),
		.erase_all = erase_text(&d, NULL, &b, a),
		.erase_after = erase_text(&d, ">", &b, a),
	};

	number_texts(&d, &t, a);
	return t;
}

static bool is_postgres(const struct store *s)
{
	return s->impl == &store_postgres || s->impl == &store_postgresql;
}

/* PostgreSQL has no index in the order of a text's bytes, so each page of such a table costs it a look at
 * the whole. */
static size_t page_of(const struct copy_shape *s, bool any_pg)
{
	for (size_t i = 0; i < s->n; i++)
		if (any_pg && s->columns[i].key && s->columns[i].type == SQL_TYPE_TEXT)
			return 10 * COPY_PAGE;
	return COPY_PAGE;
}

enum err_code copy_shapes(struct copy *c, struct err *e)
{
	struct store_opts none = { 0 };
	struct store *schema = NULL;
	bool from_pg = is_postgres(c->o.from), to_pg = is_postgres(c->o.to);
	enum err_code code = store_open("memory:", &none, &schema, e);

	if (code == OK)
		code = schema->impl->read(schema, read_schema, c, e);
	store_free(schema);
	c->reports = arena_alloc(c->arena, (c->n + 1) * sizeof *c->reports);
	for (size_t i = 0; code == OK && i < c->n; i++) {
		struct copy_shape *s = &c->shapes[i];
		bool usage = strcmp(s->report.name, "usage") == 0;
		s->page = page_of(s, from_pg || to_pg);
		s->from = texts_of(s, from_pg, usage && from_pg, true, c->arena);
		s->to = texts_of(s, to_pg, usage && to_pg, false, c->arena);
	}
	return code;
}
