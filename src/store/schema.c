/* SPDX-License-Identifier: MIT
 *
 * Making the tables, in one transaction: a folder has all of them or none. schema.sql is the whole
 * text as it is now; a store of an older version takes the steps that it lacks, migrate_N.sql from
 * N-1 to N, in one transaction too, and is then as if it had been made by schema.sql. A step adds
 * tables, indexes and columns that have a default; it never rewrites rows.
 */
#include "store/schema.h"

#include "base/embed.h"
#include "store/sql_sqlite.h"

/* schema.sql, migrate_2.sql, … */
extern const struct embedded embedded_store[];

static enum err_code migrate(struct sql *db, struct err *e)
{
	int64_t version = 0;
	enum err_code code = sql_get(db, "SELECT version FROM meta", SQL_NONE, &version, e);

	if (code == OK && version > SCHEMA_VERSION)
		return err_set(e, ERR_STORE_NEWER, "schema %lld; this bulb knows up to %d",
			(long long)version, SCHEMA_VERSION);
	if (code == OK && version < 1)
		return err_set(e, ERR_STORE_UNAVAILABLE, "schema %lld: there is no such version",
			(long long)version);
	for (; code == OK && version < SCHEMA_VERSION; version++)
		code = sql_sqlite_script(db, embedded_store[version].data, e);
	return code;
}

static enum err_code make(struct sql *db, struct err *e)
{
	int64_t there = 0;
	enum err_code code = sql_get(db, "SELECT count(*) FROM sqlite_master WHERE name = 'meta'",
		SQL_NONE, &there, e);

	if (code != OK)
		return code;
	return there ? migrate(db, e) : sql_sqlite_script(db, embedded_store[0].data, e);
}

enum err_code schema_make(struct sql *db, struct err *e)
{
	struct err ignored;
	enum err_code code = sql_run(db, "BEGIN IMMEDIATE", SQL_NONE, NULL, e);

	if (code != OK)
		return code;
	code = make(db, e);
	if (code == OK)
		return sql_run(db, "COMMIT", SQL_NONE, NULL, e);
	(void)!sql_run(db, "ROLLBACK", SQL_NONE, NULL, &ignored);
	return code;
}
