/* SPDX-License-Identifier: MIT
 *
 * What a function says, and what it is told in return. A report is a stranger's text: one result that
 * makes no sense must not take the others with it, so a fault belongs to its result.
 */
#include "job/report.h"

#include "job/reading.h"

#include <string.h>

#define AFTER_MAX_S   3600
#define TEXT_MAX      2048 /* of an ETag */
#define TASK_TEXT_MAX 256

static const char *const statuses[] = {
	[REPORT_FETCHED] = "fetched",
	[REPORT_NOT_MODIFIED] = "not_modified",
	[REPORT_SUCCEEDED] = "succeeded",
	[REPORT_FAILED] = "failed",
	[REPORT_LATER] = "later",
};
static const char *const verdicts[] = {
	[REPORT_RECORDED] = "recorded",
	[REPORT_REPEATED] = "repeated",
	[REPORT_STALE] = "stale",
	[REPORT_REFUSED] = "refused",
};

const char *report_status_name(enum report_status s)
{
	return statuses[s];
}

const char *report_verdict_name(enum report_verdict v)
{
	return verdicts[v];
}

/* The index in names, or a fault. */
static int read_word(struct reading *r, const char *member, const char *const *names, size_t n)
{
	const char *word = "";
	reading_must(r, member);
	reading_str(r, member, 32, &word);
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], word) == 0)
			return (int)i;
	reading_fault(r, member, "'%.32s' is no %s there is", word, member);
	return 0;
}

/* ---- the report: writing -------------------------------------------------------------------- */

static json_t *variant_of_report(const struct report_variant *v, const char *prefix)
{
	json_t *o = product_json(&v->product);
	char hex[HEX_MAX(VARIANT_DIGEST_LEN)];
	put_whole_key(o, "key", prefix, v->product.key);
	if (v->name)
		json_put_str(o, "name", v->name);
	if (v->has_recipe) {
		hex_format(v->product.recipe, VARIANT_DIGEST_LEN, hex);
		json_put_str(o, "recipe", hex);
	}
	return o;
}

static json_t *result_json(const struct report_result *r, const char *prefix)
{
	json_t *o = json_obj();
	json_put_str(o, "task", r->task);
	json_put_str(o, "status", statuses[r->status]);
	if (r->has_source)
		json_put(o, "source", original_whole_json(&r->source, prefix));
	if (r->etag)
		json_put_str(o, "etag", r->etag);
	if (r->last_modified)
		json_put_str(o, "last_modified", r->last_modified);
	if (r->variants_n > 0) {
		json_t *list = json_arr();
		for (size_t i = 0; i < r->variants_n; i++)
			json_push(list, variant_of_report(&r->variants[i], prefix));
		json_put(o, "variants", list);
	}
	if (r->after_ms)
		json_put_int(o, "after", (r->after_ms + 999) / 1000);
	autojson *outcome = outcome_json(&r->outcome);
	(void)json_object_update(o, outcome);
	return o;
}

json_t *report_json(const struct report *r, const char *prefix)
{
	if (r->n == 1 && !r->is_list)
		return result_json(&r->results[0], prefix);
	json_t *o = json_obj(), *list = json_arr();
	for (size_t i = 0; i < r->n; i++)
		json_push(list, result_json(&r->results[i], prefix));
	json_put(o, "results", list);
	return o;
}

/* ---- the report: reading -------------------------------------------------------------------- */

static void read_variant(struct reading *r, const char *prefix, struct report_variant *v)
{
	reading_str(r, "name", VARIANT_NAME_MAX, &v->name);
	v->has_recipe = reading_digest(r, "recipe", v->product.recipe);
	if (!v->name && !v->has_recipe)
		reading_fault(r, "recipe", "must be there, as the task said it");
	reading_product(r, prefix, &v->product);
}

static void read_variants(struct reading *r, const char *prefix, struct report_result *to)
{
	const json_t *list = reading_list(r, "variants", REPORT_VARIANTS_MAX);
	size_t n = json_array_size(list);
	to->variants = arena_alloc(r->a, (n + 1) * sizeof(*to->variants));
	for (size_t i = 0; r->code == OK && i < n; i++) {
		struct reading m = reading_of(json_array_get(list, i), reading_at(r, "variants", i),
			r->a, r->e);
		read_variant(&m, prefix, &to->variants[to->variants_n++]);
		reading_end(r, &m);
	}
}

/* outcome.h reads leniently: a code that this bulb does not know is still a failure. */
static void read_outcome(struct reading *r, struct outcome *ret)
{
	struct reading error = reading_member(r, "error"), timing = reading_member(r, "timing_ms");
	reading_end(r, &error);
	reading_end(r, &timing);
	*ret = (struct outcome){ .download_ms = -1, .process_ms = -1, .store_ms = -1 };
	if (r->code != OK)
		return;
	autofree char *text = json_text(r->o);
	r->code = outcome_parse(text, ret, r->e);
	if (error.o && !ret->stage)
		ret->stage = "process";
}

static bool is_hex(const char *s)
{
	return s[strspn(s, "0123456789abcdefABCDEF")] == '\0';
}

