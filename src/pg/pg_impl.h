/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share.
 */
#ifndef BULB_PG_PG_IMPL_H
#define BULB_PG_PG_IMPL_H

#include "pg/pg.h"

#include <libpq-fe.h>

#define PG_PENDING_MAX 256 /* answers that wait in the socket: few enough never to fill it */

/* A command that was sent, whose answer was not read yet. */
struct pg_pending {
	struct pg_stmt *prepares; /* NULL: it runs something */
	const char *text;
	int64_t must_change;
};
struct pg {
	PGconn *conn;
	enum pg_fault fault;
	int64_t changes, posted;
	struct pg_pending pending[PG_PENDING_MAX];
	size_t pending_n;
};
struct pg_rows {
	PGresult *res;
};

/* The connection's own error, where there is no result. */
enum err_code pg_fail_conn(struct pg *c, const char *what, struct err *e);
/* One text by the simple protocol. */
enum err_code pg_simple(struct pg *c, const char *text, struct err *e) MUST_CHECK;

#endif
