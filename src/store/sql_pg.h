/* SPDX-License-Identifier: MIT
 *
 * One PostgreSQL connection behind struct sql.
 */
#ifndef BULB_STORE_SQL_PG_H
#define BULB_STORE_SQL_PG_H

#include "pg/pg.h"
#include "store/sql.h"

/* reads: it locks nothing (SQL_PG stays a comment). A statement that was posted is waited for by the
 * next one that has an answer. */
enum err_code sql_pg_open(const char *url, bool reads, struct sql **ret, struct err *e) MUST_CHECK;
/* For what struct sql has no words for. */
struct pg *sql_pg_conn(struct sql *db);
/* From now on statements are parsed anew each time: a pooler mixes up the sessions. */
void sql_pg_forget(struct sql *db);

#endif
