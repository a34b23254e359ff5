/* SPDX-License-Identifier: MIT
 *
 * One try: the event as it is told now, with links that live from now on, signed with every secret that
 * counts, and sent over a connection of its own to an address that the guard has looked at. What was
 * answered decides; the body of the answer is of no interest and is not read.
 */
#include "webhooks/webhooks_impl.h"

#include "base/clock.h"
#include "base/id.h"
#include "view/view.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CONNECT_MS  10000
#define EVENT_BYTES (1 << 20) /* of a row; it is cut when it is told */
#define JITTER      5         /* up to a fifth more */

struct letter {
	char id[JOB_ID_MAX + 32], time_s[24];
	char signatures[SECRETS_MAX * WEBHOOK_SIGNATURE_MAX + 1];
	struct buf body;
};

/* ---- what is sent --------------------------------------------------------------------------- */

static enum err_code render(const struct webhooks_opts *o, const struct delivery *d,
	struct arena *a, struct buf *out, struct err *e)
{
	const char *base = d->of->base_url;
	struct view_links links = {
		.base_url = base,
		.events_url = o->events_url ? o->events_url : base,
		.blob_url = o->blob_url,
		.direct = o->direct_links,
		.link_key = o->link_key,
		.link_ttl_ms = o->link_ttl_ms,
		.now_ms = clock_wall_ms(),
	};
	struct event_row *rows;
	size_t n;
	int64_t last;
	bool ended;

	if (store_events(o->store, d->job_no, d->seq - 1, 1, EVENT_BYTES, a, &rows, &n, &last,
		    &ended, e) != OK)
		return e->code;
	if (n == 0 || rows[0].seq != d->seq)
		return err_set(e, ERR_NOT_FOUND, "the event is gone");
	view_webhook(&rows[0], d->of->id, d->of, &links, out);
	return out->full ? err_set(e, ERR_MEMORY, "the event is too large") : OK;
}

static enum err_code sign(const struct webhooks_opts *o, const struct delivery *d, struct letter *l,
	struct err *e)
{
	struct webhook_secret secrets[SECRETS_MAX];
	struct webhook_message m = { l->id, l->time_s, l->body.data, l->body.len };
	size_t n, at = 0;

	if (secrets_of(o, d->tenant, secrets, &n, e) != OK)
		return e->code;
	for (size_t i = 0; i < n; i++) {
		char one[WEBHOOK_SIGNATURE_MAX];
		webhook_sign(&secrets[i], &m, one);
		at += (size_t)snprintf(l->signatures + at, sizeof(l->signatures) - at, "%s%s",
			i ? " " : "", one);
	}
	mem_wipe(secrets, sizeof(secrets));
	return n ? OK : err_set(e, ERR_AUTH_REQUIRED, "no secret is there to sign with");
}

static enum err_code write_letter(const struct webhooks_opts *o, const struct delivery *d,
	struct arena *a, struct letter *l, struct err *e)
{
	char seq[24];

	view_seq(d->seq, seq);
	snprintf(l->id, sizeof(l->id), "%s.%s", d->of->id, seq);
	snprintf(l->time_s, sizeof(l->time_s), "%lld", (long long)clock_wall_ms() / 1000);
	if (render(o, d, a, &l->body, e) != OK)
		return e->code;
	return sign(o, d, l, e);
}

/* ---- what is answered ----------------------------------------------------------------------- */

static bool on_header(void *ctx, const char *name, const char *value)
{
	if (strcasecmp(name, "Retry-After") == 0)
		*(int64_t *)ctx = net_retry_after(value);
	return true;
}

static bool on_body(void *ctx, const void *data, size_t n)
{
	(void)ctx, (void)data, (void)n;
	return false;
}

static enum err_code post(const struct webhooks_opts *o, struct net_client *net,
	const struct delivery *d, const struct letter *l, atomic_bool *cancel, int *ret_status,
	int64_t *ret_after_ms, struct err *e)
{
	const struct net_header headers[] = { { "Content-Type", "application/cloudevents+json" },
		{ "User-Agent", "bulb" }, { "webhook-id", l->id },
		{ "webhook-timestamp", l->time_s }, { "webhook-signature", l->signatures } };
	const struct net_request r = {
		.method = "POST",
		.url = d->url,
		.headers = headers,
		.headers_n = ARRAY_LEN(headers),
		.body = l->body.data,
		.body_n = l->body.len,
		.once = true,
		.connect_ms = o->timeout_ms < CONNECT_MS ? o->timeout_ms : CONNECT_MS,
		.total_ms = o->timeout_ms,
		.cancel = cancel,
		.on_header = on_header,
		.on_body = on_body,
		.ctx = ret_after_ms,
	};
	struct net_response answer = { 0 };
	enum err_code code = net_do(net, &r, &answer, e);

	if (code == OK)
		*ret_status = answer.status;
	return code;
}

/* ---- what becomes of it --------------------------------------------------------------------- */

static int64_t jittered(int64_t ms)
{
	return ms + (int64_t)random_below((uint64_t)ms / JITTER + 1);
}

static void failed(const struct webhooks_opts *o, const struct delivery *d, int64_t after_ms,
	struct delivery_end *ret)
{
	size_t next = (size_t)d->step + 1;

	if (next >= o->schedule.n) {
		ret->state = DELIVERY_FAILED;
		return;
	}
	ret->wait_ms = jittered(o->schedule.ms[next]);
	if (ret->wait_ms < after_ms)
		ret->wait_ms = after_ms;
}

static void answered(const struct webhooks_opts *o, const struct delivery *d, int status,
	int64_t after_ms, struct arena *a, struct delivery_end *ret)
{
	ret->status = status;
	if (status >= 200 && status < 300) {
		ret->state = DELIVERY_SUCCEEDED;
		return;
	}
	if (status == 410) {
		ret->state = DELIVERY_DISABLED;
		ret->detail = "answered 410: the receiver wants no more of this job";
		return;
	}
	ret->detail = arena_printf(a, "answered %d%s", status,
		status >= 300 && status < 400 ? ": redirects are not followed" : "");
	failed(o, d, after_ms, ret);
}

void send_one(const struct webhooks_opts *o, struct net_client *net, const struct delivery *d,
	atomic_bool *cancel, struct arena *a, struct delivery_end *ret)
{
	struct letter l = { .body = BUF_INIT(EVENT_BYTES) };
	struct err e = { 0 };
	int status = 0;
	int64_t after_ms = 0;

	*ret = (struct delivery_end){ .no = d->no, .job_no = d->job_no, .lease = d->lease };
	enum err_code code = write_letter(o, d, a, &l, &e);
	if (code == OK)
		code = post(o, net, d, &l, cancel, &status, &after_ms, &e);
	buf_done(&l.body);
	if (code == OK) {
		answered(o, d, status, after_ms, a, ret);
		return;
	}
	ret->untried = code == ERR_CANCELED || code == ERR_STORE_UNAVAILABLE ||
		code == ERR_NOT_FOUND;
	ret->wait_ms = code == ERR_CANCELED ? 0 : o->poll_ms;
	ret->detail = arena_strdup(a, e.text);
	if (!ret->untried)
		failed(o, d, 0, ret);
}
