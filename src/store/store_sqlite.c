/* SPDX-License-Identifier: MIT
 *
 * "sqlite:PATH", the embedded store. SQLite has one writer and each durable commit waits for the
 * disk, so one thread owns the writing connection and takes everything that queued up while the
 * last commit was syncing into the next one: 200 callers at once cost a handful of syncs. A disk may
 * sync faster than callers come back, so where there are several it waits for them, a moment. Each
 * operation runs in a savepoint of its own; one that fails leaves no trace and does not touch its
 * neighbours.
 *
 * An error of the disk ends the whole commit: every operation in it is answered "unavailable", and
 * the next one starts with a new connection if the old one is doubtful. So the store comes back by
 * itself when there is room again.
 */
#include "store/commit_queue.h"
#include "store/schema.h"
#include "store/sql_sqlite.h"
#include "store/store_readers.h"

#include "base/io.h"
#include "base/metrics.h"
#include "base/url.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define OWNER_BUSY_MS    5000 /* a visitor holds the lock for one small commit */
#define VISITOR_BUSY_MS  20000
#define VISITOR_PAUSE_US 2000 /* between two commits, so that the owner gets its turn */
#define CHECKPOINT_PAGES 1000

struct sqlite_store {
	struct store base;
	char *path, *vfs;
	struct sql_sqlite_opts writer;
	struct store_readers *readers;
	int lock_fd;
	struct sql *db; /* of the thread */
	pthread_t thread;
	struct commit_queue queue;
	bool visitor;
};

static struct sqlite_store *down(struct store *s)
{
	return container_of(s, struct sqlite_store, base);
}

/* ---- the thread ---- */

static void run_op(struct sqlite_store *s, struct op *op, struct tx_usages *usage)
{
	struct err ignored;

	tx_init(&op->tx, s->db, &s->base.opts);
	op->code = sql_run(s->db, "SAVEPOINT op", SQL_NONE, NULL, op->e);
	if (op->code == OK)
		op->code = op->fn(&op->tx, op->arg, op->e);
	if (op->code == OK)
		op->code = tx_flush(&op->tx, op->e);
	if (op->code == OK)
		op->code = sql_run(s->db, "RELEASE op", SQL_NONE, NULL, op->e);
	if (op->code == OK)
		usage_merge(usage, &op->tx.usage);
	if (op->code == OK || op->code == ERR_STORE_UNAVAILABLE)
		return;
	if (sql_run(s->db, "ROLLBACK TO op", SQL_NONE, NULL, &ignored) != OK ||
		sql_run(s->db, "RELEASE op", SQL_NONE, NULL, &ignored) != OK)
		op->code = err_set(op->e, ERR_STORE_UNAVAILABLE, "%s", ignored.text);
}

static enum err_code run_all(struct sqlite_store *s, struct op *batch, struct tx_usages *usage,
	struct err *e)
{
	enum err_code code = sql_run(s->db, "BEGIN IMMEDIATE", SQL_NONE, NULL, e);

	for (struct op *op = batch; code == OK && op; op = op->next) {
		run_op(s, op, usage);
		if (op->code == ERR_STORE_UNAVAILABLE)
			code = err_set(e, op->code, "%s", op->e ? op->e->text : "database");
	}
	if (code == OK)
		code = usage_write(s->db, usage, e);
	return code == OK ? sql_run(s->db, "COMMIT", SQL_NONE, NULL, e) : code;
}

static void drop_connection(struct sqlite_store *s)
{
	sql_free(s->db);
	s->db = NULL;
}

/* One commit. When it fails, nothing of any operation stays. */
static enum err_code commit(struct sqlite_store *s, struct op *batch, struct err *e)
{
	struct tx_usages usage = { 0 };
	struct err ignored;
	enum err_code code = OK;

	if (!s->db)
		code = sql_sqlite_open(&s->writer, &s->db, e);
	if (code != OK)
		return code;
	int64_t before = sql_sqlite_total_changes(s->db);
	code = run_all(s, batch, &usage, e);
	usage_done(&usage);
	if (code != OK && sql_sqlite_in_transaction(s->db) &&
		sql_run(s->db, "ROLLBACK", SQL_NONE, NULL, &ignored) != OK)
		drop_connection(s);
	else if (sql_sqlite_is_bad(s->db))
		drop_connection(s);
	else if (code == OK && sql_sqlite_total_changes(s->db) != before)
		metric_add(METRIC_COMMITS, 1, NULL, NULL, NULL);
	return code == OK ? OK : ERR_STORE_UNAVAILABLE;
}

static void *writer_main(void *ctx)
{
	struct sqlite_store *s = ctx;

	pthread_setname_np(pthread_self(), "store");
	for (struct op *batch; (batch = commit_queue_take(&s->queue, SIZE_MAX, true)) != NULL;) {
		struct err e = { 0 };
		enum err_code code = commit(s, batch, &e);
		commit_queue_answer(&s->queue, batch, code, &e);
		if (s->visitor)
			usleep(VISITOR_PAUSE_US);
	}
	return NULL;
}

static enum err_code sqlite_write(struct store *base, tx_fn fn, void *arg, struct err *e)
{
	return commit_queue_run(&down(base)->queue, fn, arg, e);
}

