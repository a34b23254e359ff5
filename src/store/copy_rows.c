/* SPDX-License-Identifier: MIT
 *
 * Two tables are walked side by side in the order of their keys, a page of the source at a time, and
 * what differs is made equal: rows that are missing are inserted, rows that differ replaced, rows that
 * are no longer there removed. A page is one commit. Uniqueness that spans rows holds on the way, too:
 * what moves from row to row moves to a later one.
 *
 * The blobs of a page's rows are carried before its commit, so a row never names one that is not there,
 * and rows that are there need no second look at their blobs.
 */
#include "store/copy_impl.h"

#include "base/digest.h"
#include "base/json.h"

#include <string.h>

/* One row: values in the order of the columns. */
struct row {
	struct sql_value *v;
	const struct row *old; /* of the target; NULL: there is none */
	bool same, left_out;
};
struct rows {
	struct row *v;
	size_t n;
};
/* Between two keys. */
struct page {
	struct copy *c;
	struct copy_shape *s;
	struct arena *arena;
	const struct sql_value *after; /* keys_n values; NULL: from the first row */
	struct sql_value upto[COPY_COLUMNS];
	bool last; /* the source has no more */
	struct rows from, to;
	size_t gone_n, written;
	int64_t removed;
	const struct row **gone; /* of the target's, to be removed */
};

/* ---- reading ---- */

static void read_value(struct sql_rows *r, int col, enum sql_type type, struct arena *a,
	struct sql_value *ret)
{
	*ret = (struct sql_value){ .type = sql_is_null(r, col) ? SQL_TYPE_NULL : type };
	if (ret->type == SQL_TYPE_INT) {
		ret->i = sql_int(r, col);
	} else if (ret->type == SQL_TYPE_TEXT) {
		ret->p = arena_strdup(a, sql_text(r, col));
		ret->n = strlen(ret->p);
	} else if (ret->type == SQL_TYPE_BLOB) {
		const void *p = sql_blob(r, col, &ret->n);
		void *copy = arena_alloc(a, ret->n + 1);
		if (ret->n)
			memcpy(copy, p, ret->n);
		ret->p = copy;
	}
}

static enum err_code read_rows(struct sql *db, const char *text, const struct sql_value *v,
	size_t n, struct page *p, struct rows *ret, struct err *e)
{
	struct sql_rows r = sql_query(db, text, v, n, e);
	struct row *rows = NULL;
	size_t room = 0, got = 0;

	while (sql_next(&r)) {
		if (got == room) {
			room = room ? room * 2 : 64;
			rows = mem_realloc(rows, room, sizeof *rows);
		}
		rows[got] = (struct row){ .v = arena_alloc(p->arena,
						  p->s->n * sizeof(struct sql_value)) };
		for (size_t i = 0; i < p->s->n; i++)
			read_value(&r, (int)i, p->s->columns[i].type, p->arena, &rows[got].v[i]);
		got++;
	}
	enum err_code code = sql_end(&r);
	*ret = (struct rows){ arena_alloc(p->arena, (got + 1) * sizeof *rows), got };
	if (got)
		memcpy(ret->v, rows, got * sizeof *rows);
	free(rows);
	return code;
}

/* The key's values, in its order. */
static void key_of(const struct copy_shape *s, const struct row *r, struct sql_value *ret)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->columns[i].key)
			ret[s->columns[i].key - 1] = r->v[i];
}

static enum err_code read_source(struct tx *t, void *arg, struct err *e)
{
	struct page *p = arg;
	struct sql_value v[COPY_COLUMNS];
	size_t n = p->after ? p->s->keys_n : 0;

	if (p->after)
		memcpy(v, p->after, n * sizeof *v);
	v[n] = sql_i((int64_t)p->s->page);
	return read_rows(t->db, p->after ? p->s->from.next : p->s->from.first, v, n + 1, p,
		&p->from, e);
}

