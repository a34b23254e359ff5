/* SPDX-License-Identifier: MIT
 *
 * SQLite behind struct sql. Everything of sqlite3.h stays in this file, its result codes included:
 * what may pass (disk full, I/O error, a lock) is ERR_STORE_UNAVAILABLE, everything else is a bug
 * of ours and ERR_INTERNAL.
 *
 * Statements are prepared once a connection and found by the address of their text, which costs a
 * multiplication instead of comparing the text.
 */
#include "store/sql_sqlite.h"

#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define WRITER_CACHE_KB 16384
#define READER_CACHE_KB 2048 /* there may be many */
#define LARGE_LOG       8    /* times checkpoint_pages: then its readers are waited for, */
#define LARGE_LOG_MS    100  /* so long, and again when it has grown by as much as one checkpoint */
#define SLOTS           512  /* a power of two, well over the number of texts in the room */

struct sql_stmt {
	struct sqlite_db *db;
	const char *text;
	sqlite3_stmt *st;
	bool busy;
};
struct sqlite_db {
	struct sql base;
	sqlite3 *db;
	struct sql_stmt slots[SLOTS];
	int busy_ms, busy_step_ms, checkpoint_pages;
	int wait_at_pages; /* of the log */
	bool bad;
};

static const struct sql_impl impl;

static struct sqlite_db *down(struct sql *db)
{
	assert(db->impl == &impl);
	return container_of(db, struct sqlite_db, base);
}

static enum err_code translate(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_NOMEM:
	case SQLITE_PROTOCOL:
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_INTERRUPT:
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_STORE_UNAVAILABLE;
	default:
		return ERR_INTERNAL;
	}
}

static enum err_code fail(struct sqlite_db *d, int rc, const char *what, struct err *e)
{
	int low = rc & 0xff;

	if (low != SQLITE_BUSY && low != SQLITE_FULL && translate(rc) == ERR_STORE_UNAVAILABLE)
		d->bad = true;
	return err_set(e, translate(rc), "database: %s (%d) at '%.80s'",
		d->db ? sqlite3_errmsg(d->db) : sqlite3_errstr(rc), rc, what);
}

static struct sql_stmt *slot_of(struct sqlite_db *d, const char *text)
{
	uintptr_t h = (uintptr_t)text * (uintptr_t)0x9e3779b97f4a7c15u;

	for (size_t i = h >> 40;; i++) {
		struct sql_stmt *s = &d->slots[i & (SLOTS - 1)];
		if (!s->text || s->text == text)
			return s;
	}
}

static enum err_code prepare(struct sqlite_db *d, const char *text, struct sql_stmt **ret,
	struct err *e)
{
	struct sql_stmt *s = slot_of(d, text);

	if (!s->text) {
		int rc = sqlite3_prepare_v3(d->db, text, -1, SQLITE_PREPARE_PERSISTENT, &s->st,
			NULL);
		if (rc != SQLITE_OK)
			return fail(d, rc, text, e);
		s->text = text;
		s->db = d;
		for (int i = 1; i <= sqlite3_bind_parameter_count(s->st); i++) {
			char name[16];
			snprintf(name, sizeof name, "$%d", i);
			assert(strcmp(sqlite3_bind_parameter_name(s->st, i), name) == 0);
		}
	}
	*ret = s;
	return OK;
}

static int bind(sqlite3_stmt *st, int i, const struct sql_value *v)
{
	switch (v->type) {
	case SQL_TYPE_INT:
		return sqlite3_bind_int64(st, i, v->i);
	case SQL_TYPE_TEXT:
		return sqlite3_bind_text64(st, i, v->p, v->n, SQLITE_STATIC, SQLITE_UTF8);
	case SQL_TYPE_BLOB:
		return sqlite3_bind_blob64(st, i, v->p ? v->p : "", v->n, SQLITE_STATIC);
	default:
		return sqlite3_bind_null(st, i);
	}
}

static enum err_code start(struct sql *db, const char *text, const struct sql_value *v, size_t n,
	struct sql_stmt **ret, struct err *e)
{
	struct sqlite_db *d = down(db);
	struct sql_stmt *s = NULL;
	enum err_code code = prepare(d, text, &s, e);

	if (code != OK)
		return code;
	assert(s && !s->busy);
	assert((size_t)sqlite3_bind_parameter_count(s->st) == n);
	for (size_t i = 0; i < n; i++) {
		int rc = bind(s->st, (int)i + 1, &v[i]);
		if (rc != SQLITE_OK)
			return fail(d, rc, text, e);
	}
	s->busy = true;
	*ret = s;
	return OK;
}

static enum err_code next(struct sql_stmt *s, bool *ret_row, struct err *e)
{
	int rc = sqlite3_step(s->st);

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return fail(s->db, rc, s->text, e);
	*ret_row = rc == SQLITE_ROW;
	return OK;
}

static void end(struct sql_stmt *s)
{
	sqlite3_reset(s->st);
	sqlite3_clear_bindings(s->st);
	s->busy = false;
}

static bool is_null(struct sql_stmt *s, int col)
{
	return sqlite3_column_type(s->st, col) == SQLITE_NULL;
}

static int64_t get_int(struct sql_stmt *s, int col)
{
	return sqlite3_column_int64(s->st, col);
}

