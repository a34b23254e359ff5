/* SPDX-License-Identifier: MIT
 *
 * The tables in a PostgreSQL database.
 */
#ifndef BULB_STORE_SCHEMA_PG_H
#define BULB_STORE_SCHEMA_PG_H

#include "store/sql.h"

/* Make the tables in the schema that search_path begins with, or bring older ones up to this version,
 * in one transaction that only one process at a time is in. await: only wait (30 s) until another has
 * done it. ERR_STORE_NEWER when a newer bulb made them; ERR_STORE_UNAVAILABLE. */
enum err_code schema_pg_make(struct sql *db, bool await, struct err *e) MUST_CHECK;
/* Is an acknowledged commit durable? ERR_USAGE where fsync, full_page_writes or synchronous_commit are
 * off. */
enum err_code schema_pg_check_durable(struct sql *db, struct err *e) MUST_CHECK;

#endif
