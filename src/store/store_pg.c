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
#include "base/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COMMITTERS 4
#define BATCH_MAX  64 /* operations of one transaction */

struct pg_store {
	struct store base;
	char *url;
	struct store_readers *readers;
	pthread_mutex_t lock;
	pthread_cond_t queued;
	struct pg_op *head, **tail;
	size_t threads_n, under_way;
	bool stopping;
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

/* Called with the lock held. */
static struct pg_op *take_batch(struct pg_store *s)
{
	struct pg_op *batch = s->head, **end = &s->head;

	for (size_t n = 0; *end && n < BATCH_MAX; n++)
		end = &(*end)->next;
	s->head = *end;
	*end = NULL;
	if (!s->head)
		s->tail = &s->head;
	return batch;
}

/* Before all others: it has waited once. */
static void put_back(struct pg_store *s, struct pg_op *op)
{
	tx_done(&op->tx);
	pthread_mutex_lock(&s->lock);
	op->next = s->head;
	if (!s->head)
		s->tail = &op->next;
	s->head = op;
	pthread_cond_signal(&s->queued);
	pthread_mutex_unlock(&s->lock);
}

static void commit_and_answer(struct pg_store *s, struct pg_committer *c, struct pg_op *batch)
{
	struct err e = { 0 };
	enum err_code code = committer_run(c, batch, &e);
	double n = 0;

	for (struct pg_op *op = batch, *next; op; op = next) {
		next = op->next; /* op belongs to its caller again once it is answered */
		if (code == OK && op->again) {
			put_back(s, op);
			continue;
		}
		n++;
		if (code != OK)
			op->code = err_set(op->e, code, "%s", e.text);
		else if (op->code == OK)
			tx_tell(&op->tx);
		sem_post(&op->done);
	}
	metric_add(METRIC_OPERATIONS, n, NULL, NULL, NULL);
}

static void *thread_main(void *ctx)
{
	struct pg_thread *t = ctx;
	struct pg_store *s = t->s;

	pthread_setname_np(pthread_self(), "store");
	pthread_mutex_lock(&s->lock);
	while (s->under_way > 0 || !s->stopping) {
		if (!s->head) {
			pthread_cond_wait(&s->queued, &s->lock);
			continue;
		}
		struct pg_op *batch = take_batch(s);
		pthread_mutex_unlock(&s->lock);
		commit_and_answer(s, &t->c, batch);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static enum err_code pg_write(struct store *base, tx_fn fn, void *arg, struct err *e)
{
	struct pg_store *s = down(base);
	struct pg_op op = { .fn = fn, .arg = arg, .e = e };

	sem_init(&op.done, 0, 0);
	pthread_mutex_lock(&s->lock);
	*s->tail = &op;
	s->tail = &op.next;
	s->under_way++;
	pthread_cond_signal(&s->queued);
	pthread_mutex_unlock(&s->lock);
	while (sem_wait(&op.done) != 0)
		;
	sem_destroy(&op.done);
	pthread_mutex_lock(&s->lock);
	if (--s->under_way == 0 && s->stopping)
		pthread_cond_broadcast(&s->queued);
	pthread_mutex_unlock(&s->lock);
	tx_done(&op.tx);
	free(op.locks);
	return op.code;
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

	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->queued);
	pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < s->threads_n; i++)
		pthread_join(s->threads[i].thread, NULL);
	for (size_t i = 0; i < s->threads_n; i++)
		committer_done(&s->threads[i].c);
	readers_free(s->readers);
	pthread_cond_destroy(&s->queued);
	pthread_mutex_destroy(&s->lock);
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
	s->tail = &s->head;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->queued, NULL);
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
