/* SPDX-License-Identifier: MIT
 *
 * Making jobs. A POST does what the store needs and no more: check, commit, answer. What makes two
 * requests the same is the canonical form of their bodies, so that a client may spell its members
 * in another order when it tries again.
 */
#include "api/api_impl.h"

#include "base/digest.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define IDEMPOTENCY_KEY_MAX 255

/* ---- what was sent -------------------------------------------------------------------------- */

static bool is_json(const struct call *c)
{
	const char *type = http_header(c->r, "Content-Type");
	static const char json[] = "application/json";

	if (!type || strncasecmp(type, json, strlen(json)) != 0)
		return false;
	type += strlen(json);
	return type[strspn(type, " \t")] == '\0' || type[strspn(type, " \t")] == ';';
}

/* The body as JSON; NULL: answered. */
json_t *call_body_json(struct call *c)
{
	size_t n;
	const char *body = http_body(c->r, &n);
	json_t *doc = NULL;
	struct err e = { 0 };

	if (!is_json(c)) {
		call_fail(c, ERR_REQUEST_MEDIA_TYPE,
			"send it as: curl -H 'Content-Type: application/json' --data @job.json "
			"'%s%s'",
			c->base_url, http_path(c->r));
		return NULL;
	}
	if (json_parse(body, n, &doc, &e) != OK)
		call_fail_err(c, &e);
	return doc;
}

/* The caller's own words for "the same request again"; NULL in *ret: none. false: answered. */
static bool idempotency_key(struct call *c, const char **ret)
{
	const char *key = http_header(c->r, "Idempotency-Key");

	if (key && (strlen(key) == 0 || strlen(key) > IDEMPOTENCY_KEY_MAX)) {
		call_fail(c, ERR_REQUEST_LIMIT, "Idempotency-Key must have from 1 to %d characters",
			IDEMPOTENCY_KEY_MAX);
		return false;
	}
	*ret = key;
	return true;
}

static enum err_code submit(struct call *c, const char *id, const char *key, const json_t *doc,
	const struct request *request, bool known_only, struct submit_limits *lim,
	bool *ret_created, const char **ret_id, struct err *e)
{
	const struct api_opts *o = &c->api->o;
	autofree char *canonical = json_text_sorted(doc);
	struct submit in = { .tenant = c->tenant,
		.id = id,
		.idempotency_key = key,
		.request = request,
		.base_url = c->base_url,
		.seal_key = o->seal_key,
		.max_open_items = o->max_open_items,
		.limits = lim->any ? &lim->limits : NULL,
		.quota = &lim->quota,
		.known_only = known_only };
	char new_id[JOB_ID_MAX + 1];
	enum submit_result result;
	int64_t no;

	sha256_of(canonical, strlen(canonical), in.body_sha256);
	const struct submit_token *t = c->submit_token;
	if (t) {
		in.token = t->id;
		in.token_jobs = t->grant.max_jobs;
		in.token_expires_ms = t->expires_ms;
	}
	enum err_code code = store_submit(o->store, &in, &result, new_id, &no, e);
	limits_end(c, lim);
	if (code != OK)
		return code;
	*ret_created = result == SUBMIT_CREATED;
	*ret_id = arena_strdup(c->a, new_id);
	if (atomic_exchange(&c->api->store_down, false))
		log_event(LOG_STORE_BACK, NULL, "job=%s", new_id);
	if (*ret_created)
		log_event(LOG_JOB_ACCEPTED, new_id, "items=%zu duplicates=%zu", request->items_n,
			request->duplicates);
	return OK;
}

/* ---- answering ------------------------------------------------------------------------------ */

/* Prefer: wait=10 (RFC 7240), among other preferences. 0: none. */
static int64_t prefer_wait_ms(const struct call *c)
{
	const char *p = http_header(c->r, "Prefer");

	for (; p && *p; p += strcspn(p, ",;"), p += strspn(p, ",; \t")) {
		if (strncasecmp(p, "wait=", 5) != 0)
			continue;
		char *end;
		p += 5 + (p[5] == '"');
		long long s = strtoll(p, &end, 10);
		if (end == p || s <= 0)
			return 0;
		return s > c->api->o.max_wait_ms / 1000 ? c->api->o.max_wait_ms : s * 1000;
	}
	return 0;
}

