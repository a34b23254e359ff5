/* SPDX-License-Identifier: MIT
 *
 * Jobs: reading them, waiting for them, listing them, and what can be done to them. Whoever waits
 * is parked and holds no thread; afterwards the job is read anew.
 */
#include "api/api_impl.h"

#include "base/digest.h"

#include <string.h>

/* ---- one job as an answer ------------------------------------------------------------------- */

static bool etag_listed(const char *list, const char *etag)
{
	return list && (strcmp(list, "*") == 0 || strstr(list, etag));
}

static const char *job_etag(struct call *c, const char *text)
{
	uint8_t digest[SHA256_LEN];
	char hex[HEX_MAX(16)];

	sha256_of(text, strlen(text), digest);
	hex_format(digest, 16, hex);
	return arena_printf(c->a, "\"%s\"", hex);
}

static char *job_text(struct call *c, const struct job_row *job)
{
	struct view_links links = call_links(c);
	autojson *doc = view_job(job, &links);

	return json_text(doc);
}

void call_job_answer(struct call *c, int status, const struct job_row *job)
{
	autofree char *text = job_text(c, job);
	const char *etag = job_etag(c, text), *known = http_header(c->r, "If-None-Match");
	bool reads = strcmp(c->method, "GET") == 0 || strcmp(c->method, "HEAD") == 0;

	c->cache_control = "no-cache";
	http_set(c->r, "ETag", etag);
	if (status == 200 && reads && etag_listed(known, etag))
		call_respond(c, 304, NULL, NULL, 0);
	else
		call_respond(c, status, "application/json", text, strlen(text));
}

struct job_row *call_job_by_id(struct call *c, const char *id)
{
	struct job_row *job = NULL;
	struct err e = { 0 };

	if (!job_id_is_valid(id)) {
		call_fail(c, ERR_NOT_FOUND, "there is no such job");
		return NULL;
	}
	if (store_job_find(c->api->o.store, c->tenant, id, c->a, &job, &e) != OK)
		call_fail_err(c, &e);
	else if (!job)
		call_fail(c, ERR_NOT_FOUND, "there is no job '%s'", id);
	return job;
}

struct job_row *call_job(struct call *c)
{
	return call_job_by_id(c, c->args[0]);
}

/* ---- reading and waiting -------------------------------------------------------------------- */

struct waited {
	struct call *c;
	const char *id;
	void (*answer)(struct call *c, const struct job_row *job);
};

static void after_wait(void *ctx, struct http_request *r, bool gone)
{
	struct waited *w = ctx;
	struct job_row *job;

	(void)r;
	(void)gone;
	if (call_still_may(w->c) && (job = call_job_by_id(w->c, w->id)))
		w->answer(w->c, job);
}

void call_wait(struct call *c, const struct job_row *job, bool ended_only, int64_t ms,
	void (*answer)(struct call *c, const struct job_row *job))
{
	struct waited *w = arena_alloc(c->a, sizeof(*w));

	*w = (struct waited){ .c = c, .id = job->id, .answer = answer };
	push_wait(c->api->o.push, c->r, job->no, job->seq, ended_only, ms, after_wait, w);
}

static void answer_read(struct call *c, const struct job_row *job)
{
	call_job_answer(c, 200, job);
}

/* With If-None-Match a wait ends at the next change, else with the job. */
void job_get(struct call *c)
{
	int64_t wait_s, most = c->api->o.max_wait_ms / 1000;
	struct job_row *job;

	if (!call_query_int(c, "wait", 0, 0, most, true, &wait_s) || !(job = call_job(c)))
		return;
	const char *known = http_header(c->r, "If-None-Match");
	autofree char *text = job_text(c, job);
	bool changed = known && !etag_listed(known, job_etag(c, text));
	if (wait_s == 0 || changed || job_has_ended(job->state))
		call_job_answer(c, 200, job);
	else
		call_wait(c, job, known == NULL, wait_s * 1000, answer_read);
}

