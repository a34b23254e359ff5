/* SPDX-License-Identifier: MIT
 *
 * libpq in pipeline mode: a statement whose answer nobody needs at once is sent and forgotten until
 * somebody waits, so that a transaction costs as many round trips as it asks questions, and not as
 * many as it has statements. Everything of libpq's errors is translated here.
 *
 * What the socket holds is bounded: libpq's blocking writes and a server that cannot get rid of its
 * answers would else wait for each other.
 */
#include "pg/pg_impl.h"

#include "base/digest.h"
#include "base/mem.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

#define OID_BYTEA 17
#define OID_INT8  20
#define OID_TEXT  25

/* ---- errors ---- */

static enum pg_fault fault_of(const char *state)
{
	static const struct {
		const char *state;
		enum pg_fault fault;
	} known[] = {
		{ "40001", PG_SERIAL }, { "40P01", PG_DEADLOCK }, { "23505", PG_UNIQUE },
		{ "26000", PG_UNPREPARED },            /* no such statement */
		{ "42P05", PG_UNPREPARED },            /* there is one of this name */
		{ "08", PG_LOST }, { "57P", PG_LOST }, /* shut down, crashed, starting */
		{ "25006", PG_LOST },                  /* read only: it is a standby now */
		{ "25P03", PG_LOST },                  /* idle in transaction for too long */
	};

	for (size_t i = 0; state && i < ARRAY_LEN(known); i++)
		if (strncmp(state, known[i].state, strlen(known[i].state)) == 0)
			return known[i].fault;
	return state ? PG_OTHER : PG_LOST;
}

/* No room (53), an operator or a time limit (57), the system under it (58), a lock (55): may pass. */
static enum err_code code_of(enum pg_fault f, const char *state)
{
	if (f != PG_OTHER)
		return ERR_STORE_UNAVAILABLE;
	return strncmp(state, "53", 2) == 0 || strncmp(state, "57", 2) == 0 ||
			strncmp(state, "58", 2) == 0 || strncmp(state, "55", 2) == 0
		? ERR_STORE_UNAVAILABLE
		: ERR_INTERNAL;
}

static void one_line(char *s)
{
	for (; *s; s++)
		if (*s == '\n' || *s == '\t')
			*s = ' ';
}

/* Several servers that were tried have a line each. The caller frees. */
static char *words_of(const struct pg *c)
{
	char *text = mem_strdup(PQerrorMessage(c->conn));
	size_t n = strlen(text);

	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	one_line(text);
	return text;
}

enum err_code pg_fail_conn(struct pg *c, const char *what, struct err *e)
{
	autofree char *text = words_of(c);

	c->fault = PG_LOST;
	return err_set(e, ERR_STORE_UNAVAILABLE, "database: %s at '%.60s'", text, what);
}

static enum err_code fail(struct pg *c, const PGresult *res, const char *what, struct err *e)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	if (!state || PQstatus(c->conn) == CONNECTION_BAD) {
		enum err_code code = pg_fail_conn(c, what, e);
		return text ? err_set(e, code, "database: %s at '%.60s'", text, what) : code;
	}
	c->fault = fault_of(state);
	return err_set(e, code_of(c->fault, state), "database: %s (%s) at '%.60s'",
		text ? text : "failed", state, what);
}

enum pg_fault pg_fault(const struct pg *c)
{
	return c->fault;
}

/* ---- opening ---- */

/* libpq's words for a URL that it cannot read may repeat all of it. */
static enum err_code check_url(const char *url, struct err *e)
{
	char *why = NULL;
	PQconninfoOption *o = PQconninfoParse(url, &why);
	bool ok = o != NULL, secret = strchr(url, '@') != NULL;

	if (!ok)
		(void)err_set(e, ERR_USAGE, "not a URL of a PostgreSQL database: %s",
			!secret && why ? why : "see 'Connection URIs' in its manual");
	if (e && !ok)
		one_line(e->text);
	PQconninfoFree(o);
	PQfreemem(why);
	return ok ? OK : ERR_USAGE;
}

static void ignore_notice(void *ctx, const char *text)
{
	(void)ctx, (void)text;
}

/* What stands before the URL it may override; what stands after it may not. A server that is gone is
 * noticed within 11 s. */
static PGconn *connect_to(const char *url)
{
	static const char *const names[] = { "connect_timeout", "keepalives_idle",
		"keepalives_interval", "keepalives_count", "tcp_user_timeout", "application_name",
		"dbname", "client_encoding", NULL };
	const char *values[] = { "5", "5", "3", "2", "10000", "bulb", url, "UTF8", NULL };

	return PQconnectdbParams(names, values, 1);
}

/* The server, too, is to notice within two minutes that we are gone: by default it keeps the session for
 * hours, and they would add up to all that it takes. */
