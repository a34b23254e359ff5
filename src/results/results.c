/* SPDX-License-Identifier: MIT
 *
 * Taking in a report, result by result. Each is recorded or not by one transaction of the store, which
 * also remembers it, so that nothing has to be undone when the answer is lost: who hears nothing says
 * it again. A blob that was made for nothing is not waited for until a collection finds it: its key says
 * whose it was, and only who holds that lease's secret could name it here.
 */
#include "results/results_impl.h"

#include <stdio.h>
#include <string.h>

#define DEADLINE_MARGIN_MS 1000
#define REFUSED_MS         1000 /* before a task whose report made no sense is lent again */

struct results *results_new(const struct results_opts *o)
{
	struct results *r = mem_new(struct results);
	r->o = *o;
	r->prefix = blob_place(o->blob).prefix;
	return r;
}

void results_free(struct results *r)
{
	free(r);
}

/* ---- what a task is told as ----------------------------------------------------------------- */

static enum err_code open_headers(struct results *r, const char *sealed, struct arena *a,
	struct event_task *ret, struct err *e)
{
	autojson *json = NULL;
	const char *name;
	json_t *v;
	enum err_code code = fetch_headers_open(r->o.seal_key, sealed, &json, e);
	if (code != OK)
		return code;
	struct event_header *h = arena_alloc(a, (json_object_size(json) + 1) * sizeof(*h));
	json_object_foreach(json, name, v)
		h[ret->headers_n++] = (struct event_header){ arena_strdup(a, name),
			arena_strdup(a, json_string_value(v)) };
	ret->headers = h;
	return OK;
}

static enum err_code describe_fetch(struct results *r, const struct task *t, struct arena *a,
	struct event_task *ret, struct err *e)
{
	struct fetch_input in;
	enum err_code code = fetch_input_parse(t->input, a, &in, e);
	if (code != OK)
		return code;
	ret->url = in.url;
	if (in.has_original) {
		ret->etag = in.etag;
		ret->last_modified = in.last_modified;
	}
	return in.headers ? open_headers(r, in.headers, a, ret, e) : OK;
}

static enum err_code describe_make(const struct task *t, struct event_task *ret, struct err *e)
{
	struct make_input in;
	enum err_code code = make_input_parse(t->input, &in, e);
	if (code != OK)
		return code;
	ret->has_source = true;
	ret->source = in.original;
	recipe_done(&in.recipe);
	return OK;
}

/* The name, and what comes from it. */
static void describe_name(struct results *r, const struct task_name *name, struct arena *a,
	struct event_task *ret)
{
	char text[TASK_NAME_MAX], prefix[REPORT_PREFIX_MAX], secret[WEBHOOK_SECRET_MAX];
	struct webhook_secret s;
	task_name_format(name, text);
	report_key_prefix(r->o.report_key, name, prefix);
	report_secret(r->o.report_key, name, &s);
	webhook_secret_format(s.key, s.n, secret);
	ret->task = arena_strdup(a, text);
	ret->key_prefix = arena_strdup(a, prefix);
	ret->secret = arena_strdup(a, secret);
	mem_wipe(&s, sizeof(s));
	mem_wipe(secret, sizeof(secret));
}

enum err_code results_describe(struct results *r, const struct task_name *name, int64_t deadline_ms,
	struct arena *a, struct event_task *ret, bool *ret_held, struct err *e)
{
	struct lent l;
	enum err_code code = store_lent(r->o.store, name->id, name->lease, a, &l, e);
	if (code != OK)
		return code;
	*ret_held = l.held;
	if (!l.held)
		return OK;
	struct event_task t = { .kind = l.task.kind,
		.recipe = l.recipe,
		.digests = l.digests,
		.limits = r->o.limits,
		.keep_source = true,
		.deadline_ms = deadline_ms ? deadline_ms : l.until_ms - DEADLINE_MARGIN_MS };
	describe_name(r, name, a, &t);
	code = l.task.kind == TASK_FETCH ? describe_fetch(r, &l.task, a, &t, e)
					 : describe_make(&l.task, &t, e);
	if (code == OK)
		*ret = t;
	return code;
}

/* ---- taking one in -------------------------------------------------------------------------- */

/* What a row names stays: an event may have been delivered twice, and both report. */
static enum err_code drop(struct results *r, const char *const *keys, size_t n, struct err *e)
{
	return n > 0 ? store_trash_add(r->o.store, keys, n, e) : OK;
}

static void refuse(struct results_verdict *v, const struct err *why, struct arena *a)
{
	v->answer.verdict = REPORT_REFUSED;
	v->answer.why = arena_strdup(a, why->text);
	v->code = why->code;
}

/* It is the task's own worker that makes no sense: that was an attempt. Nobody would say more of it
 * before its lease ends. */
