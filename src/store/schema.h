/* SPDX-License-Identifier: MIT
 *
 * The tables of SQLite's stores, and their version.
 */
#ifndef BULB_STORE_SCHEMA_H
#define BULB_STORE_SCHEMA_H

#include "store/sql.h"

#define SCHEMA_VERSION 3

/* Make the tables where there are none, and bring older ones up to this version, in one
 * transaction. ERR_STORE_NEWER when a newer bulb made them. */
enum err_code schema_make(struct sql *db, struct err *e) MUST_CHECK;

#endif
