/* SPDX-License-Identifier: MIT
 *
 * Any number read while others write, each reader seeing one moment. Transactions here are as short as
 * the call, so that they never keep a database from cleaning up behind them. A connection that met an
 * error of its own is not used again.
 */
#include "store/store_readers.h"

#include "store/tx.h"

#include <pthread.h>

struct store_readers {
	struct readers_opts opts;
	pthread_mutex_t lock;
	pthread_cond_t returned;
	struct sql *idle[READERS_MAX];
	size_t idle_n, busy;
};

struct store_readers *readers_new(const struct readers_opts *o)
{
	struct store_readers *r = mem_new(struct store_readers);

	r->opts = *o;
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
	free(r);
}

static void give_back(struct store_readers *r, struct sql *db)
{
	if (db && r->opts.is_bad(db)) {
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

/* *ret_used: it was idle, and may have been lost meanwhile. */
static enum err_code take(struct store_readers *r, struct sql **ret, bool *ret_used, struct err *e)
{
	struct sql *db = NULL;

	pthread_mutex_lock(&r->lock);
	while (r->busy == READERS_MAX)
		pthread_cond_wait(&r->returned, &r->lock);
	r->busy++;
	if (r->idle_n > 0)
		db = r->idle[--r->idle_n];
	pthread_mutex_unlock(&r->lock);
	*ret_used = db != NULL;
	enum err_code code = db ? OK : r->opts.open(r->opts.ctx, &db, e);
	if (code != OK) {
		give_back(r, NULL);
		return code;
	}
	*ret = db;
	return OK;
}

static enum err_code run(struct store_readers *r, struct sql *db, const struct store_opts *o,
	tx_fn fn, void *arg, struct err *e)
{
	struct err ignored;
	int64_t none;
	struct tx t;
	enum err_code code = sql_run(db, r->opts.begin, SQL_NONE, NULL, e);

	if (code != OK)
		return code;
	tx_init(&t, db, o);
	code = fn(&t, arg, e);
	tx_done(&t);
	enum err_code end = sql_run(db, "ROLLBACK", SQL_NONE, &none, &ignored);
	if (code == OK && end != OK)
		return err_set(e, ERR_STORE_UNAVAILABLE, "%s", ignored.text);
	return code;
}

enum err_code readers_run(struct store_readers *r, const struct store_opts *o, tx_fn fn, void *arg,
	struct err *e)
{
	enum err_code code;
	bool used = false, stale = true;
	struct sql *db;

	do {
		code = take(r, &db, &used, e);
		if (code != OK)
			return code;
		code = run(r, db, o, fn, arg, e);
		stale = code != OK && used && r->opts.may_be_stale && r->opts.is_bad(db);
		give_back(r, db);
	} while (stale);
	return code;
}