static void ask_to_be_watched(PGconn *conn)
{
	PQclear(PQexec(conn,
		"SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 15;"
		" SET tcp_keepalives_count = 3"));
}

/* What libpq says of a server that could not prove who it is, it says in words only. */
static const char *advice(const char *text)
{
	if (strstr(text, "does not match host name"))
		return "; the URL's host is to be a name that the certificate has";
	if (strstr(text, "certificate verify failed"))
		return "; sslrootcert in the URL is to be the file of the authority that signed it";
	return "";
}

static enum err_code fail_to_connect(struct pg *c, struct err *e)
{
	autofree char *text = words_of(c);

	return err_set(e, ERR_STORE_UNAVAILABLE, "database: %s%s", text, advice(text));
}

enum err_code pg_open(const char *url, struct pg **ret, struct err *e)
{
	enum err_code code = check_url(url, e);

	if (code != OK)
		return code;
	struct pg *c = mem_new(struct pg);
	c->conn = connect_to(url);
	if (!c->conn)
		mem_exhausted();
	if (PQstatus(c->conn) != CONNECTION_OK) {
		code = fail_to_connect(c, e);
	} else {
		PQsetNoticeProcessor(c->conn, ignore_notice, NULL);
		ask_to_be_watched(c->conn);
		if (!PQenterPipelineMode(c->conn))
			code = pg_fail_conn(c, "pipeline", e);
	}
	if (code != OK) {
		pg_free(c);
		return code;
	}
	*ret = c;
	return OK;
}

void pg_free(struct pg *c)
{
	if (!c)
		return;
	PQfinish(c->conn);
	free(c);
}

/* ---- reading answers ---- */

static bool is_good(ExecStatusType s)
{
	return s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK;
}

/* The answer to one command; NULL: the connection is gone. */
static PGresult *answer(struct pg *c)
{
	PGresult *res = PQgetResult(c->conn), *more;

	while (res && (more = PQgetResult(c->conn)) != NULL)
		PQclear(more);
	return res;
}

static enum err_code look_at(struct pg *c, const struct pg_pending *p, const PGresult *res,
	struct err *e)
{
	if (!res)
		return pg_fail_conn(c, p->text, e);
	if (p->prepares)
		p->prepares->prepared = is_good(PQresultStatus(res));
	if (!is_good(PQresultStatus(res)))
		return fail(c, res, p->text, e);
	if (p->prepares || strncmp(PQcmdStatus((PGresult *)(uintptr_t)res), "SELECT", 6) == 0)
		return OK;
	int64_t changed = strtoll(PQcmdTuples((PGresult *)(uintptr_t)res), NULL, 10);
	c->changes += changed;
	if (p->must_change < 0 || changed == p->must_change)
		return OK;
	c->fault = PG_SURPRISE;
	return err_set(e, ERR_STORE_UNAVAILABLE,
		"database: %lld rows changed, not %lld, at '%.60s'", (long long)changed,
		(long long)p->must_change, p->text);
}

/* After an error the rest was not run; a statement that was to be prepared there is not. */
static void skip(struct pg *c, const struct pg_pending *p, const PGresult *res)
{
	if (!res || PQstatus(c->conn) == CONNECTION_BAD)
		c->fault = PG_LOST;
	if (p->prepares && !(res && is_good(PQresultStatus(res))))
		p->prepares->prepared = false;
}

/* Read all answers. The first error stands. ret: the last answer. */
static enum err_code drain(struct pg *c, PGresult **ret, struct err *e)
{
	enum err_code code = OK;

	if (c->pending_n > 0 && !PQpipelineSync(c->conn))
		code = pg_fail_conn(c, "send", e);
	for (size_t i = 0; i < c->pending_n; i++) {
		PGresult *res = c->fault == PG_LOST ? NULL : answer(c);
		if (code == OK)
			code = look_at(c, &c->pending[i], res, e);
		else
			skip(c, &c->pending[i], res);
		if (ret && i + 1 == c->pending_n && code == OK)
			*ret = TAKE(&res);
		PQclear(res);
	}
	if (c->pending_n > 0 && c->fault != PG_LOST)
		PQclear(PQgetResult(c->conn)); /* of the sync */
	c->pending_n = 0;
	return code;
}

/* ---- sending ---- */

void pg_stmt_init(struct pg_stmt *st, const char *text)
{
	uint8_t sum[SHA256_LEN];

	*st = (struct pg_stmt){ .text = text };
	sha256_of(text, strlen(text), sum);
	memcpy(st->name, "b_", 2);
	hex_format(sum, 10, st->name + 2);
}

struct params {
	Oid types[PG_VALUES_MAX];
	const char *values[PG_VALUES_MAX];
	int lengths[PG_VALUES_MAX], formats[PG_VALUES_MAX];
	int64_t ints[PG_VALUES_MAX];
};

