/* SPDX-License-Identifier: MIT
 *
 * Webhooks as a caller sees them: what was sent, what waits, what was given up, and sending it again. A
 * delivery's id is its event's.
 */
#include "api/api_impl.h"

#include "base/clock.h"
#include "store/access.h"
#include "store/hooks.h"

#include <string.h>

static const char *const states[] = {
	[DELIVERY_PENDING] = "pending",
	[DELIVERY_SUCCEEDED] = "succeeded",
	[DELIVERY_FAILED] = "failed",
	[DELIVERY_DISABLED] = "disabled",
};

/* ---- submitting ----------------------------------------------------------------------------- */

static enum err_code is_signed(struct call *c, bool *ret, struct err *e)
{
	const char *sealed[2] = { NULL };

	*ret = c->tenant == TENANT_DEFAULT && c->api->o.signs_webhooks;
	if (*ret)
		return OK;
	enum err_code code = store_webhook_secrets(c->api->o.store, c->tenant, c->a, sealed, e);
	*ret = sealed[0] != NULL;
	return code;
}

enum err_code webhook_check(struct call *c, const struct request *r, struct faults *f,
	struct err *e)
{
	bool good = true;

	if (r->webhook_url && is_signed(c, &good, e) != OK)
		return e->code;
	if (!good)
		faults_add(f, ERR_REQUEST_UNSUPPORTED, "/webhook",
			c->tenant == TENANT_DEFAULT
				? "this server has no secret to sign webhooks with: its operator sets "
				  "--webhook-secret-file"
				: "this key has no secret to sign webhooks with: bulb key rotate-webhook "
				  "makes one");
	return OK;
}

/* ---- listing -------------------------------------------------------------------------------- */

static void put_time(json_t *o, const char *name, int64_t ms)
{
	char text[CLOCK_RFC3339_MAX];

	if (ms)
		clock_format_rfc3339(ms, text);
	json_put_str(o, name, ms ? text : NULL);
}

static json_t *delivery_json(const struct delivery *d)
{
	json_t *o = json_obj();
	char seq[24];

	view_seq(d->seq, seq);
	autofree char *id = mem_printf("%s.%s", d->job, seq);
	json_put_str(o, "id", id);
	json_put_str(o, "job", d->job);
	json_put_str(o, "sequence", seq);
	json_put_str(o, "type", event_type_name(d->type));
	json_put_str(o, "url", d->url);
	json_put_str(o, "status", states[d->state]);
	json_put_int(o, "tries", d->tries);
	put_time(o, "created_at", d->created_ms);
	put_time(o, "last_try_at", d->last_ms);
	put_time(o, "next_try_at", d->state == DELIVERY_PENDING && !d->lent ? d->next_ms : 0);
	json_put(o, "last_status", d->status ? json_integer(d->status) : json_null());
	json_put_str(o, "detail", d->detail);
	return o;
}

/* Of the query; false: answered. */
static bool read_status(struct call *c, int *ret)
{
	const char *status = call_query(c, "status");

	*ret = -1;
	for (size_t i = 0; status && i < ARRAY_LEN(states); i++)
		if (strcmp(status, states[i]) == 0)
			*ret = (int)i;
	if (!status || *ret >= 0)
		return true;
	call_fail(c, ERR_REQUEST_INVALID,
		"a delivery has no status '%s': there are pending, succeeded, failed and disabled",
		status);
	return false;
}

void deliveries_list(struct call *c)
{
	struct delivery_query q = { .tenant = c->tenant, .job = call_query(c, "job") };
	struct delivery *rows;
	struct err e = { 0 };
	struct page page;
	size_t n;

	if (!read_status(c, &q.state) || !page_read(c, &page))
		return;
	q.before_no = page.after;
	q.max = page.size + 1; /* one more tells whether there is a next page */
	if (store_deliveries(c->api->o.store, &q, c->a, &rows, &n, &e) != OK) {
		call_fail_err(c, &e);
		return;
	}
	json_t *list = json_arr();
	size_t shown = n < q.max ? n : page.size;
	for (size_t i = 0; i < shown; i++)
		json_push(list, delivery_json(&rows[i]));
	page_answer(c, "deliveries", list, n > shown, shown ? rows[shown - 1].no : 0);
}

/* ---- once more ------------------------------------------------------------------------------ */

/* "JOB.SEQUENCE" */
static bool parse_id(struct call *c, const char **ret_job, int64_t *ret_seq)
{
	const char *dot = strrchr(c->args[0], '.');

	if (!dot || !view_seq_parse(dot + 1, ret_seq))
		return false;
	*ret_job = arena_strndup(c->a, c->args[0], (size_t)(dot - c->args[0]));
	return job_id_is_valid(*ret_job);
}

void redeliver(struct call *c)
{
	struct delivery *d;
	struct err e = { 0 };
	const char *job;
	int64_t seq;

	if (!parse_id(c, &job, &seq))
		call_fail(c, ERR_NOT_FOUND, "there is no such delivery");
	else if (store_redeliver(c->api->o.store, c->tenant, job, seq, c->a, &d, &e) != OK)
		call_fail_err(c, &e);
	else
		call_json(c, 202, delivery_json(d));
}
