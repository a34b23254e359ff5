/* SPDX-License-Identifier: MIT
 *
 * One SQLite connection. The only header of the room that knows there is such a thing.
 */
#ifndef BULB_STORE_SQL_SQLITE_H
#define BULB_STORE_SQL_SQLITE_H

#include "store/sql.h"

struct sql_sqlite_opts {
	const char *path;     /* ":memory:" too */
	const char *vfs;      /* NULL: SQLite's own; tests put another under it */
	bool read_only;       /* a reader: never writes, never creates */
	bool sync_normal;     /* synchronous=NORMAL: forgets on power loss; for tests of that */
	int busy_ms;          /* how long to wait for another process's commit, */
	int busy_step_ms;     /* asking again so often */
	int checkpoint_pages; /* WAL pages after which a commit moves them; 0: never */
};
enum err_code sql_sqlite_open(const struct sql_sqlite_opts *o, struct sql **ret, struct err *e)
	MUST_CHECK;
/* Run a script of several statements, once. */
enum err_code sql_sqlite_script(struct sql *db, const char *text, struct err *e) MUST_CHECK;
/* Did an I/O error make this connection doubtful? Then close it and open another. */
bool sql_sqlite_is_bad(const struct sql *db);
/* Is a transaction open? After some errors SQLite has rolled it back by itself. */
bool sql_sqlite_in_transaction(const struct sql *db);
/* Rows changed since it was opened: did a transaction write anything? */
int64_t sql_sqlite_total_changes(const struct sql *db);

#endif
