/* SPDX-License-Identifier: MIT
 *
 * One connection to PostgreSQL, for one thread at a time: statements with values, sent one after the
 * other without waiting where nobody needs the answer yet (libpq's pipeline mode), and notifications.
 * What libpq's URLs can say it understands: sslmode, several hosts, a password file, a service.
 *
 * A connection that is lost stays lost: open another. ERR_STORE_UNAVAILABLE is what may pass (the
 * server is away, full or starting), ERR_INTERNAL a mistake of ours; pg_fault says more.
 */
#ifndef BULB_PG_PG_H
#define BULB_PG_PG_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pg;
/* url: postgres://… or postgresql://…; it may hold a password, which no error text repeats. Waits for
 * at most connect_timeout (5 s unless the URL says otherwise) and host. ERR_USAGE: it is no such URL.
 * ERR_STORE_UNAVAILABLE. */
enum err_code pg_open(const char *url, struct pg **ret, struct err *e) MUST_CHECK;
void pg_free(struct pg *c); /* NULL is fine */

/* The URL without a parameter that only we understand; *ret_was: it was there. The caller frees. */
char *pg_url_without(const char *url, const char *param, bool *ret_was);

/* Does something stand in between that may give each transaction another session? Then nothing can be
 * prepared. */
enum err_code pg_is_pooled(struct pg *c, bool *ret, struct err *e) MUST_CHECK;

/* Why the last call failed. */
enum pg_fault {
	PG_FINE,
	PG_LOST,     /* the connection is gone, or the server is going */
	PG_SERIAL,   /* 40001: could not serialise; run the transaction again */
	PG_DEADLOCK, /* 40P01: likewise */
	PG_UNIQUE,   /* 23505: such a row is there already */
	PG_UNPREPARED, /* a pooler gave us a session that does not know our statement, or knows another */
	PG_SURPRISE, /* a statement changed another number of rows than it had to */
	PG_OTHER
};
enum pg_fault pg_fault(const struct pg *c);

enum pg_type { PG_NULL, PG_INT, PG_TEXT, PG_BYTES };
/* A value; what it points to must live until the call returns. A text is UTF-8 without zero bytes. */
struct pg_value {
	enum pg_type type;
	int64_t i;
	const void *p;
	size_t n;
};
#define PG_VALUES_MAX 64

/* A statement with placeholders $1 … $n. Where it has a name it is prepared once a connection; a name
 * stands for its text in every process, so two that meet in a pooler's session mean the same. */
struct pg_stmt {
	const char *text;
	char name[24]; /* "": parsed anew each time */
	bool prepared;
};
void pg_stmt_init(struct pg_stmt *st, const char *text);

/* Send it and go on; what goes wrong is the error of a later call. must_change: rows that it must
 * change, -1: any number. */
enum err_code pg_post(struct pg *c, struct pg_stmt *st, const struct pg_value *v, size_t n,
	int64_t must_change, struct err *e) MUST_CHECK;
/* Send it and wait for it and for all that was posted before. After an error the rest of what was
 * posted is not run, and an open transaction can only be rolled back (to a savepoint). */
struct pg_rows;
enum err_code pg_ask(struct pg *c, struct pg_stmt *st, const struct pg_value *v, size_t n,
	struct pg_rows **ret, struct err *e) MUST_CHECK;
/* Wait for all that was posted. */
enum err_code pg_wait(struct pg *c, struct err *e) MUST_CHECK;
/* Several statements in one text, without values, as one transaction unless it says otherwise. */
enum err_code pg_script(struct pg *c, const char *text, struct err *e) MUST_CHECK;
int64_t pg_changes(const struct pg *c); /* rows changed since it was opened */
int64_t pg_posted(const struct pg *c);  /* statements posted since */
bool pg_in_transaction(const struct pg *c);

/* The rows of one statement. Texts and bytes live until pg_rows_free. */
void pg_rows_free(struct pg_rows *r); /* NULL is fine */
int pg_rows_n(const struct pg_rows *r);
int64_t pg_rows_changed(const struct pg_rows *r);
bool pg_is_null(const struct pg_rows *r, int row, int col);
int64_t pg_int(const struct pg_rows *r, int row,
	int col); /* any integer, numeric, boolean; NULL: 0 */
const char *pg_text(const struct pg_rows *r, int row, int col); /* NULL for SQL's NULL */
const void *pg_bytes(const struct pg_rows *r, int row, int col, size_t *ret_n);

/* ---- notifications: hints, lost with the connection. They need a session of their own (a pooler in
 * transaction mode has none to give). */
enum err_code pg_listen(struct pg *c, const char *channel, struct err *e) MUST_CHECK;
enum err_code pg_notify(struct pg *c, const char *channel, const char *payload, struct err *e)
	MUST_CHECK;
/* Wait for at most timeout_ms, then hand out what came; wake_fd (or -1): readable ends the wait. */
enum err_code pg_hear(struct pg *c, int timeout_ms, int wake_fd,
	void (*fn)(void *ctx, const char *channel, const char *payload), void *ctx, struct err *e)
	MUST_CHECK;

#endif