static enum err_code sqlite_read(struct store *base, tx_fn fn, void *arg, struct err *e)
{
	return readers_run(down(base)->readers, &base->opts, fn, arg, e);
}

/* ---- opening ---- */

static enum err_code parse_path(struct sqlite_store *s, const char *rest, struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const char *q = strchr(rest, '?');
	const char *sync = q ? url_query_get(q + 1, "synchronous", a) : NULL;

	s->path = mem_strndup(rest, q ? (size_t)(q - rest) : strlen(rest));
	s->vfs = mem_strdup(q ? url_query_get(q + 1, "vfs", a) : NULL);
	if (!s->path[0])
		return err_set(e, ERR_USAGE, "store 'sqlite:%s': a path must follow", rest);
	if (sync && strcmp(sync, "normal") != 0 && strcmp(sync, "full") != 0)
		return err_set(e, ERR_USAGE, "store: synchronous is full or normal");
	s->writer = (struct sql_sqlite_opts){
		.path = s->path,
		.vfs = s->vfs,
		.sync_normal = sync && strcmp(sync, "normal") == 0,
		.busy_ms = s->visitor ? VISITOR_BUSY_MS : OWNER_BUSY_MS,
		.busy_step_ms = s->visitor ? 5 : 1,
		/* Two connections that write and fold the log at once can damage the file (SQLite's
		 * "WAL-reset" fault, in all before 3.51.3): only the owner folds. A visitor's log is
		 * folded by the owner's next commit, or when the last connection closes. */
		.checkpoint_pages = s->visitor ? 0 : CHECKPOINT_PAGES,
	};
	return OK;
}

static enum err_code lock_folder(struct sqlite_store *s, struct err *e)
{
	autofree char *path = mem_printf("%s.lock", s->path);

	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return err_sys(e, ERR_STORE_UNAVAILABLE, errno, "open '%s'", path);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return OK;
	if (errno == EWOULDBLOCK)
		return err_set(e, ERR_STORE_IN_USE, "'%s' is used by another bulb", s->path);
	return err_sys(e, ERR_STORE_UNAVAILABLE, errno, "lock '%s'", path);
}

static enum err_code make_folder(const struct sqlite_store *s, struct err *e)
{
	autofree char *folder = mem_strdup(s->path);
	char *slash = strrchr(folder, '/');

	if (!slash || slash == folder)
		return OK;
	*slash = 0;
	return io_mkdirs(folder, 0700, e);
}

/* URLs may hold signatures: nobody else reads the file. SQLite gives -wal and -shm its mode. */
static enum err_code make_private(const struct sqlite_store *s, struct err *e)
{
	autofd fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	return fd >= 0 ? OK : err_sys(e, ERR_STORE_UNAVAILABLE, errno, "open '%s'", s->path);
}

/* Everything but the thread is undone; the thread must not run any more. */
static void dispose(struct sqlite_store *s)
{
	readers_free(s->readers);
	sql_free(s->db);
	fd_close(&s->lock_fd);
	commit_queue_done(&s->queue);
	free(s->path);
	free(s->vfs);
	free(s);
}

static enum err_code open_reader(void *ctx, struct sql **ret, struct err *e)
{
	const struct sqlite_store *s = ctx;
	struct sql_sqlite_opts o = {
		.path = s->path,
		.vfs = s->vfs,
		.read_only = true,
		.busy_ms = 2000,
		.busy_step_ms = 2,
	};

	return sql_sqlite_open(&o, ret, e);
}

static bool reader_is_bad(struct sql *db)
{
	return sql_sqlite_is_bad(db);
}

static enum err_code prepare(struct sqlite_store *s, const char *rest, struct err *e)
{
	enum err_code code = parse_path(s, rest, e);

	if (code == OK)
		code = make_folder(s, e);
	if (code == OK && !s->visitor)
		code = lock_folder(s, e);
	if (code == OK)
		code = make_private(s, e);
	if (code == OK)
		code = sql_sqlite_open(&s->writer, &s->db, e);
	if (code == OK)
		code = schema_make(s->db, e);
	if (code != OK)
		return code;
	s->readers = readers_new(&(struct readers_opts){
		.open = open_reader,
		.is_bad = reader_is_bad,
		.ctx = s,
		.begin = "BEGIN",
	});
	int rc = pthread_create(&s->thread, NULL, writer_main, s);
	return rc == 0 ? OK : err_sys(e, ERR_SYSTEM, rc, "start the store's thread");
}

static enum err_code sqlite_open(const char *rest, const struct store_opts *o, struct store **ret,
	struct err *e)
{
	struct sqlite_store *s = mem_new(struct sqlite_store);

	s->lock_fd = -1;
	s->visitor = o->short_visitor;
	commit_queue_init(&s->queue);
	enum err_code code = prepare(s, rest, e);
	if (code != OK) {
		dispose(s);
		return code;
	}
	*ret = &s->base;
	return OK;
}

static void sqlite_free(struct store *base)
{
	struct sqlite_store *s = down(base);

	commit_queue_stop(&s->queue);
	pthread_join(s->thread, NULL);
	dispose(s);
}

const struct store_impl store_sqlite = {
	.scheme = "sqlite",
	.open = sqlite_open,
	.write = sqlite_write,
	.read = sqlite_read,
	.free = sqlite_free,
};
