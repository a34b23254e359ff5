/* SPDX-License-Identifier: MIT
 *
 * Making the tables, in one transaction: a folder has all of them or none. schema.sql is built into
 * the binary.
 */
#include "store/schema.h"

#include "base/embed.h"
#include "store/sql_sqlite.h"

extern const struct embedded embedded_store[];

static enum err_code check_version(struct sql *db, struct err *e)
{
	int64_t version = 0;
	enum err_code code = sql_get(db, "SELECT version FROM meta", SQL_NONE, &version, e);

	if (code == OK && version > SCHEMA_VERSION)
		return err_set(e, ERR_STORE_NEWER, "schema %lld; this bulb knows up to %d",
			(long long)version, SCHEMA_VERSION);
	return code;
}

static enum err_code make(struct sql *db, struct err *e)
{
	int64_t there = 0;
	enum err_code code = sql_get(db, "SELECT count(*) FROM sqlite_master WHERE name = 'meta'",
		SQL_NONE, &there, e);

	if (code != OK || there)
		return code;
	return sql_sqlite_script(db, embedded_store[0].data, e);
}

enum err_code schema_make(struct sql *db, struct err *e)
{
	enum err_code code = sql_run(db, "BEGIN IMMEDIATE", SQL_NONE, NULL, e);

	if (code == OK)
		code = make(db, e);
	if (code == OK)
		code = sql_run(db, "COMMIT", SQL_NONE, NULL, e);
	return code == OK ? check_version(db, e) : code;
}
