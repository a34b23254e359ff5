/* SPDX-License-Identifier: MIT
 *
 * A WAL database lets any number read while one writes, each reader seeing one moment. Transactions
 * here are as short as the call, so that they never keep the WAL from being folded into the file. A
 * connection that met an I/O error is not used again.
 */
#include "store/store_readers.h"

#include "store/sql_sqlite.h"
#include "store/tx.h"

#include <pthread.h>

#define READERS_MAX 16

struct store_readers {
	char *path, *vfs;
	pthread_mutex_t lock;
	pthread_cond_t returned;
	struct sql *idle[READERS_MAX];
	size_t idle_n, busy;
};

struct store_readers *readers_new(const char *path, const char *vfs)
{
	struct store_readers *r = mem_new(struct store_readers);

	r->path = mem_strdup(path);
	r->vfs = mem_strdup(vfs);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->returned, NULL);
	return r;
}

void readers_free(struct store_readers *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	while (r->busy > 0)
		pthread_cond_wait(&r->returned, &r->lock);
	pthread_mutex_unlock(&r->lock);
	while (r->idle_n > 0)
		sql_free(r->idle[--r->idle_n]);
	pthread_cond_destroy(&r->returned);
	pthread_mutex_destroy(&r->lock);
	free(r->path);
	free(r->vfs);
	free(r);
}

static void give_back(struct store_readers *r, struct sql *db)
{
	if (db && sql_sqlite_is_bad(db)) {
		sql_free(db);
		db = NULL;
	}
	pthread_mutex_lock(&r->lock);
	if (db)
		r->idle[r->idle_n++] = db;
	r->busy--;
	pthread_cond_broadcast(&r->returned);
	pthread_mutex_unlock(&r->lock);
}

static enum err_code take(struct store_readers *r, struct sql **ret, struct err *e)
{
	struct sql_sqlite_opts o = {
		.path = r->path,
		.vfs = r->vfs,
		.read_only = true,
		.busy_ms = 2000,
		.busy_step_ms = 2,
	};
	struct sql *db = NULL;

	pthread_mutex_lock(&r->lock);
	while (r->busy == READERS_MAX)
		pthread_cond_wait(&r->returned, &r->lock);
	r->busy++;
	if (r->idle_n > 0)
		db = r->idle[--r->idle_n];
	pthread_mutex_unlock(&r->lock);
	enum err_code code = db ? OK : sql_sqlite_open(&o, &db, e);
	if (code != OK) {
		give_back(r, NULL);
		return code;
	}
	*ret = db;
	return OK;
}

static enum err_code run(struct sql *db, const struct store_opts *o, tx_fn fn, void *arg,
	struct err *e)
{
	struct err ignored;
	struct tx t;
	enum err_code code = sql_run(db, "BEGIN", SQL_NONE, NULL, e);

	if (code != OK)
		return code;
	tx_init(&t, db, o);
	code = fn(&t, arg, e);
	tx_done(&t);
	enum err_code end = sql_run(db, "ROLLBACK", SQL_NONE, NULL, &ignored);
	if (code == OK && end != OK)
		return err_set(e, ERR_STORE_UNAVAILABLE, "%s", ignored.text);
	return code;
}

enum err_code readers_run(struct store_readers *r, const struct store_opts *o, tx_fn fn, void *arg,
	struct err *e)
{
	struct sql *db;
	enum err_code code = take(r, &db, e);

	if (code != OK)
		return code;
	code = run(db, o, fn, arg, e);
	give_back(r, db);
	return code;
}
