/* SPDX-License-Identifier: MIT
 *
 * Who pays for a call that several wait for: the first of their jobs that may and can. What a job
 * and a tenant have left is asked of the rows, in the transaction that reserves it.
 */
#include "store/tx.h"

/* Two calls at once must not both get what is left of a month. */
static enum err_code one_at_a_time(struct tx *t, int64_t tenant, struct err *e)
{
	int64_t none;

	return sql_get(t->db,
		"SELECT 1 FROM (SELECT pg_advisory_xact_lock(('x62756c62'::bit(32)::bigint << 32) + $1)) l",
		SQL(sql_i(tenant)), &none, e);
}

/* By one statement, which sees one moment: an intent that is answered between two would be missed by both,
 * neither reserved any more nor spent as yet. */
static enum err_code month_allows(struct tx *t, int64_t tenant, int64_t cost, bool *ret,
	struct err *e)
{
	int64_t gone = 0, limit = t->opts->max_cost_month;
	struct limits own;
	enum err_code code = tenant_limits(t, tenant, &own, e);

	if (code == OK && own.most[LIMIT_CREDITS_MONTH] >= 0 &&
		(limit < 0 || own.most[LIMIT_CREDITS_MONTH] < limit))
		limit = own.most[LIMIT_CREDITS_MONTH];
	*ret = true;
	if (code != OK || limit < 0)
		return code;
	code = t->db->locks ? one_at_a_time(t, tenant, e) : OK;
	if (code == OK)
		code = sql_get(t->db,
			"SELECT coalesce((SELECT sum(spent + unknown) FROM usage WHERE tenant = $1"
			" AND day >= $2), 0) + coalesce((SELECT sum(cost) FROM charge WHERE state = 0"
			" AND tenant = $1), 0)",
			SQL(sql_i(tenant), sql_i(usage_month(usage_day(t->now_ms)))), &gone, e);
	*ret = gone + cost <= limit;
	return code;
}

static enum err_code job_allows(struct tx *t, int64_t job, int64_t cost, bool *ret, struct err *e)
{
	int64_t left = 0;
	enum err_code code = sql_get(t->db,
		"SELECT max_cost - spent - reserved - unknown FROM job WHERE no = $1",
		SQL(sql_i(job)), &left, e);

	*ret = left >= cost;
	return code;
}

static bool confirms(const struct tx_item *it, const struct cut *c, int64_t unknown)
{
	if (!unknown)
		return true;
	return unknown <= it->job->confirm && (c->confirm_charge || it->job->confirm_all);
}

static enum err_code ask_item(struct tx *t, struct tx_item *it, struct tx_payer *s, struct err *e)
{
	struct tx_recipe r;
	bool job = false, month = false;

	if (it->job->cancel != OK || it->job->hidden)
		return OK;
	enum err_code code = tx_recipe(t, it, &r, e);
	if (code != OK || !r.cut || r.cut->max_cost < s->cost)
		return code;
	s->may = true;
	if (!confirms(it, r.cut, s->unknown))
		return OK;
	s->confirmed = true;
	code = job_allows(t, it->job->no, s->cost, &job, e);
	if (code == OK && job)
		code = month_allows(t, it->job->tenant, s->cost, &month, e);
	s->month |= job && !month;
	if (code == OK && job && month)
		s->item = it;
	return code;
}

enum err_code payer_find(struct tx *t, const struct tx_items *l, struct tx_payer *s, struct err *e)
{
	enum err_code code = OK;

	for (size_t i = 0; code == OK && i < l->n && !s->item; i++)
		code = ask_item(t, &l->v[i], s, e);
	return code;
}
