/* SPDX-License-Identifier: MIT
 *
 * "memory:", a store that ends with its process: the same transitions over a SQLite database that
 * has no file. It is a twin of the interface, not of the SQL: what it shows is that nothing above
 * depends on the writer thread, on group commit or on separate readers, for it has none of them.
 * Every call runs on the caller's thread, one at a time. `bulb run --no-cache` lives here.
 */
#include "store/schema.h"
#include "store/sql_sqlite.h"
#include "store/tx.h"

#include "base/metrics.h"

#include <pthread.h>

struct memory_store {
	struct store base;
	struct sql *db;
	pthread_mutex_t lock;
};

static enum err_code memory_open(const char *rest, const struct store_opts *o, struct store **ret,
	struct err *e)
{
	struct sql_sqlite_opts so = { .path = ":memory:" };
	struct sql *db;

	(void)o;
	if (rest[0])
		return err_set(e, ERR_USAGE, "store 'memory:%s': nothing may follow", rest);
	enum err_code code = sql_sqlite_open(&so, &db, e);
	if (code == OK)
		code = schema_make(db, e);
	if (code != OK)
		return code;
	struct memory_store *m = mem_new(struct memory_store);
	m->db = db;
	pthread_mutex_init(&m->lock, NULL);
	*ret = &m->base;
	return OK;
}

static enum err_code run(struct memory_store *m, struct tx *t, tx_fn fn, void *arg, struct err *e)
{
	struct err ignored;
	enum err_code code = sql_run(m->db, "BEGIN IMMEDIATE", SQL_NONE, NULL, e);

	if (code != OK)
		return code;
	tx_init(t, m->db, &m->base.opts);
	code = fn(t, arg, e);
	if (code == OK)
		code = tx_flush(t, e);
	if (code == OK)
		code = usage_write(m->db, &t->usage, e);
	if (code == OK)
		return sql_run(m->db, "COMMIT", SQL_NONE, NULL, e);
	if (sql_run(m->db, "ROLLBACK", SQL_NONE, NULL, &ignored) != OK)
		return err_set(e, ERR_INTERNAL, "rollback: %s", ignored.text);
	return code;
}

static enum err_code memory_write(struct store *s, tx_fn fn, void *arg, struct err *e)
{
	struct memory_store *m = container_of(s, struct memory_store, base);
	struct tx t = { 0 };

	pthread_mutex_lock(&m->lock);
	enum err_code code = run(m, &t, fn, arg, e);
	pthread_mutex_unlock(&m->lock);
	metric_add(METRIC_COMMITS, 1, NULL, NULL, NULL);
	metric_add(METRIC_OPERATIONS, 1, NULL, NULL, NULL);
	if (code == OK)
		tx_tell(&t);
	tx_done(&t);
	return code;
}

static enum err_code memory_read(struct store *s, tx_fn fn, void *arg, struct err *e)
{
	struct memory_store *m = container_of(s, struct memory_store, base);
	struct tx t = { 0 };

	pthread_mutex_lock(&m->lock);
	enum err_code code = run(m, &t, fn, arg, e);
	pthread_mutex_unlock(&m->lock);
	tx_done(&t);
	return code;
}

static void memory_free(struct store *s)
{
	struct memory_store *m = container_of(s, struct memory_store, base);

	sql_free(m->db);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

const struct store_impl store_memory = {
	.scheme = "memory",
	.open = memory_open,
	.write = memory_write,
	.read = memory_read,
	.free = memory_free,
};