/* What the target has in the same stretch. Behind the source's last row all is to go, whatever it is. */
static enum err_code read_target(struct tx *t, void *arg, struct err *e)
{
	struct page *p = arg;
	struct sql_value v[2 * COPY_COLUMNS];
	size_t n = p->after ? p->s->keys_n : 0;

	p->to = (struct rows){ 0 };
	if (p->from.n == 0)
		return OK;
	if (p->after)
		memcpy(v, p->after, n * sizeof *v);
	memcpy(v + n, p->upto, p->s->keys_n * sizeof *v);
	return read_rows(t->db, p->after ? p->s->to.between : p->s->to.upto, v, n + p->s->keys_n, p,
		&p->to, e);
}

/* ---- comparing ---- */

static int compare_value(const struct sql_value *a, const struct sql_value *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->type == SQL_TYPE_INT)
		return a->i < b->i ? -1 : a->i > b->i;
	size_t n = a->n < b->n ? a->n : b->n;
	int c = n ? memcmp(a->p, b->p, n) : 0;
	return c ? c : a->n < b->n ? -1 : a->n > b->n;
}

static int compare_key(const struct copy_shape *s, const struct row *a, const struct row *b)
{
	struct sql_value x[COPY_COLUMNS] = { 0 }, y[COPY_COLUMNS] = { 0 };
	int c = 0;

	key_of(s, a, x);
	key_of(s, b, y);
	for (size_t i = 0; c == 0 && i < s->keys_n; i++)
		c = compare_value(&x[i], &y[i]);
	return c;
}

static bool is_same(const struct copy_shape *s, const struct row *a, const struct row *b)
{
	for (size_t i = 0; i < s->n; i++)
		if (compare_value(&a->v[i], &b->v[i]) != 0)
			return false;
	return true;
}

static void compare(struct page *p)
{
	size_t k = 0;

	p->gone = arena_alloc(p->arena, (p->to.n + 1) * sizeof(void *));
	p->gone_n = 0;
	for (size_t i = 0; i < p->from.n; i++) {
		struct row *r = &p->from.v[i];
		int c = 1;
		while (k < p->to.n && (c = compare_key(p->s, &p->to.v[k], r)) < 0)
			p->gone[p->gone_n++] = &p->to.v[k++];
		if (k < p->to.n && c == 0)
			r->old = &p->to.v[k++];
		r->same = r->old && is_same(p->s, r, r->old);
	}
	while (k < p->to.n)
		p->gone[p->gone_n++] = &p->to.v[k++];
}

/* ---- blobs ---- */

/* Its digest stands in the row's data, with its length. */
static void take_digest(const struct copy_shape *s, const struct row *r, struct arena *a,
	struct copy_blob *b)
{
	autojson *doc = NULL;
	uint8_t *sha256 = arena_alloc(a, SHA256_LEN);

	if (s->data < 0 || json_parse(r->v[s->data].p, r->v[s->data].n, &doc, NULL) != OK ||
		!hex_parse(json_get_str(doc, "sha256", ""), sha256, SHA256_LEN))
		return;
	b->sha256 = sha256;
	b->bytes = json_get_int(doc, "bytes", 0);
}

/* An original may be without its bytes, as if they had been dropped; a result is nothing without. */
static void leave_out(const struct copy_shape *s, struct row *r)
{
	if (strcmp(s->report.name, "original") == 0)
		r->v[s->blob] = (struct sql_value){ .type = SQL_TYPE_NULL };
	else if (strcmp(s->report.name, "result") == 0)
		r->left_out = true;
	r->same = r->old && is_same(s, r, r->old);
}

static enum err_code carry(struct page *p, struct err *e)
{
	const struct copy_shape *s = p->s;
	struct copy_blob *v = arena_alloc(p->arena, (p->from.n + 1) * sizeof *v);
	struct row **of = arena_alloc(p->arena, (p->from.n + 1) * sizeof(void *));
	size_t n = 0;

