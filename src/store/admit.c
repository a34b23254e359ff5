/* SPDX-License-Identifier: MIT
 *
 * Whether a job may be taken: what its tenant is held to, and how often the token that brought it was
 * used. Both are asked in the transaction that counts it, one submit of a tenant at a time where
 * several processes commit.
 */
#include "store/access.h"
#include "store/tx.h"

/* Until we commit. Jobs are not waited for from here on: who holds one may wait for this. */
static enum err_code one_at_a_time(struct tx *t, int64_t tenant, struct err *e)
{
	int64_t none;

	t->db->locks->late = true;
	return sql_get(t->db,
		"SELECT 1 FROM (SELECT pg_advisory_xact_lock(('x62756c71'::bit(32)::bigint << 32) + $1)) l",
		SQL(sql_i(tenant)), &none, e);
}

/* What this submit adds to it. */
static int64_t adds(enum limit l, const struct submit *in)
{
	switch (l) {
	case LIMIT_JOBS_DAY:
	case LIMIT_JOBS_MONTH:
		return 1;
	case LIMIT_URLS_DAY:
	case LIMIT_URLS_MONTH:
		return (int64_t)in->request->items_n;
	default: /* what it will come to is not known: the last one may go over */
		return 1;
	}
}

static bool counts_at_submit(enum limit l)
{
	return limit_rows[l].window != LIMIT_WINDOW_SECOND && l != LIMIT_CREDITS_MONTH;
}

enum err_code admit_check(struct tx *t, const struct submit *in, struct err *e)
{
	struct quota_answer *q = in->quota;
	enum err_code code = OK;

	if (!in->limits)
		return OK;
	q->hit = LIMIT_COUNT;
	q->known = false;
	if (t->db->locks)
		code = one_at_a_time(t, in->tenant, e);
	if (code == OK)
		code = quota_used(t, in->tenant, in->limits, q->used, e);
	q->known = code == OK;
	for (size_t i = 0; code == OK && i < LIMIT_COUNT; i++) {
		int64_t most = in->limits->most[i];
		if (most < 0 || !counts_at_submit((enum limit)i) ||
			q->used[i] + adds((enum limit)i, in) <= most)
			continue;
		q->hit = (enum limit)i;
		return err_set(e, ERR_QUOTA_EXCEEDED, "the limit %s is used up",
			limit_rows[i].name);
	}
	return code;
}

static enum err_code count_token(struct tx *t, const struct submit *in, struct err *e)
{
	int64_t jobs = 0;

	if (!in->token)
		return OK;
	enum err_code code = sql_get(t->db,
		"INSERT INTO token (id, jobs, expires_ms) VALUES ($1, 1, $2)"
		" ON CONFLICT (id) DO UPDATE SET jobs = token.jobs + 1 WHERE token.jobs < $3"
		" RETURNING jobs",
		SQL(sql_t(in->token), sql_i(in->token_expires_ms), sql_i(in->token_jobs)), &jobs,
		e);
	if (code == OK && !jobs)
		return err_set(e, ERR_AUTH_FORBIDDEN,
			"this token was good for %lld jobs, which were made",
			(long long)in->token_jobs);
	return code;
}

/* Of a tenant that is held to something it is written at once: the next operation of this commit asks
 * how much is gone. */
enum err_code admit_count(struct tx *t, const struct submit *in, struct err *e)
{
	struct usage_row u = { .day = usage_day(t->now_ms),
		.jobs = 1,
		.urls = (int64_t)in->request->items_n };
	enum err_code code = count_token(t, in, e);

	if (code != OK)
		return code;
	if (in->limits) {
		for (size_t i = LIMIT_JOBS_DAY; i <= LIMIT_URLS_MONTH; i++)
			if (in->limits->most[i] >= 0)
				in->quota->used[i] += adds((enum limit)i, in);
		return usage_add(t, in->tenant, &u, e);
	}
	usage_of(t, in->tenant)->jobs++;
	usage_of(t, in->tenant)->urls += u.urls;
	return OK;
}

enum err_code tokens_expire(struct tx *t, size_t max, bool *ret_more, struct err *e)
{
	int64_t n = 0;
	enum err_code code = sql_run(t->db,
		"DELETE FROM token WHERE id IN"
		" (SELECT id FROM token WHERE expires_ms <= $1 LIMIT $2" SQL_LOCK_ANY ")",
		SQL(sql_i(t->now_ms), sql_i((int64_t)max)), &n, e);

	*ret_more = n == (int64_t)max;
	return code;
}
