/* SPDX-License-Identifier: MIT
 *
 * The loop's three calls over one kept connection. The process is frozen between an answer and the
 * next event, so `next` has no timeout of its own: hours may pass inside it.
 *
 * A deadline that lies in the past when it is received cannot be one: emulators send durations
 * there, or 0. It counts as not known.
 */
#include "lambda/runtime.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "lambda/call.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECT_MS 5000
#define ANSWER_MS  60000
#define TRACE_NAME "_X_AMZN_TRACE_ID" /* where AWS's own libraries look for it */

struct runtime {
	char *api;
	struct net_client *net;
};

struct runtime *runtime_new(const char *api)
{
	struct runtime *r = mem_new(struct runtime);
	r->api = mem_strdup(api);
	r->net = call_client_new();
	/* From now on only the value changes: others may read the environment at the same time. */
	setenv(TRACE_NAME, "", 1);
	return r;
}

void runtime_free(struct runtime *r)
{
	if (!r)
		return;
	net_client_free(r->net);
	free(r->api);
	free(r);
}

/* ---- the extension ---------------------------------------------------------------------------- */

struct extension {
	char *url;
	char id[64];
};

static void take_identifier(void *ctx, const char *name, const char *value)
{
	struct extension *x = ctx;
	if (strcasecmp(name, "Lambda-Extension-Identifier") == 0)
		snprintf(x->id, sizeof(x->id), "%s", value);
}

/* It asked for no events: this never answers, and has to be asked for the environment to be ready. */
static void *await_nothing(void *extension)
{
	struct extension *x = extension;
	struct net_client *net = call_client_new();
	struct net_header h = { "Lambda-Extension-Identifier", x->id };
	struct call_answer a;
	struct err e = { 0 };
	(void)!call_do(net, &(struct call){ "GET", x->url, &h, 1, .connect_ms = CONNECT_MS }, &a,
		&e);
	call_done(&a);
	net_client_free(net);
	free(x->url);
	free(x);
	return NULL;
}

bool runtime_register(struct runtime *r)
{
	autofree char *url = mem_printf("http://%s/2020-01-01/extension/register", r->api);
	static const char body[] = "{\"events\":[]}";
	const struct net_header h[] = { { "Lambda-Extension-Name", "bulb" },
		{ "Content-Type", "application/json" } };
	struct extension *x = mem_new(struct extension);
	struct call_answer a;
	struct err e = { 0 };
	pthread_t thread;
	enum err_code code = call_do(r->net,
		&(struct call){ "POST", url, h, ARRAY_LEN(h), body, strlen(body), CONNECT_MS,
			CONNECT_MS, .on_header = take_identifier, .ctx = x },
		&a, &e);
	bool is_there = code == OK && a.status == 200 && x->id[0];
	call_done(&a);
	if (is_there)
		x->url = mem_printf("http://%s/2020-01-01/extension/event/next", r->api);
	if (!is_there || pthread_create(&thread, NULL, await_nothing, x) != 0) {
		free(x->url);
		free(x);
		return false;
	}
	pthread_detach(thread);
	return true;
}

/* ---- invocations ------------------------------------------------------------------------------ */

void invocation_done(struct invocation *i)
{
	free(i->id);
	free(i->trace);
	buf_done(&i->event);
	*i = (struct invocation){ 0 };
}

int64_t invocation_left_ms(const struct invocation *i)
{
	return i->deadline_ms ? i->deadline_ms - clock_mono_ms() : INT64_MAX;
}

static void take_deadline(struct invocation *i, const char *value)
{
	int64_t left_ms = strtoll(value, NULL, 10) - clock_wall_ms();
	if (left_ms <= 0)
		return;
	i->limit_ms = left_ms;
	i->deadline_ms = clock_mono_ms() + left_ms;
}

static void take_header(void *ctx, const char *name, const char *value)
{
	struct invocation *i = ctx;
	if (strcasecmp(name, "Lambda-Runtime-Aws-Request-Id") == 0 && !i->id)
		i->id = mem_strdup(value);
	else if (strcasecmp(name, "Lambda-Runtime-Trace-Id") == 0 && !i->trace)
		i->trace = mem_strdup(value);
	else if (strcasecmp(name, "Lambda-Runtime-Deadline-Ms") == 0)
		take_deadline(i, value);
}

/* It becomes part of the path of the answer. */
static bool is_id(const char *s)
{
	size_t n = s ? strlen(s) : 0;
	return n > 0 && n <= 128 &&
		strspn(s,
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			"0123456789-_") == n;
}

enum err_code runtime_next(struct runtime *r, struct invocation *ret, struct err *e)
{
	autofree char *url = mem_printf("http://%s/2018-06-01/runtime/invocation/next", r->api);
	struct invocation i = { 0 };
	struct call_answer a;
	enum err_code code = call_do(r->net,
		&(struct call){ "GET", url, .connect_ms = CONNECT_MS, .on_header = take_header,
			.ctx = &i },
		&a, e);
	if (code == OK && (a.status != 200 || !is_id(i.id)))
		code = err_set(e, ERR_SYSTEM, "Lambda's runtime answered %d to a call for work",
			a.status);
	if (code != OK) {
		call_done(&a);
		invocation_done(&i);
		return err_wrap(e, "%s", r->api);
	}
	i.event = a.body;
	setenv(TRACE_NAME, i.trace ? i.trace : "", 1);
	*ret = i;
	return OK;
}

static enum err_code tell(struct runtime *r, const char *path, const char *type, const char *text,
	size_t n, int *ret_status, struct err *e)
{
	autofree char *url = mem_printf("http://%s/2018-06-01/runtime/%s", r->api, path);
	const struct net_header h[] = { { "Content-Type", "application/json" },
		{ "Lambda-Runtime-Function-Error-Type", type } };
	struct call_answer a;
	enum err_code code = call_do(r->net,
		&(struct call){ "POST", url, h, type ? 2 : 1, text, n, CONNECT_MS, ANSWER_MS }, &a,
		e);
	*ret_status = code == OK ? a.status : 0;
	call_done(&a);
	return code == OK ? OK : err_wrap(e, "%s", r->api);
}

enum err_code runtime_answer(struct runtime *r, const char *id, const char *text, size_t n,
	bool *ret_taken, struct err *e)
{
	autofree char *path = mem_printf("invocation/%s/response", id);
	int status = 413;
	if (n <= RUNTIME_ANSWER_MAX && tell(r, path, NULL, text, n, &status, e) != OK)
		return e->code;
	*ret_taken = status != 413;
	if (status / 100 == 2 || status == 413)
		return OK;
	return err_set(e, ERR_SYSTEM, "Lambda's runtime answered %d to an answer", status);
}

enum err_code runtime_fault(struct runtime *r, const char *id, const struct err *why, struct err *e)
{
	autofree char *path = id ? mem_printf("invocation/%s/error", id) : mem_strdup("init/error");
	autofree char *type = mem_printf("Bulb.%s", err_name(why->code));
	autojson *doc = json_obj();
	json_put_str(doc, "errorType", type);
	json_put_str(doc, "errorMessage", why->text);
	json_put(doc, "stackTrace", json_arr());
	autofree char *text = json_text(doc);
	int status = 0;
	if (tell(r, path, type, text, strlen(text), &status, e) != OK)
		return e->code;
	return status / 100 == 2
		? OK
		: err_set(e, ERR_SYSTEM, "Lambda's runtime answered %d to an error", status);
}