/* ---- listing -------------------------------------------------------------------------------- */

static bool read_status(struct call *c, int *ret)
{
	const char *status = call_query(c, "status");
	enum job_state state;

	*ret = -1;
	if (!status)
		return true;
	if (!job_state_parse(status, &state)) {
		call_fail(c, ERR_REQUEST_INVALID, "a job has no status '%s'", status);
		return false;
	}
	*ret = (int)state;
	return true;
}

void jobs_list(struct call *c)
{
	struct job_query q = { .tenant = c->tenant, .tag = call_query(c, "tag") };
	struct view_links links = call_links(c);
	struct job_row *rows;
	struct err e = { 0 };
	struct page page;
	size_t n;

	if (!read_status(c, &q.state) || !page_read(c, &page))
		return;
	q.before_no = page.after;
	q.max = page.size + 1; /* one more tells whether there is a next page */
	if (store_jobs(c->api->o.store, &q, c->a, &rows, &n, &e) != OK) {
		call_fail_err(c, &e);
		return;
	}
	json_t *list = json_arr();
	size_t shown = n < q.max ? n : page.size;
	for (size_t i = 0; i < shown; i++)
		json_push(list, view_job(&rows[i], &links));
	page_answer(c, "jobs", list, n > shown, shown ? rows[shown - 1].no : 0);
}

/* ---- what can be done to a job -------------------------------------------------------------- */

void job_cancel(struct call *c)
{
	struct job_row *job = call_job(c);
	struct err e = { 0 };

	if (!job)
		return;
	if (store_cancel(c->api->o.store, c->tenant, job->id, ERR_CANCELED, &e) != OK)
		call_fail_err(c, &e);
	else if ((job = call_job(c)))
		call_job_answer(c, 200, job);
}

/* {"confirm_charge": bool} or nothing at all. false: answered. */
static bool retry_body(struct call *c, bool *ret_confirm)
{
	size_t n;
	const char *name;
	json_t *v;
	struct faults f = { 0 };

	*ret_confirm = false;
	(void)http_body(c->r, &n);
	if (n == 0)
		return true;
	autojson *doc = call_body_json(c);
	if (!doc)
		return false;
	if (!json_is_object(doc))
		faults_add(&f, ERR_REQUEST_INVALID, "", "must be an object");
	json_object_foreach(doc, name, v)
	{
		autofree char *pointer = mem_printf("/%s", name);
		if (strcmp(name, "confirm_charge") != 0)
			faults_add(&f, ERR_REQUEST_UNKNOWN_MEMBER, pointer,
				"unknown member '%s': did you mean 'confirm_charge'?", name);
		else if (!json_is_boolean(v))
			faults_add(&f, ERR_REQUEST_INVALID, pointer, "must be true or false");
	}
	*ret_confirm = json_get_bool(doc, "confirm_charge", false);
	if (!f.list)
		return true;
	call_fail_faults(c, &f);
	return false;
}

void job_retry(struct call *c)
{
	struct job_row *job;
	struct err e = { 0 };
	int64_t items;
	bool confirm;

	if (!retry_body(c, &confirm) || !(job = call_job(c)))
		return;
	if (store_retry(c->api->o.store, c->tenant, job->id, confirm, &items, &e) != OK) {
		call_fail_err(c, &e);
		return;
	}
	if (!(job = call_job(c)))
		return;
	if (items > 0)
		http_set(c->r, "Retry-After", "1");
	call_job_answer(c, items > 0 ? 202 : 200, job);
}

void job_delete(struct call *c)
{
	struct job_row *job;
	struct err e = { 0 };
	bool results;

	if (!call_query_bool(c, "results", &results) || !(job = call_job(c)))
		return;
	if (store_delete(c->api->o.store, c->tenant, job->id, results, &e) != OK) {
		call_fail_err(c, &e);
		return;
	}
	push_news(c->api->o.push, job->no, 0);
	call_respond(c, 204, NULL, NULL, 0);
}
