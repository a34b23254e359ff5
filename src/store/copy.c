/* SPDX-License-Identifier: MIT
 *
 * A copy from its begin to its end: whose it is, table after table, and the numbers that were given out. The
 * target knows from the first moment that it is a copy, and until the last that it is not whole.
 */
#include "store/copy_impl.h"

#include "base/digest.h"
#include "base/id.h"
#include "store/sql_pg.h"

#include <stdio.h>
#include <string.h>

struct counting {
	const char *text;
	int64_t n;
};

static enum err_code count(struct tx *t, void *arg, struct err *e)
{
	struct counting *c = arg;

	c->n = 0;
	return sql_get(t->db, c->text, SQL_NONE, &c->n, e);
}

static enum err_code count_rows(struct store *s, const char *text, int64_t *ret, struct err *e)
{
	struct counting c = { .text = text };
	enum err_code code = s->impl->read(s, count, &c, e);

	*ret = c.n;
	return code;
}

/* ---- numbers ---- */

struct numbering {
	const struct copy_shape *s;
	int64_t last;
};

static enum err_code set_number(struct tx *t, void *arg, struct err *e)
{
	const struct numbering *n = arg;
	enum err_code code = OK;

	if (n->s->to.no_number)
		code = sql_run(t->db, n->s->to.no_number, SQL_NONE, NULL, e);
	if (code != OK)
		return code;
	struct sql_rows r = sql_query(t->db, n->s->to.set_number, SQL(sql_i(n->last)), e);

	while (sql_next(&r))
		;
	return sql_end(&r);
}

/* What was given out is not given out again, also when its row is gone. */
static enum err_code copy_number(struct copy *c, const struct copy_shape *s, struct err *e)
{
	struct numbering n = { .s = s };
	enum err_code code = OK;

	if (s->identity)
		code = count_rows(c->o.from, s->from.number, &n.last, e);
	if (code != OK || n.last == 0)
		return code;
	return c->o.to->impl->write(c->o.to, set_number, &n, e);
}

static enum err_code copy_table(struct copy *c, struct copy_shape *s, struct err *e)
{
	int64_t of = 0;
	enum err_code code = count_rows(c->o.from, s->from.count, &of, e);

	s->report.rows = s->report.written = s->report.removed = 0;
	if (code == OK)
		code = copy_rows(c, s, of, e);
	return code == OK ? copy_number(c, s, e) : code;
}

/* ---- whose copy it is ---- */

struct whose {
	char id[ID_LEN + 1], copy_of[ID_LEN + 1], secret[HEX_MAX(SHA256_LEN)];
	int64_t access;
	bool empty;
};

static void take_text(struct sql_rows *r, int col, char *out, size_t size)
{
	const char *text = sql_text(r, col);

	snprintf(out, size, "%s", text ? text : "");
}

static enum err_code read_whose(struct tx *t, void *arg, struct err *e)
{
	struct whose *w = arg;
	int64_t any = 0;
	struct sql_rows r = sql_query(t->db, "SELECT id, copy_of, secret, access FROM meta",
		SQL_NONE, e);

	if (sql_next(&r)) {
		take_text(&r, 0, w->id, sizeof w->id);
		take_text(&r, 1, w->copy_of, sizeof w->copy_of);
		take_text(&r, 2, w->secret, sizeof w->secret);
		w->access = sql_int(&r, 3);
	}
	enum err_code code = sql_end(&r);
	if (code == OK)
		code = sql_get(t->db,
			"SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM original)"
			" + (SELECT count(*) FROM result) + (SELECT count(*) FROM api_key)",
			SQL_NONE, &any, e);
	w->empty = any == 0;
	return code;
}

static enum err_code write_id(struct tx *t, void *arg, struct err *e)
{
	const struct whose *w = arg;

	return sql_run(t->db, "UPDATE meta SET id = $1", SQL(sql_t(w->id)), NULL, e);
}