static void params_fill(struct params *p, const struct pg_value *v, size_t n)
{
	static const Oid oids[] = { 0, OID_INT8, OID_TEXT, OID_BYTEA };

	assert(n <= PG_VALUES_MAX);
	for (size_t i = 0; i < n; i++) {
		p->types[i] = oids[v[i].type];
		p->formats[i] = 1;
		p->ints[i] = (int64_t)htobe64((uint64_t)v[i].i);
		p->values[i] = v[i].type == PG_NULL ? NULL
			: v[i].type == PG_INT       ? (const char *)&p->ints[i]
			: v[i].p                    ? v[i].p
						    : "";
		p->lengths[i] = v[i].type == PG_INT ? 8 : (int)v[i].n;
	}
}

static void note(struct pg *c, struct pg_stmt *prepares, const char *text, int64_t must_change)
{
	c->pending[c->pending_n++] = (struct pg_pending){ prepares, text, must_change };
}

static enum err_code send(struct pg *c, struct pg_stmt *st, const struct pg_value *v, size_t n,
	int64_t must_change, struct err *e)
{
	struct params p;
	int ok = 1;

	params_fill(&p, v, n);
	if (st->name[0] && !st->prepared) {
		ok = PQsendPrepare(c->conn, st->name, st->text, (int)n, p.types);
		st->prepared = ok;
		if (ok)
			note(c, st, st->text, -1);
	}
	if (ok && st->name[0])
		ok = PQsendQueryPrepared(c->conn, st->name, (int)n, p.values, p.lengths, p.formats,
			1);
	else if (ok)
		ok = PQsendQueryParams(c->conn, st->text, (int)n, p.types, p.values, p.lengths,
			p.formats, 1);
	if (!ok)
		return pg_fail_conn(c, st->text, e);
	note(c, NULL, st->text, must_change);
	return OK;
}

/* Once lost it stays so: nothing may be sent into what was an open transaction. */
static enum err_code check(struct pg *c, struct err *e)
{
	if (c->fault == PG_LOST)
		return err_set(e, ERR_STORE_UNAVAILABLE, "database: the connection is lost");
	c->fault = PG_FINE;
	return OK;
}

enum err_code pg_post(struct pg *c, struct pg_stmt *st, const struct pg_value *v, size_t n,
	int64_t must_change, struct err *e)
{
	enum err_code code = check(c, e);

	if (code == OK)
		code = send(c, st, v, n, must_change, e);
	c->posted++;
	return code == OK && c->pending_n + 2 > PG_PENDING_MAX ? drain(c, NULL, e) : code;
}

enum err_code pg_ask(struct pg *c, struct pg_stmt *st, const struct pg_value *v, size_t n,
	struct pg_rows **ret, struct err *e)
{
	PGresult *res = NULL;
	enum err_code code = check(c, e);

	if (code == OK)
		code = send(c, st, v, n, -1, e);
	if (code == OK)
		code = drain(c, &res, e);
	if (code != OK)
		return code;
	*ret = mem_new(struct pg_rows);
	(*ret)->res = res;
	return OK;
}

enum err_code pg_wait(struct pg *c, struct err *e)
{
	enum err_code code = check(c, e);

	return code == OK ? drain(c, NULL, e) : code;
}

enum err_code pg_simple(struct pg *c, const char *text, struct err *e)
{
	enum err_code code = pg_wait(c, e);

	if (code != OK)
		return code;
	if (!PQexitPipelineMode(c->conn))
		return pg_fail_conn(c, text, e);
	PGresult *res = PQexec(c->conn, text);
	if (!is_good(PQresultStatus(res)))
		code = fail(c, res, text, e);
	PQclear(res);
	if (c->fault != PG_LOST && !PQenterPipelineMode(c->conn))
		code = pg_fail_conn(c, text, e);
	return code;
}

enum err_code pg_script(struct pg *c, const char *text, struct err *e)
{
	return pg_simple(c, text, e);
}

/* A pooler tells process numbers of its own. */
enum err_code pg_is_pooled(struct pg *c, bool *ret, struct err *e)
{
	struct pg_stmt st = { .text = "SELECT pg_backend_pid()" };
	struct pg_rows *r = NULL;
	enum err_code code = pg_ask(c, &st, NULL, 0, &r, e);

	if (code != OK)
		return code;
	*ret = pg_int(r, 0, 0) != PQbackendPID(c->conn);
	pg_rows_free(r);
	return OK;
}

int64_t pg_changes(const struct pg *c)
{
	return c->changes;
}

int64_t pg_posted(const struct pg *c)
{
	return c->posted;
}

bool pg_in_transaction(const struct pg *c)
{
	return PQtransactionStatus(c->conn) != PQTRANS_IDLE;
}