	if (s->blob < 0)
		return OK;
	for (size_t i = 0; i < p->from.n; i++) {
		struct row *r = &p->from.v[i];
		const struct sql_value *key = &r->v[s->blob];
		if (key->type == SQL_TYPE_NULL ||
			(r->old && compare_value(key, &r->old->v[s->blob]) == 0))
			continue;
		v[n] = (struct copy_blob){ .key = key->p,
			.spare = strcmp(s->report.name, "trash") == 0 };
		take_digest(s, r, p->arena, &v[n]);
		of[n++] = r;
	}
	enum err_code code = n ? p->c->o.carry(p->c->o.ctx, v, n, e) : OK;
	for (size_t i = 0; code == OK && i < n; i++)
		if (v[i].bad)
			leave_out(s, of[i]);
	return code;
}

/* ---- writing ---- */

static enum err_code erase(struct tx *t, const struct copy_shape *s, const struct row *r,
	struct err *e)
{
	struct sql_value key[COPY_COLUMNS];

	key_of(s, r, key);
	return sql_run(t->db, s->to.erase, key, s->keys_n, NULL, e);
}

/* Behind the last row of the source. */
static enum err_code erase_rest(struct tx *t, struct page *p, struct err *e)
{
	const struct copy_shape *s = p->s;
	const struct sql_value *after = p->from.n > 0 ? p->upto : p->after;
	int64_t rest = 0;
	enum err_code code = after ? sql_run(t->db, s->to.erase_after, after, s->keys_n, &rest, e)
				   : sql_run(t->db, s->to.erase_all, SQL_NONE, &rest, e);

	p->removed += rest;
	return code;
}

static enum err_code write_page(struct tx *t, void *arg, struct err *e)
{
	struct page *p = arg;
	const struct copy_shape *s = p->s;
	enum err_code code = OK;

	p->written = 0;
	p->removed = (int64_t)p->gone_n;
	for (size_t i = 0; code == OK && i < p->gone_n; i++)
		code = erase(t, s, p->gone[i], e);
	for (size_t i = 0; code == OK && i < p->from.n; i++) {
		const struct row *r = &p->from.v[i];
		if (r->same || (r->left_out && !r->old))
			continue;
		if (r->old)
			code = erase(t, s, r, e);
		if (code == OK && !r->left_out)
			code = sql_run(t->db, s->to.insert, r->v, s->n, NULL, e);
		p->written++;
	}
	return code == OK && p->last ? erase_rest(t, p, e) : code;
}

/* ---- a table ---- */

static bool has_changes(const struct page *p)
{
	if (p->gone_n > 0 || p->last)
		return true;
	for (size_t i = 0; i < p->from.n; i++)
		if (!p->from.v[i].same)
			return true;
	return false;
}

static enum err_code copy_page(struct page *p, struct err *e)
{
	struct store *from = p->c->o.from, *to = p->c->o.to;
	enum err_code code = from->impl->read(from, read_source, p, e);

	if (code != OK)
		return code;
	p->last = p->from.n < p->s->page;
	if (p->from.n > 0)
		key_of(p->s, &p->from.v[p->from.n - 1], p->upto);
	code = to->impl->read(to, read_target, p, e);
	if (code == OK) {
		compare(p);
		code = carry(p, e);
	}
	if (code == OK && has_changes(p))
		code = to->impl->write(to, write_page, p, e);
	return code;
}

enum err_code copy_rows(struct copy *c, struct copy_shape *s, int64_t of, struct err *e)
{
	struct arena *kept = NULL; /* where the last key of the page before is */
	const struct sql_value *after = NULL;
	enum err_code code = OK;

	for (bool more = true; code == OK && more;) {
		struct arena *a = arena_new();
		struct page *p = arena_alloc(a, sizeof *p);
		*p = (struct page){ .c = c, .s = s, .arena = a, .after = after };
		code = copy_page(p, e);
		s->report.rows += (int64_t)p->from.n;
		s->report.written += (int64_t)p->written;
		s->report.removed += p->removed;
		more = !p->last;
		after = p->upto;
		arena_free(kept);
		kept = a;
		if (code == OK && c->o.progress)
			c->o.progress(c->o.ctx, s->report.name, s->report.rows, of);
	}
	arena_free(kept);
	return code;
}