static void answer_known(struct call *c, const struct job_row *job)
{
	http_set(c->r, "Location", arena_printf(c->a, "%s/v1/jobs/%s", c->base_url, job->id));
	call_job_answer(c, 200, job);
}

/* Accepted; who preferred to wait, and did until the end, gets the result instead. */
static void answer_accepted(struct call *c, const struct job_row *job)
{
	if (prefer_wait_ms(c) && job_has_ended(job->state)) {
		answer_known(c, job);
		return;
	}
	http_set(c->r, "Location", arena_printf(c->a, "%s/v1/jobs/%s", c->base_url, job->id));
	http_set(c->r, "Retry-After", "1");
	call_job_answer(c, 202, job);
}

/* Committed: answer now, or when it has ended. */
static void submitted(struct call *c, const char *id, bool is_news)
{
	void (*answer)(struct call *, const struct job_row *) = is_news ? answer_accepted
									: answer_known;
	struct job_row *job = call_job_by_id(c, id);
	int64_t wait_ms = prefer_wait_ms(c);

	if (!job)
		return;
	if (wait_ms)
		http_set(c->r, "Preference-Applied",
			arena_printf(c->a, "wait=%lld", (long long)wait_ms / 1000));
	if (wait_ms && !job_has_ended(job->state))
		call_wait(c, job, true, wait_ms, answer);
	else
		answer(c, job);
}

static void make_job(struct call *c, const char *id)
{
	CLEANUP(request_freep) struct request *request = NULL;
	autojson *doc = NULL;
	struct faults faults = { 0 };
	struct err e = { 0 };
	const char *key, *made_id = NULL;
	bool created = false;

	if (atomic_load(&c->api->draining)) {
		call_fail(c, ERR_SHUTTING_DOWN, "this server takes no new jobs");
		return;
	}
	if (!idempotency_key(c, &key) || !(doc = call_body_json(c)))
		return;
	if (!request_parse(doc, &c->api->o.limits, c->api->o.presets, &request, &faults)) {
		call_fail_faults(c, &faults);
		return;
	}
	if (c->submit_token && !grant_allows(&c->submit_token->grant, doc, request, &faults)) {
		call_fail_faults(c, &faults);
		return;
	}
	if (webhook_check(c, request, &faults, &e) != OK) {
		call_fail_err(c, &e);
		return;
	}
	if (faults.n > 0) {
		call_fail_faults(c, &faults);
		return;
	}
	if (request->from_job && from_read(c, request, &faults, &e) != OK) {
		call_fail_err(c, &e);
		return;
	}
	if (request->dry_run) {
		if (faults.n > 0)
			call_fail_faults(c, &faults);
		else
			estimate_answer(c, request);
		return;
	}
	/* The job that it was made from may be gone by now: what was made stands. */
	bool known_only = faults.n > 0;
	struct submit_limits lim;
	if (!limits_begin(c, (int64_t)request->items_n, &lim)) {
		faults_done(&faults);
		return;
	}
	if (submit(c, id, key, doc, request, known_only, &lim, &created, &made_id, &e) == OK)
		submitted(c, made_id, created || !id);
	else if (known_only && e.code == ERR_NOT_FOUND)
		call_fail_faults(c, &faults);
	else
		call_fail_err(c, &e);
	faults_done(&faults);
}

void jobs_post(struct call *c)
{
	make_job(c, NULL);
}

void jobs_put(struct call *c)
{
	if (job_id_is_valid(c->args[0]))
		make_job(c, c->args[0]);
	else
		call_fail(c, ERR_REQUEST_INVALID, "a job's id is 1 to %d of A-Z a-z 0-9 _ -",
			JOB_ID_MAX);
}
