/* SPDX-License-Identifier: MIT
 *
 * "postgres://…", the store that many processes share. A few threads commit, each over a connection of
 * its own, and each takes what has queued up into its next transaction; the database syncs the commits
 * of all of them together. Time is the database's, so that the clocks of many machines need not agree
 * on when a lease is over.
 *
 * Nothing here leans on a session but through SET LOCAL and locks that end with the transaction, so a
 * pooler that lends sessions a transaction at a time may stand in between.
 */
#include "store/pg_commit.h"
#include "store/schema_pg.h"
#include "store/sql_pg.h"
#include "store/store_readers.h"

#include "base/buf.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COMMITTERS 3 /* those that wait for the same job do not fill batches */

struct pg_store {
	struct store base;
	char *url;
	struct store_readers *readers;
	struct commit_queue queue;
	size_t threads_n;
	struct pg_thread {
		struct pg_store *s;
		struct pg_committer c;
		pthread_t thread;
	} threads[COMMITTERS];
};

static struct pg_store *down(struct store *s)
{
	return container_of(s, struct pg_store, base);
}

/* ---- the threads ---- */

static void *thread_main(void *ctx)
{
	struct pg_thread *t = ctx;
	struct commit_queue *q = &t->s->queue;

	pthread_setname_np(pthread_self(), "store");
	for (struct op *batch; (batch = commit_queue_take(q, BATCH_MAX, false)) != NULL;) {
		struct err e = { 0 };
		enum err_code code = committer_run(&t->c, batch, &e);
		commit_queue_answer(q, batch, code, &e);
	}
	return NULL;
}

static enum err_code pg_write(struct store *base, tx_fn fn, void *arg, struct err *e)
{
	return commit_queue_run(&down(base)->queue, fn, arg, e);
}

static enum err_code pg_read(struct store *base, tx_fn fn, void *arg, struct err *e)
{
	return readers_run(down(base)->readers, &base->opts, fn, arg, e);
}

/* ---- opening ---- */

static enum err_code open_reader(void *ctx, struct sql **ret, struct err *e)
{
	const struct pg_store *s = ctx;
	enum err_code code = sql_pg_open(s->url, true, ret, e);

	if (code == OK && s->threads[0].c.unprepared)
		sql_pg_forget(*ret);
	return code;
}

static bool reader_is_bad(struct sql *db)
{
	enum pg_fault f = pg_fault(sql_pg_conn(db));

	return f == PG_LOST || f == PG_UNPREPARED || pg_in_transaction(sql_pg_conn(db));
}

/* The URL without what only we understand. */
static char *url_of(const char *scheme, const char *rest, bool *ret_any)
{
	autofree char *url = mem_printf("%s:%s", scheme, rest);

	return pg_url_without(url, "durability=any", ret_any);
}

static enum err_code prepare(struct pg_store *s, const struct store_opts *o, bool any,
	struct err *e)
{
	struct sql *db = NULL;
	enum err_code code = sql_pg_open(s->url, false, &db, e);

	if (code == OK && !any)
		code = schema_pg_check_durable(db, e);
	if (code == OK)
		code = schema_pg_make(db, o->await_schema, e);
	sql_free(db);
	return code;
}

static enum err_code start_threads(struct pg_store *s, struct err *e)
{
	for (size_t i = 0; i < COMMITTERS; i++) {
		struct pg_thread *t = &s->threads[i];
		t->s = s;
		t->c.url = s->url;
		t->c.opts = &s->base.opts;
		t->c.seed = (unsigned)random_below(UINT32_MAX);
		id_new(t->c.id);
		int rc = pthread_create(&t->thread, NULL, thread_main, t);
		if (rc != 0)
			return err_sys(e, ERR_SYSTEM, rc, "start a thread of the store");
		s->threads_n++;
	}
	return OK;
}

static void pg_store_free(struct store *base)
{
	struct pg_store *s = down(base);

	commit_queue_stop(&s->queue);
	for (size_t i = 0; i < s->threads_n; i++)
		pthread_join(s->threads[i].thread, NULL);
	for (size_t i = 0; i < s->threads_n; i++)
		committer_done(&s->threads[i].c);
	readers_free(s->readers);
	commit_queue_done(&s->queue);
	mem_wipe(s->url, strlen(s->url));
	free(s->url);
	free(s);
}

static enum err_code open_as(const char *scheme, const char *rest, const struct store_opts *o,
	struct store **ret, struct err *e)
{
	struct pg_store *s = mem_new(struct pg_store);
	bool any;

	s->url = url_of(scheme, rest, &any);
	commit_queue_init(&s->queue);
	s->readers = readers_new(&(struct readers_opts){
		.open = open_reader,
		.is_bad = reader_is_bad,
		.ctx = s,
		.begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
		.may_be_stale = true,
	});
	enum err_code code = prepare(s, o, any, e);
	if (code == OK)
		code = start_threads(s, e);
	if (code != OK) {
		pg_store_free(&s->base);
		return code;
	}
	*ret = &s->base;
	return OK;
}

static enum err_code postgres_open(const char *rest, const struct store_opts *o, struct store **ret,
	struct err *e)
{
	return open_as("postgres", rest, o, ret, e);
}

static enum err_code postgresql_open(const char *rest, const struct store_opts *o,
	struct store **ret, struct err *e)
{
	return open_as("postgresql", rest, o, ret, e);
}

const struct store_impl store_postgres = {
	.scheme = "postgres",
	.open = postgres_open,
	.write = pg_write,
	.read = pg_read,
	.free = pg_store_free,
};
const struct store_impl store_postgresql = {
	.scheme = "postgresql",
	.open = postgresql_open,
	.write = pg_write,
	.read = pg_read,
	.free = pg_store_free,
};
