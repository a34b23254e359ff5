/* SPDX-License-Identifier: MIT
 *
 * Values out of a result. Everything is asked for in binary form: a digest is then 32 bytes and not
 * their spelling. A sum of bigints is a numeric, whose digits are to base 10,000.
 */
#include "pg/pg_impl.h"

#include <stdlib.h>
#include <string.h>

#define OID_NUMERIC 1700

void pg_rows_free(struct pg_rows *r)
{
	if (!r)
		return;
	PQclear(r->res);
	free(r);
}

int pg_rows_n(const struct pg_rows *r)
{
	return PQntuples(r->res);
}

int64_t pg_rows_changed(const struct pg_rows *r)
{
	return strtoll(PQcmdTuples(r->res), NULL, 10);
}

bool pg_is_null(const struct pg_rows *r, int row, int col)
{
	return PQgetisnull(r->res, row, col);
}

/* Big-endian and signed. */
static int64_t int_of(const char *p, int n)
{
	uint64_t v = n > 0 && (*p & 0x80) ? UINT64_MAX : 0;

	for (int i = 0; i < n; i++)
		v = v << 8 | (uint8_t)p[i];
	return (int64_t)v;
}

/* Its whole part: number of digits, weight of the first, sign, scale, digits; 16 bits each. */
static int64_t numeric_of(const char *p, int n)
{
	int64_t v = 0;

	if (n < 8)
		return 0;
	int64_t digits = int_of(p, 2), weight = int_of(p + 2, 2);
	for (int64_t i = 0; i <= weight; i++)
		v = v * 10000 + (i < digits && 10 + 2 * i <= n ? int_of(p + 8 + 2 * i, 2) : 0);
	return int_of(p + 4, 2) == 0x4000 ? -v : v;
}

int64_t pg_int(const struct pg_rows *r, int row, int col)
{
	const char *p = PQgetvalue(r->res, row, col);
	int n = PQgetlength(r->res, row, col);

	if (PQgetisnull(r->res, row, col))
		return 0;
	return PQftype(r->res, col) == OID_NUMERIC ? numeric_of(p, n) : int_of(p, n);
}

const char *pg_text(const struct pg_rows *r, int row, int col)
{
	return PQgetisnull(r->res, row, col) ? NULL : PQgetvalue(r->res, row, col);
}

const void *pg_bytes(const struct pg_rows *r, int row, int col, size_t *ret_n)
{
	*ret_n = (size_t)PQgetlength(r->res, row, col);
	return pg_text(r, row, col);
}
