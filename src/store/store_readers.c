/* SPDX-License-Identifier: MIT
 *
 * Any number read while others write, each reader seeing one moment. Transactions here are as short as
 * the call, so that they never keep a database from cleaning up behind them. A connection that met an
 * error of its own is not used again.
 *
 * A database that cannot be reached may say nothing at all. Who waits for it holds a thread that others
 * need, so while it is away one caller at a time tries to connect, and all others are told at once.
 */
#include "store/store_readers.h"

#include "base/clock.h"
#include "store/tx.h"

#include <errno.h>
#include <pthread.h>

#define PATIENCE_MS 3000 /* all connections are busy, and none comes back: it is away */

struct store_readers {
	struct readers_opts opts;
	pthread_mutex_t lock;
	pthread_cond_t returned;
	struct sql *idle[READERS_MAX];
	size_t idle_n, busy, opening;
	int64_t good_ms; /* when one came back that works */
	bool away;
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

/* Those that are idle went the same way as the one that was lost, and each would be waited for. */
static size_t take_idle(struct store_readers *r, struct sql **ret)
{
	size_t n = r->idle_n;

	for (size_t i = 0; i < n; i++)
		ret[i] = r->idle[i];
	r->idle_n = 0;
	return n;
}

static void give_back(struct store_readers *r, struct sql *db)
{
	struct sql *bad[READERS_MAX + 1];
	size_t n = 0;

	pthread_mutex_lock(&r->lock);
	if (db && r->opts.is_bad(db)) {
		n = r->opts.may_be_stale ? take_idle(r, bad) : 0;
		bad[n++] = db;
	} else if (db) {
		r->idle[r->idle_n++] = db;
		r->good_ms = clock_mono_ms();
		r->away = false;
	}
	r->busy--;
	pthread_cond_broadcast(&r->returned);
	pthread_mutex_unlock(&r->lock);
	while (n > 0)
		sql_free(bad[--n]);
}

/* Called with the lock held. false: the database is away, and somebody else looks whether it still is. */
static bool await_turn(struct store_readers *r)
{
	int64_t began = clock_mono_ms();

	while (r->busy == READERS_MAX && !r->away) {
		struct timespec until = clock_deadline(PATIENCE_MS);
		int rc = pthread_cond_clockwait(&r->returned, &r->lock, CLOCK_MONOTONIC, &until);
		int64_t since = r->good_ms > began ? r->good_ms : began;
		r->away |= rc == ETIMEDOUT && clock_mono_ms() - since >= PATIENCE_MS;
	}
	return !r->away || (r->busy < READERS_MAX && (r->idle_n > 0 || r->opening == 0));
}

/* Called with the lock held, which is let go of meanwhile. */
static enum err_code open_one(struct store_readers *r, struct sql **ret, struct err *e)
{
	r->opening++;
	pthread_mutex_unlock(&r->lock);
	enum err_code code = r->opts.open(r->opts.ctx, ret, e);
	pthread_mutex_lock(&r->lock);
	r->opening--;
	r->away |= code != OK;
	return code;
}

/* *ret_used: it was idle, and may have been lost meanwhile. */
static enum err_code take(struct store_readers *r, struct sql **ret, bool *ret_used, struct err *e)
{
	enum err_code code = OK;
	struct sql *db = NULL;

	pthread_mutex_lock(&r->lock);
	if (!await_turn(r)) {
		pthread_mutex_unlock(&r->lock);
		return err_set(e, ERR_STORE_UNAVAILABLE, "the database is away");
	}
	r->busy++;
	*ret_used = r->idle_n > 0;
	if (*ret_used)
		db = r->idle[--r->idle_n];
	else
		code = open_one(r, &db, e);
	pthread_mutex_unlock(&r->lock);
	if (code != OK)
		give_back(r, NULL);
	else
		*ret = db;
	return code;
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
	struct sql *db = NULL;

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
