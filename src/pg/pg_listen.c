/* SPDX-License-Identifier: MIT
 *
 * LISTEN and NOTIFY. Nobody may count on hearing one: a connection that was lost has missed some,
 * and says so by its error.
 */
#include "pg/pg_impl.h"

#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum err_code pg_listen(struct pg *c, const char *channel, struct err *e)
{
	char *name = PQescapeIdentifier(c->conn, channel, strlen(channel));

	if (!name)
		return pg_fail_conn(c, "LISTEN", e);
	autofree char *text = mem_printf("LISTEN %s", name);
	PQfreemem(name);
	return pg_simple(c, text, e);
}

enum err_code pg_notify(struct pg *c, const char *channel, const char *payload, struct err *e)
{
	struct pg_stmt st = { .text = "SELECT pg_notify($1, $2)" };
	struct pg_rows *rows = NULL;
	struct pg_value v[] = {
		{ .type = PG_TEXT, .p = channel, .n = strlen(channel) },
		{ .type = PG_TEXT, .p = payload, .n = strlen(payload) },
	};
	enum err_code code = pg_ask(c, &st, v, 2, &rows, e);

	if (code == OK)
		pg_rows_free(rows);
	return code;
}

static bool hand_out(struct pg *c, void (*fn)(void *ctx, const char *channel, const char *payload),
	void *ctx)
{
	bool any = false;
	PGnotify *n;

	while ((n = PQnotifies(c->conn)) != NULL) {
		fn(ctx, n->relname, n->extra);
		PQfreemem(n);
		any = true;
	}
	return any;
}

enum err_code pg_hear(struct pg *c, int timeout_ms, int wake_fd,
	void (*fn)(void *ctx, const char *channel, const char *payload), void *ctx, struct err *e)
{
	struct pollfd p[] = {
		{ .fd = PQsocket(c->conn), .events = POLLIN },
		{ .fd = wake_fd, .events = POLLIN },
	};

	if (hand_out(c, fn, ctx))
		return OK;
	if (poll(p, 2, timeout_ms) < 0 && errno != EINTR)
		return err_sys(e, ERR_SYSTEM, errno, "poll");
	if (p[0].revents && !PQconsumeInput(c->conn))
		return pg_fail_conn(c, "wait for notifications", e);
	hand_out(c, fn, ctx);
	return OK;
}