static const char *get_text(struct sql_stmt *s, int col)
{
	return (const char *)sqlite3_column_text(s->st, col);
}

static const void *get_blob(struct sql_stmt *s, int col, size_t *ret_n)
{
	const void *p = sqlite3_column_blob(s->st, col);

	*ret_n = (size_t)sqlite3_column_bytes(s->st, col);
	return p;
}

static int64_t changes(struct sql *db)
{
	return sqlite3_changes64(down(db)->db);
}

static void sqlite_free(struct sql *db)
{
	struct sqlite_db *d = down(db);

	for (size_t i = 0; i < SLOTS; i++)
		sqlite3_finalize(d->slots[i].st);
	sqlite3_close(d->db);
	free(d);
}

static const struct sql_impl impl = {
	.start = start,
	.next = next,
	.end = end,
	.is_null = is_null,
	.get_int = get_int,
	.get_text = get_text,
	.get_blob = get_blob,
	.changes = changes,
	.free = sqlite_free,
};

enum err_code sql_sqlite_script(struct sql *db, const char *text, struct err *e)
{
	struct sqlite_db *d = down(db);
	int rc = sqlite3_exec(d->db, text, NULL, NULL, NULL);

	return rc == SQLITE_OK ? OK : fail(d, rc, text, e);
}

/* Evenly spaced, not SQLite's growing steps: the other process holds the lock for one commit. */
static int wait_busy(void *ctx, int times)
{
	struct sqlite_db *d = ctx;

	if (times * d->busy_step_ms >= d->busy_ms)
		return 0;
	return sqlite3_sleep(d->busy_step_ms) >= 0;
}

static void fold_and_wait(struct sqlite_db *d, const char *name, int pages)
{
	int busy_ms = d->busy_ms;

	d->busy_ms = LARGE_LOG_MS;
	if (sqlite3_wal_checkpoint_v2(d->db, name, SQLITE_CHECKPOINT_RESTART, NULL, NULL) ==
		SQLITE_OK)
		d->wait_at_pages = LARGE_LOG * d->checkpoint_pages;
	else
		d->wait_at_pages = pages + d->checkpoint_pages;
	d->busy_ms = busy_ms;
}

/* After each commit. SQLite's own way never waits, and a log that somebody reads at every moment is
 * then never folded in whole and never begun anew. What fails here is tried again at the next. */
static int fold_log(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct sqlite_db *d = ctx;

	if (pages >= d->wait_at_pages)
		fold_and_wait(d, name, pages);
	else if (pages >= d->checkpoint_pages)
		(void)sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	else
		d->wait_at_pages = LARGE_LOG * d->checkpoint_pages;
	return SQLITE_OK;
}

/* WAL is a property of the file and is set by the writer; the rest are the connection's. */
static enum err_code configure(struct sql *db, const struct sql_sqlite_opts *o, struct err *e)
{
	char text[320];

	down(db)->busy_ms = o->busy_ms;
	down(db)->busy_step_ms = o->busy_step_ms > 0 ? o->busy_step_ms : 1;
	sqlite3_busy_handler(down(db)->db, wait_busy, down(db));
	snprintf(text, sizeof text,
		"%s PRAGMA synchronous=%s; PRAGMA cache_size=-%d; PRAGMA wal_autocheckpoint=0;"
		"PRAGMA journal_size_limit=67108864; PRAGMA temp_store=MEMORY; PRAGMA query_only=%d;",
		o->read_only ? "" : "PRAGMA journal_mode=WAL;", o->sync_normal ? "NORMAL" : "FULL",
		o->read_only ? READER_CACHE_KB : WRITER_CACHE_KB, o->read_only);
	down(db)->checkpoint_pages = o->checkpoint_pages;
	down(db)->wait_at_pages = LARGE_LOG * o->checkpoint_pages;
	enum err_code code = sql_sqlite_script(db, text, e);
	if (code == OK && o->checkpoint_pages > 0)
		sqlite3_wal_hook(down(db)->db, fold_log, down(db));
	return code;
}

/* Nobody asks how much memory SQLite uses, and counting it takes a lock at every allocation. */
static void set_up_library(void)
{
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum err_code sql_sqlite_open(const struct sql_sqlite_opts *o, struct sql **ret, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct sqlite_db *d = mem_new(struct sqlite_db);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	enum err_code code = OK;

	pthread_once(&once, set_up_library);
	d->base.impl = &impl;
	if (!o->read_only)
		flags |= SQLITE_OPEN_CREATE;
	int rc = sqlite3_open_v2(o->path, &d->db, flags, o->vfs);
	if (rc != SQLITE_OK)
		code = fail(d, rc, o->path, e);
	else
		code = configure(&d->base, o, e);
	if (code != OK) {
		sqlite_free(&d->base);
		return code;
	}
	*ret = &d->base;
	return OK;
}

bool sql_sqlite_is_bad(const struct sql *db)
{
	return container_of(db, const struct sqlite_db, base)->bad;
}

bool sql_sqlite_in_transaction(const struct sql *db)
{
	return !sqlite3_get_autocommit(container_of(db, const struct sqlite_db, base)->db);
}

int64_t sql_sqlite_total_changes(const struct sql *db)
{
	return sqlite3_total_changes64(container_of(db, const struct sqlite_db, base)->db);
}
