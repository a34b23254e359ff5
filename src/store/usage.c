/* SPDX-License-Identifier: MIT
 *
 * What each tenant used, by day: added up while operations run and written by one statement a
 * tenant and commit, however many operations share it. Money is not left to the end of the commit,
 * because the next operation asks how much of the month is gone (charges.c writes it at once).
 */
#include "store/operations.h"

#include <string.h>

#define DAY_MS (24 * 60 * 60 * 1000LL)

int64_t usage_day(int64_t ms)
{
	return ms / DAY_MS;
}

/* Days since 1970 to the first of their month: Howard Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms", civil_from_days. */
int64_t usage_month(int64_t day)
{
	int64_t z = day + 719468, doe = z % 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t from_march = (5 * doy + 2) / 153;

	return day - (doy - (153 * from_march + 2) / 5);
}

static struct usage_row *row_of(struct tx_usages *u, int64_t tenant, int64_t day)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->v[i].tenant == tenant && u->v[i].row.day == day)
			return &u->v[i].row;
	u->v = mem_realloc(u->v, u->n + 1, sizeof *u->v);
	u->v[u->n] = (struct tx_usage){ .tenant = tenant, .row.day = day };
	return &u->v[u->n++].row;
}

struct usage_row *usage_of(struct tx *t, int64_t tenant)
{
	return row_of(&t->usage, tenant, usage_day(t->now_ms));
}

static void add(struct usage_row *to, const struct usage_row *r)
{
	to->jobs += r->jobs;
	to->items += r->items;
	to->downloads += r->downloads;
	to->encodes += r->encodes;
	to->cutouts += r->cutouts;
	to->bytes_in += r->bytes_in;
	to->bytes_out += r->bytes_out;
	to->paid_calls += r->paid_calls;
	to->spent += r->spent;
	to->unknown += r->unknown;
	to->unknown_calls += r->unknown_calls;
	to->saved.downloads += r->saved.downloads;
	to->saved.encodes += r->saved.encodes;
	to->saved.paid_calls += r->saved.paid_calls;
	to->saved_cost += r->saved_cost;
	to->urls += r->urls;
	to->cpu_ms += r->cpu_ms;
	to->stored += r->stored;
}

void usage_merge(struct tx_usages *to, struct tx_usages *from)
{
	for (size_t i = 0; i < from->n; i++)
		add(row_of(to, from->v[i].tenant, from->v[i].row.day), &from->v[i].row);
	usage_done(from);
}

static enum err_code write_one(struct sql *db, const struct tx_usage *u, struct err *e)
{
	const struct usage_row *r = &u->row;

	return sql_run(db,
		"INSERT INTO usage (tenant, day, jobs, items, downloads, encodes, cutouts, bytes_in,"
		" bytes_out, paid_calls, spent, unknown, unknown_calls, saved_downloads,"
		" saved_encodes, saved_paid, saved_cost, urls, cpu_ms, stored" SQL_PG(
			", shard") ") VALUES ($1, $2, $3, $4, $5,"
				   " $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20" SQL_PG(
					   ", pg_backend_pid() % 32") ")"
								      " ON CONFLICT (tenant, day" SQL_PG(
									      ", shard") ") DO UPDATE SET"
											 " jobs = usage.jobs + excluded.jobs, items = usage.items + excluded.items,"
											 " downloads = usage.downloads + excluded.downloads,"
											 " encodes = usage.encodes + excluded.encodes,"
											 " cutouts = usage.cutouts + excluded.cutouts,"
											 " bytes_in = usage.bytes_in + excluded.bytes_in,"
											 " bytes_out = usage.bytes_out + excluded.bytes_out,"
											 " paid_calls = usage.paid_calls + excluded.paid_calls,"
											 " spent = usage.spent + excluded.spent, unknown = usage.unknown + excluded.unknown,"
											 " unknown_calls = usage.unknown_calls + excluded.unknown_calls,"
											 " saved_downloads = usage.saved_downloads + excluded.saved_downloads,"
											 " saved_encodes = usage.saved_encodes + excluded.saved_encodes,"
											 " saved_paid = usage.saved_paid + excluded.saved_paid,"
											 " saved_cost = usage.saved_cost + excluded.saved_cost,"
											 " urls = usage.urls + excluded.urls, cpu_ms = usage.cpu_ms + excluded.cpu_ms,"
											 " stored = usage.stored + excluded.stored",
		SQL(sql_i(u->tenant), sql_i(r->day), sql_i(r->jobs), sql_i(r->items),
			sql_i(r->downloads), sql_i(r->encodes), sql_i(r->cutouts),
			sql_i(r->bytes_in), sql_i(r->bytes_out), sql_i(r->paid_calls),
			sql_i(r->spent), sql_i(r->unknown), sql_i(r->unknown_calls),
			sql_i(r->saved.downloads), sql_i(r->saved.encodes),
			sql_i(r->saved.paid_calls), sql_i(r->saved_cost), sql_i(r->urls),
			sql_i(r->cpu_ms), sql_i(r->stored)),
		NULL, e);
}