static enum err_code write_begun(struct tx *t, void *arg, struct err *e)
{
	const struct whose *w = arg;

	return sql_run(t->db, "UPDATE meta SET copy_of = $1, copying = 1", SQL(sql_t(w->id)), NULL,
		e);
}

static enum err_code write_done(struct tx *t, void *arg, struct err *e)
{
	const struct whose *w = arg;

	return sql_run(t->db, "UPDATE meta SET copying = 0, secret = $1, access = access + $2",
		SQL(sql_t(w->secret[0] ? w->secret : NULL), sql_i(w->access + 1)), NULL, e);
}

static enum err_code begin(struct copy *c, struct whose *from, struct err *e)
{
	struct whose to = { 0 };
	struct store *a = c->o.from, *b = c->o.to;
	enum err_code code = a->impl->read(a, read_whose, from, e);

	if (code == OK && !from->id[0]) {
		id_new(from->id);
		code = a->impl->write(a, write_id, from, e);
	}
	if (code == OK)
		code = b->impl->read(b, read_whose, &to, e);
	if (code != OK)
		return code;
	if (strcmp(from->id, to.id) == 0)
		return err_set(e, ERR_USAGE, "--from and --to are the same store");
	if (strcmp(from->id, to.copy_of) != 0 && !to.empty)
		return err_set(e, ERR_USAGE,
			"the store to copy to is not empty, and no copy of this source%s",
			to.copy_of[0] ? "" : " that has not been used since");
	return b->impl->write(b, write_begun, from, e);
}

/* Every row that was read must be there now. */
static enum err_code check_counts(struct copy *c, const struct copy_shape *s, struct err *e)
{
	int64_t from = 0, to = 0;
	enum err_code code = count_rows(c->o.from, s->from.count, &from, e);

	if (code == OK)
		code = count_rows(c->o.to, s->to.count, &to, e);
	if (code == OK && from != to && strcmp(s->report.name, "result") != 0)
		return err_set(e, ERR_INTERNAL,
			"table %s has %lld rows in the source and %lld in the copy: was it used "
			"meanwhile?",
			s->report.name, (long long)from, (long long)to);
	return code;
}

enum err_code copy_run(struct copy *c, struct err *e)
{
	struct whose whose = { 0 };
	enum err_code code = c->shapes ? OK : copy_shapes(c, e);

	if (code == OK)
		code = begin(c, &whose, e);
	for (size_t i = 0; code == OK && i < c->n; i++)
		code = copy_table(c, &c->shapes[i], e);
	for (size_t i = 0; code == OK && i < c->n; i++)
		code = check_counts(c, &c->shapes[i], e);
	return code == OK ? c->o.to->impl->write(c->o.to, write_done, &whose, e) : code;
}

struct copy *copy_new(const struct copy_opts *o)
{
	struct copy *c = mem_new(struct copy);

	c->o = *o;
	c->arena = arena_new();
	return c;
}

void copy_free(struct copy *c)
{
	if (!c)
		return;
	arena_free(c->arena);
	free(c->shapes);
	free(c);
}

const struct copy_table *copy_tables(const struct copy *c, size_t *ret_n)
{
	for (size_t i = 0; i < c->n; i++)
		c->reports[i] = c->shapes[i].report;
	*ret_n = c->n;
	return c->reports;
}

enum err_code copy_is_in_use(const char *url, bool *ret, struct err *e)
{
	struct sql *db = NULL;
	int64_t n = 0;

	bool any;

	*ret = false;
	if (!store_url_is_shared(url))
		return OK;
	autofree char *plain = pg_url_without(url, "durability=any", &any);
	enum err_code code = sql_pg_open(plain, true, &db, e);
	if (code == OK)
		code = sql_get(db,
			"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
			" AND application_name = 'bulb' AND pid <> pg_backend_pid()",
			SQL_NONE, &n, e);
	sql_free(db);
	*ret = n > 0;
	return code;
}