static void read_source(struct reading *r, const char *prefix, struct report_result *to)
{
	struct reading m = reading_member(r, "source");
	to->has_source = m.code == OK && m.o != NULL;
	if (to->has_source)
		reading_original(&m, prefix, &to->source);
	const char *color = to->source.color;
	uint8_t hash[sizeof(to->source.thumbhash)];
	size_t n = sizeof(hash);
	if (color[0] && (color[0] != '#' || strlen(color) != 7 || !is_hex(color + 1)))
		reading_fault(&m, "color", "must be '#' and six hex digits");
	if (!base64_parse(to->source.thumbhash, strlen(to->source.thumbhash), hash, &n))
		reading_fault(&m, "thumbhash", "must be base64");
	reading_end(r, &m);
}

/* What a status cannot do without. */
static void read_needs(struct reading *r, const struct report_result *to)
{
	if (to->status == REPORT_FETCHED)
		reading_must(r, "source");
	if (to->status == REPORT_FAILED)
		reading_must(r, "error");
	if (to->status != REPORT_FAILED && to->status != REPORT_LATER && to->outcome.code != OK)
		reading_fault(r, "error", "has no place in what %s", statuses[to->status]);
}

static void read_result(const json_t *doc, const char *at, const char *prefix, struct arena *a,
	struct report_result *to)
{
	struct reading r = reading_of(doc, at, a, &to->fault);
	int64_t after_s = 0;
	to->task = "";
	reading_must(&r, "task");
	reading_str(&r, "task", TASK_TEXT_MAX, &to->task);
	to->status = (enum report_status)read_word(&r, "status", statuses, ARRAY_LEN(statuses));
	read_source(&r, prefix, to);
	reading_str(&r, "etag", TEXT_MAX, &to->etag);
	reading_str(&r, "last_modified", TEXT_MAX, &to->last_modified);
	read_variants(&r, prefix, to);
	reading_int(&r, "after", 0, AFTER_MAX_S, &after_s);
	to->after_ms = after_s * 1000;
	read_outcome(&r, &to->outcome);
	read_needs(&r, to);
}

enum err_code report_parse(const void *body, size_t n, const char *prefix, struct arena *a,
	struct report *ret, struct err *e)
{
	autojson *doc = NULL;
	enum err_code code = json_parse(body, n, &doc, e);
	if (code != OK)
		return code;
	const json_t *list = json_object_get(doc, "results");
	struct report r = { .is_list = list != NULL, .n = list ? json_array_size(list) : 1 };
	if (list && (!json_is_array(list) || r.n == 0 || r.n > REPORT_RESULTS_MAX))
		return err_set(e, ERR_REQUEST_LIMIT, "/results: must be a list of 1 to %d",
			REPORT_RESULTS_MAX);
	r.results = arena_alloc(a, r.n * sizeof(*r.results));
	for (size_t i = 0; i < r.n; i++)
		read_result(list ? json_array_get(list, i) : doc,
			list ? arena_printf(a, "/results/%zu", i) : "", prefix, a, &r.results[i]);
	*ret = r;
	return OK;
}

/* ---- the answer ----------------------------------------------------------------------------- */

json_t *report_answers_json(const struct report_answer *v, size_t n, const char *prefix)
{
	json_t *o = json_obj(), *list = json_arr();
	for (size_t i = 0; i < n; i++) {
		json_t *r = json_obj();
		json_put_str(r, "task", v[i].task);
		json_put_str(r, "status", verdicts[v[i].verdict]);
		if (v[i].why)
			json_put_str(r, "detail", v[i].why);
		if (v[i].source)
			json_put(r, "source", original_whole_json(v[i].source, prefix));
		if (v[i].next)
			json_put(r, "next", event_task_json(v[i].next, prefix));
		json_push(list, r);
	}
	json_put(o, "results", list);
	return o;
}

static void read_answer(struct reading *r, const char *prefix, struct report_answer *ret)
{
	reading_must(r, "task");
	reading_str(r, "task", TASK_TEXT_MAX, &ret->task);
	ret->verdict = (enum report_verdict)read_word(r, "status", verdicts, ARRAY_LEN(verdicts));
	reading_str(r, "detail", TEXT_MAX, &ret->why);
	struct reading source = reading_member(r, "source"), next = reading_member(r, "next");
	if (source.code == OK && source.o) {
		struct original *o = arena_alloc(r->a, sizeof(*o));
		reading_original(&source, prefix, o);
		ret->source = o;
	}
	if (next.code == OK && next.o) {
		struct event_task *t = arena_alloc(r->a, sizeof(*t));
		next.code = event_task_parse(next.o, prefix, r->a, t, r->e);
		ret->next = t;
	}
	reading_end(r, &source);
	reading_end(r, &next);
}

enum err_code report_answers_parse(const json_t *doc, const char *prefix, struct arena *a,
	struct report_answer **ret, size_t *ret_n, struct err *e)
{
	struct reading r = reading_of(doc, "", a, e);
	reading_must(&r, "results");
	const json_t *list = reading_list(&r, "results", REPORT_RESULTS_MAX);
	size_t n = json_array_size(list);
	struct report_answer *v = arena_alloc(a, (n + 1) * sizeof(*v));
	for (size_t i = 0; r.code == OK && i < n; i++) {
		struct reading m = reading_of(json_array_get(list, i), reading_at(&r, "results", i),
			a, e);
		v[i] = (struct report_answer){ .task = "" };
		read_answer(&m, prefix, &v[i]);
		reading_end(&r, &m);
	}
	if (r.code != OK)
		return r.code;
	*ret = v;
	*ret_n = n;
	return OK;
}