void usage_stored(struct tx *t, int64_t scope, int64_t bytes)
{
	if (scope > 0 && bytes != 0)
		usage_of(t, scope)->stored += bytes;
}

enum err_code usage_write(struct sql *db, struct tx_usages *u, struct err *e)
{
	enum err_code code = OK;

	for (size_t i = 0; code == OK && i < u->n; i++)
		code = write_one(db, &u->v[i], e);
	usage_done(u);
	return code;
}

enum err_code usage_add(struct tx *t, int64_t tenant, const struct usage_row *r, struct err *e)
{
	return write_one(t->db, &(struct tx_usage){ .tenant = tenant, .row = *r }, e);
}

void usage_done(struct tx_usages *u)
{
	free(u->v);
	*u = (struct tx_usages){ 0 };
}

/* ---- reading ---- */

static struct usage_row from_row(struct sql_rows *r)
{
	return (struct usage_row){
		.day = sql_int(r, 0),
		.jobs = sql_int(r, 1),
		.items = sql_int(r, 2),
		.downloads = sql_int(r, 3),
		.encodes = sql_int(r, 4),
		.cutouts = sql_int(r, 5),
		.bytes_in = sql_int(r, 6),
		.bytes_out = sql_int(r, 7),
		.paid_calls = sql_int(r, 8),
		.spent = sql_int(r, 9),
		.unknown = sql_int(r, 10),
		.unknown_calls = sql_int(r, 11),
		.saved = { sql_int(r, 12), sql_int(r, 13), sql_int(r, 14) },
		.saved_cost = sql_int(r, 15),
		.urls = sql_int(r, 16),
		.cpu_ms = sql_int(r, 17),
		.stored = sql_int(r, 18),
	};
}

enum err_code op_usage(struct tx *t, void *arg, struct err *e)
{
	struct op_usage *op = arg;
	struct usage_row *v = NULL;
	size_t n = 0, room = 0;
	struct sql_rows r = sql_query(t->db,
		"SELECT day, sum(jobs), sum(items), sum(downloads), sum(encodes), sum(cutouts),"
		" sum(bytes_in), sum(bytes_out), sum(paid_calls), sum(spent), sum(unknown),"
		" sum(unknown_calls), sum(saved_downloads), sum(saved_encodes), sum(saved_paid),"
		" sum(saved_cost), sum(urls), sum(cpu_ms), sum(stored) FROM usage WHERE tenant = $1 AND day >= $2 AND day <= $3"
		" GROUP BY day ORDER BY day",
		SQL(sql_i(op->tenant), sql_i(op->first_day), sql_i(op->last_day)), e);

	while (sql_next(&r)) {
		if (n == room) {
			room = room ? room * 2 : 32;
			v = mem_realloc(v, room, sizeof *v);
		}
		v[n++] = from_row(&r);
	}
	enum err_code code = sql_end(&r);
	op->rows = arena_alloc(op->arena, (n + 1) * sizeof *v);
	op->n = n;
	if (n > 0)
		memcpy(op->rows, v, n * sizeof *v);
	free(v);
	op->reserved = 0;
	return code == OK ? charges_reserved(t, op->tenant, &op->reserved, e) : code;
}
