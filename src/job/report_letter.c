/* SPDX-License-Identifier: MIT
 *
 * A report under way: its body with one signature for each result. A function holds the secrets of the
 * tasks that it was given and no other, so what it signs it was asked for. A report of one result is a
 * webhook as any library of Standard Webhooks makes it.
 */
#include "job/reading.h"
#include "job/report.h"

#include <stdio.h>
#include <string.h>

enum err_code report_sign(const struct report *r, const char *prefix, const char *const *secrets,
	const char *id, int64_t wall_ms, struct arena *a, struct report_letter *ret, struct err *e)
{
	autojson *doc = report_json(r, prefix);
	autofree char *body = json_text(doc);
	struct report_letter l = {
		.id = arena_strdup(a, id),
		.time_s = arena_printf(a, "%lld", (long long)(wall_ms / 1000)),
		.signatures = "",
		.body = arena_strdup(a, body),
		.body_n = strlen(body),
	};
	const struct webhook_message m = { l.id, l.time_s, l.body, l.body_n };
	for (size_t i = 0; i < r->n; i++) {
		struct webhook_secret s;
		char one[WEBHOOK_SIGNATURE_MAX];
		if (!webhook_secret_parse(secrets[i], &s))
			return err_set(e, ERR_USAGE, "the secret of task %s is none",
				r->results[i].task);
		webhook_sign(&s, &m, one);
		mem_wipe(&s, sizeof(s));
		l.signatures = arena_printf(a, "%s%s%s", l.signatures, i ? " " : "", one);
	}
	*ret = l;
	return OK;
}

bool report_is_signed(const struct report_letter *l, const struct report *r, size_t i,
	const uint8_t key[32])
{
	const struct webhook_message m = { l->id, l->time_s, l->body, l->body_n };
	struct webhook_secret s;
	struct task_name name;
	if (!task_name_parse(r->results[i].task, &name))
		return false;
	report_secret(key, &name, &s);
	bool good = r->is_list ? webhook_verify_nth(&s, &m, l->signatures, i)
			       : webhook_verify(&s, &m, l->signatures);
	mem_wipe(&s, sizeof(s));
	return good;
}

char *report_left_text(const struct report_letter *l)
{
	autojson *o = json_obj();
	json_t *h = json_obj();
	json_put_str(h, "webhook-id", l->id);
	json_put_str(h, "webhook-timestamp", l->time_s);
	json_put_str(h, "webhook-signature", l->signatures);
	json_put(o, "headers", h);
	json_put_str(o, "body", l->body);
	return json_text(o);
}

enum err_code report_left_parse(const void *text, size_t n, struct arena *a,
	struct report_letter *ret, struct err *e)
{
	autojson *doc = NULL;
	struct report_letter l = { 0 };
	if (json_parse(text, n, &doc, e) != OK)
		return e->code;
	struct reading r = reading_of(doc, "", a, e);
	reading_must(&r, "body");
	reading_str(&r, "body", n, &l.body);
	reading_must(&r, "headers");
	struct reading h = reading_member(&r, "headers");
	static const char *const names[] = { "webhook-id", "webhook-timestamp",
		"webhook-signature" };
	const char **const to[] = { &l.id, &l.time_s, &l.signatures };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		reading_must(&h, names[i]);
		reading_str(&h, names[i], n, to[i]);
	}
	reading_end(&r, &h);
	if (r.code != OK)
		return r.code;
	l.body_n = strlen(l.body);
	*ret = l;
	return OK;
}
