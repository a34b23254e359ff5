/* SPDX-License-Identifier: MIT
 *
 * What counts against a tenant's limits: sums over the usage of the day and of the month, and of all
 * days for what is stored now. A submit asks in its own transaction, so that two at once do not both
 * get the last of a quota.
 */
#include "store/access.h"
#include "store/tx.h"

/* Sums from a day on. */
struct sums {
	int64_t jobs, urls, bytes, cpu_ms, credits;
};

static enum err_code sum_since(struct tx *t, int64_t tenant, int64_t day, struct sums *ret,
	struct err *e)
{
	struct sql_rows r = sql_query(t->db,
		"SELECT sum(jobs), sum(urls), sum(bytes_in), sum(cpu_ms), sum(spent + unknown)"
		" FROM usage WHERE tenant = $1 AND day >= $2",
		SQL(sql_i(tenant), sql_i(day)), e);

	*ret = (struct sums){ 0 };
	if (sql_next(&r))
		*ret = (struct sums){ sql_int(&r, 0), sql_int(&r, 1), sql_int(&r, 2),
			sql_int(&r, 3), sql_int(&r, 4) };
	return sql_end(&r);
}

static bool any_of(const struct limits *l, enum limit_window w)
{
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		if (l->most[i] >= 0 && limit_rows[i].window == w)
			return true;
	return false;
}

enum err_code quota_used(struct tx *t, int64_t tenant, const struct limits *l,
	int64_t *ret, struct err *e)
{
	int64_t today = usage_day(t->now_ms), stored = 0;
	struct sums day = { 0 }, month = { 0 };
	enum err_code code = OK;

	if (any_of(l, LIMIT_WINDOW_DAY))
		code = sum_since(t, tenant, today, &day, e);
	if (code == OK && any_of(l, LIMIT_WINDOW_MONTH))
		code = sum_since(t, tenant, usage_month(today), &month, e);
	if (code == OK && l->most[LIMIT_STORED] >= 0)
		code = sql_get(t->db, "SELECT sum(stored) FROM usage WHERE tenant = $1",
			SQL(sql_i(tenant)), &stored, e);
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		ret[i] = 0;
	ret[LIMIT_JOBS_DAY] = day.jobs;
	ret[LIMIT_JOBS_MONTH] = month.jobs;
	ret[LIMIT_URLS_DAY] = day.urls;
	ret[LIMIT_URLS_MONTH] = month.urls;
	ret[LIMIT_DOWNLOAD_DAY] = day.bytes;
	ret[LIMIT_DOWNLOAD_MONTH] = month.bytes;
	ret[LIMIT_CPU_DAY] = day.cpu_ms;
	ret[LIMIT_CPU_MONTH] = month.cpu_ms;
	ret[LIMIT_STORED] = stored;
	ret[LIMIT_CREDITS_MONTH] = month.credits;
	return code;
}

struct op_quota {
	int64_t tenant, used[LIMIT_COUNT];
	const struct limits *limits;
};

static enum err_code op_quota_used(struct tx *t, void *arg, struct err *e)
{
	struct op_quota *op = arg;

	return quota_used(t, op->tenant, op->limits, op->used, e);
}

enum err_code store_quota_used(struct store *s, int64_t tenant, const struct limits *l,
	int64_t ret[LIMIT_COUNT], struct err *e)
{
	struct op_quota op = { .tenant = tenant, .limits = l };
	enum err_code code = s->impl->read(s, op_quota_used, &op, e);

	for (size_t i = 0; code == OK && i < LIMIT_COUNT; i++)
		ret[i] = op.used[i];
	return code;
}
