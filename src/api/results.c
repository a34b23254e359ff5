/* SPDX-License-Identifier: MIT
 *
 * POST /v1/results: where functions report, bulb's own and others'. No key opens it: what a report says
 * of a task is signed with a secret that only who was given the task has. A list is answered result by
 * result; a report of one result has a status of its own, as other webhooks do.
 */
#include "api/api_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#include <string.h>

#define BODY_MAX (1 << 20) /* a hundred results with all their variants have a third of it */

/* What can be said before anything was looked at. false: answered. */
static bool read_letter(struct call *c, struct report_letter *ret)
{
	*ret = (struct report_letter){ .id = http_header(c->r, "webhook-id"),
		.time_s = http_header(c->r, "webhook-timestamp"),
		.signatures = http_header(c->r, "webhook-signature") };
	ret->body = http_body(c->r, &ret->body_n);
	if (ret->body_n > BODY_MAX) {
		call_fail(c, ERR_REQUEST_TOO_LARGE, "a report has at most %d bytes", BODY_MAX);
		return false;
	}
	if (!ret->id || !ret->time_s || !ret->signatures || strlen(ret->id) > WEBHOOK_ID_MAX) {
		call_fail(c, ERR_AUTH_REQUIRED,
			"a report has the headers webhook-id, webhook-timestamp and webhook-signature");
		return false;
	}
	if (!webhook_time_is_near(ret->time_s, clock_wall_ms())) {
		call_fail(c, ERR_AUTH_REQUIRED,
			"webhook-timestamp is not within %d s of this server's clock",
			WEBHOOK_TOLERANCE_S);
		return false;
	}
	return true;
}

/* Names of tasks are what a stranger wrote until their signature fits. */
static void note(struct call *c, const struct results_verdict *v)
{
	struct task_name name;
	const char *task = task_name_parse(v->answer.task, &name) ? v->answer.task : "?";
	char from[46];
	metric_add(METRIC_REPORTS, 1, report_verdict_name(v->answer.verdict), NULL, NULL);
	if (v->answer.verdict != REPORT_REFUSED && v->answer.verdict != REPORT_STALE) {
		log_event(LOG_REPORT_TAKEN, NULL, "task=%s status=%s request=%s", task,
			report_verdict_name(v->answer.verdict), http_request_id(c->r));
		return;
	}
	ip_format(http_peer(c->r), from);
	log_event(LOG_REPORT_REFUSED, NULL, "task=%s status=%s code=%s peer=%s request=%s", task,
		report_verdict_name(v->answer.verdict),
		err_name(v->answer.verdict == REPORT_STALE ? ERR_STORE_STALE : v->code), from,
		http_request_id(c->r));
}

/* Nobody is told whether a task exists whose secret they do not have. */
static bool is_forged(const struct results_taken *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].code != ERR_AUTH_REQUIRED)
			return false;
	return true;
}

static void answer(struct call *c, const struct results_taken *t)
{
	const struct report_answer *first = &t->v[0].answer;
	if (is_forged(t)) {
		call_fail(c, ERR_AUTH_REQUIRED, "%s", first->why);
		return;
	}
	if (!t->is_list && first->verdict == REPORT_REFUSED) {
		call_fail(c, t->v[0].code, "%s", first->why);
		return;
	}
	if (!t->is_list && first->verdict == REPORT_STALE) {
		call_fail(c, ERR_STORE_STALE, "task %s: its lease has moved on", first->task);
		return;
	}
	struct report_answer *v = arena_alloc(c->a, t->n * sizeof(*v));
	for (size_t i = 0; i < t->n; i++)
		v[i] = t->v[i].answer;
	call_json(c, 200, report_answers_json(v, t->n, blob_place(c->api->o.blob).prefix));
}

void results_post(struct call *c)
{
	struct report_letter l;
	struct results_taken t;
	struct err e = { 0 };
	if (!read_letter(c, &l))
		return;
	if (results_take(c->api->o.results, &l, c->a, &t, &e) != OK) {
		call_fail_err(c, &e);
		return;
	}
	for (size_t i = 0; i < t.n; i++)
		note(c, &t.v[i]);
	answer(c, &t);
}