static enum err_code refuse_work(struct results *r, const struct report_result *in,
	const struct task_name *name, const struct err *why, struct arena *a,
	struct results_verdict *ret, struct err *e)
{
	struct outcome o = { .code = ERR_INTERNAL,
		.stage = "process",
		.download_ms = -1,
		.process_ms = -1,
		.store_ms = -1 };
	struct outside_report tried = { .id = name->id,
		.lease = name->lease,
		.later = true,
		.outcome = &o,
		.after_ms = REFUSED_MS,
		.max_tries = r->o.max_tries };
	struct outside_answer said;
	const char **keys;
	snprintf(o.detail, sizeof(o.detail), "what a worker outside reported was refused: %.340s",
		why->text);
	refuse(ret, why, a);
	enum err_code code = store_report(r->o.store, &tried, a, &said, e);
	size_t n = keys_of(r, in, name, a, &keys);
	return code == OK ? drop(r, keys, n, e) : code;
}

/* The make that goes with it, as an event would say it. It may have been taken back already. */
static enum err_code add_next(struct results *r, const struct task *next, struct arena *a,
	struct report_answer *ret, struct err *e)
{
	struct event_task *t = arena_alloc(a, sizeof(*t));
	bool held = false;
	if (!next->id)
		return OK;
	enum err_code code = results_describe(r, &(struct task_name){ next->id, next->lease }, 0, a,
		t, &held, e);
	if (code == OK && held)
		ret->next = t;
	return code;
}

static enum err_code answer(struct results *r, const struct outside_answer *said, struct arena *a,
	struct results_verdict *ret, struct err *e)
{
	static const enum report_verdict verdicts[] = { [OUTSIDE_RECORDED] = REPORT_RECORDED,
		[OUTSIDE_REPEATED] = REPORT_REPEATED,
		[OUTSIDE_STALE] = REPORT_STALE };
	ret->answer.verdict = verdicts[said->verdict];
	if (said->has_original) {
		struct original *o = arena_alloc(a, sizeof(*o));
		*o = said->original;
		ret->answer.source = o;
	}
	return add_next(r, &said->next, a, &ret->answer, e);
}

/* Nothing can be said of it any more; was it said before? */
static enum err_code take_late(struct results *r, const struct report_result *in,
	const struct task_name *name, struct arena *a, struct results_verdict *ret, struct err *e)
{
	struct outside_report nothing = { .id = name->id, .lease = name->lease, .later = true };
	struct outside_answer said;
	const char **keys;
	enum err_code code = store_report(r->o.store, &nothing, a, &said, e);
	if (code == OK)
		code = answer(r, &said, a, ret, e);
	size_t n = keys_of(r, in, name, a, &keys);
	return code == OK ? drop(r, keys, n, e) : code;
}

static enum err_code take_held(struct results *r, const struct report_result *in,
	const struct lent *lent, struct arena *a, struct results_verdict *ret, struct err *e)
{
	const struct task_name name = { lent->task.id, lent->task.lease };
	struct checked c;
	struct outside_answer said;
	enum err_code code = check_result(r, in, lent, a, &c, e);
	if (code == ERR_REQUEST_INVALID || code == ERR_REQUEST_LIMIT) {
		struct err why = *e;
		return refuse_work(r, in, &name, &why, a, ret, e);
	}
	if (code == OK)
		code = store_report(r->o.store, &c.report, a, &said, e);
	if (code != OK)
		return code;
	if (said.verdict != OUTSIDE_RECORDED) /* it has moved on since we looked */
		return take_late(r, in, &name, a, ret, e);
	code = drop(r, c.spare, c.spare_n, e);
	return code == OK ? answer(r, &said, a, ret, e) : code;
}

static enum err_code take_one(struct results *r, const struct report_letter *l,
	const struct report *report, size_t i, struct arena *a, struct results_verdict *ret,
	struct err *e)
{
	const struct report_result *in = &report->results[i];
	struct task_name name;
	struct lent lent;
	struct err why;
	ret->answer.task = in->task;
	if (!report_is_signed(l, report, i, r->o.report_key)) {
		err_set(&why, ERR_AUTH_REQUIRED,
			"not signed with the secret of this task and lease");
		refuse(ret, &why, a);
		return OK;
	}
	if (!task_name_parse(in->task, &name)) /* it would not be signed */
		return err_set(e, ERR_INTERNAL, "a signed task has no name");
	enum err_code code = store_lent(r->o.store, name.id, name.lease, a, &lent, e);
	if (code != OK)
		return code;
	if (in->fault.code != OK && lent.held)
		return refuse_work(r, in, &name, &in->fault, a, ret, e);
	return lent.held ? take_held(r, in, &lent, a, ret, e) : take_late(r, in, &name, a, ret, e);
}

enum err_code results_take(struct results *r, const struct report_letter *l, struct arena *a,
	struct results_taken *ret, struct err *e)
{
	struct report report;
	enum err_code code = report_parse(l->body, l->body_n, r->prefix, a, &report, e);
	if (code != OK)
		return code;
	struct results_taken t = { .is_list = report.is_list, .n = report.n };
	t.v = arena_alloc(a, report.n * sizeof(*t.v));
	for (size_t i = 0; code == OK && i < report.n; i++)
		code = take_one(r, l, &report, i, a, &t.v[i], e);
	if (code == OK)
		*ret = t;
	return code;
}
