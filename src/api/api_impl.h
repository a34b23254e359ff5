/* SPDX-License-Identifier: MIT
 *
 * Inside api. A call is one request being answered; it lives in the request's arena, so that it
 * outlives the thread that began it when the request is parked.
 */
#ifndef BULB_API_API_IMPL_H
#define BULB_API_API_IMPL_H

#include "api/access.h"
#include "api/api.h"
#include "base/json.h"
#include "job/grant.h"
#include "view/view.h"

#include <pthread.h>
#include <stdatomic.h>

struct api {
	struct api_opts o;
	char *public_url, *events_url, *blob_url; /* normalised; NULL where not set */
	_Atomic bool draining, store_down;
	pthread_mutex_t ready_lock;
	int64_t ready_ms;                       /* monotonic: when readiness was last looked at */
	bool looking;                           /* somebody does */
	char ready_part[64], ready_detail[400]; /* "": all is well */
};

/* tokens.c */
#define SUBMIT_TOKEN_PREFIX "s1."
struct submit_token {
	const char *id,
		*key; /* of the token; of the key that made it, "" or NULL: none was needed */
	int64_t tenant, expires_ms;
	struct grant grant;
};
/* Strings live in the arena. false: it is not one of ours, or has expired. */
bool submit_token_check(const char *text, const uint8_t key[32], int64_t now_ms, struct arena *a,
	struct submit_token *ret);

struct call;
enum {
	ROUTE_OPS = 1,     /* also on --ops-listen */
	ROUTE_OPEN = 2,    /* asks for no key or token */
	ROUTE_TOKEN = 4,   /* a job's read token opens it */
	ROUTE_ANYONE = 8,  /* any web page may read it: the URL is the secret */
	ROUTE_SUBMIT = 16, /* a submit token opens it */
	ROUTE_ADMIN =
		32, /* needs the scope admin; elsewhere GET needs read, and the others write */
	ROUTE_ANY_SCOPE = 64, /* what the key must have depends on what is asked for */
	ROUTE_EACH = 128, /* opened by anybody: each thing asked for over it brings its own token */
};
struct route {
	const char *method, *pattern; /* "{id}": one segment, "{*}": the rest */
	void (*handle)(struct call *c);
	unsigned flags;
};
#define CALL_ARGS 2
struct call {
	struct api *api;
	struct http_request *r;
	struct arena *a;
	const struct route *route; /* NULL: none fits */
	const char *method;
	const char *args[CALL_ARGS];
	const char *base_url, *events_url;
	const char *cache_control;
	int64_t tenant;
	bool is_websocket;
	const char *token_text; /* of the read token that opened this call; NULL: none */
	struct view_token token;
	const struct access_key *key;            /* that opened this call; NULL: none */
	const struct access_key *token_maker;    /* that made the token; NULL: none was needed */
	const struct submit_token *submit_token; /* that opened it; NULL: none */
	int64_t retry_after_s;                   /* of a 429; 0: the usual */
	bool rates_told;                         /* the RateLimit fields are set */
	const char *claimed_key; /* for the log: whose id was given, right or wrong; NULL: none */
};

/* context.c: who asks, by which name, and may they. false: the call was answered. */
bool context_open(struct call *c);
bool context_may(struct call *c);
struct view_links call_links(const struct call *c);
const char *call_query(const struct call *c, const char *name); /* NULL: absent or empty */
/* "true" or "false"; absent is false. false: answered. */
bool call_query_bool(struct call *c, const char *name, bool *ret);
/* A whole number between least and most (more counts as most when clamp). false: answered. */
bool call_query_int(struct call *c, const char *name, int64_t dflt, int64_t least, int64_t most,
	bool clamp, int64_t *ret);

/* auth.c: keys and tokens. false: the call was answered. */
bool auth_allows(struct call *c);
bool call_has_scope(struct call *c, unsigned scope); /* true without a key: then none is needed */
/* Has the right that opened it ended meanwhile? */
bool call_is_over(const struct call *c);
/* Of who has waited. false: it is, and the call was answered. */
bool call_still_may(struct call *c);
const char *call_key_id(const struct call *c); /* of the key or of what made the token; or NULL */
struct push_pass call_pass(const struct call *c);

/* limits.c: before a submit and after it. false: answered. */
struct submit_limits {
	struct limits limits;
	bool any; /* quotas or rates */
	struct rate rates[RATES];
	struct quota_answer quota;
};
bool limits_begin(struct call *c, int64_t urls, struct submit_limits *ret);
void limits_end(struct call *c, const struct submit_limits *s);
/* Of the caller's tenant, by name; the caller's to free. */
enum err_code limits_left(struct call *c, json_t **ret, struct err *e) MUST_CHECK;

/* forwarded.c: what trusted proxies say about the request they passed on. */
struct forwarded {
	const char *host, *proto, *prefix; /* NULL: not said */
};
struct forwarded forwarded_read(const struct api_opts *o, struct http_request *r);
bool host_is_well_formed(const char *host);
/* The name alone, lower case, without port and brackets. */
char *host_name(const char *host, struct arena *a);

/* cors.c */
bool origin_is_ours(const struct call *c, const char *origin);
void cors_headers(struct call *c);
/* What an answer to this origin (NULL: it said none) carries, wherever it is from. */
const struct http_field *cors_fields(const struct api_opts *o, const char *origin, struct arena *a);
bool cors_preflight(struct call *c); /* true: it was one, and is answered */

/* respond.c: every answer goes through here. */
void call_respond(struct call *c, int status, const char *type, const void *body, size_t n);
void call_json(struct call *c, int status, json_t *doc); /* takes doc */
/* 200, part by part (http_respond_parts). */
void call_parts(struct call *c, const char *type, http_part_fn *fn, void (*done)(void *ctx),
	void *ctx);
void call_count(void *call, int status); /* of every answer, by http */
void call_fail(struct call *c, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
void call_fail_err(struct call *c, const struct err *e);
void call_fail_faults(struct call *c, struct faults *f); /* takes what f holds */

/* jobs.c */
struct job_row *call_job(struct call *c); /* of args[0]; NULL: answered */
void call_job_answer(struct call *c, int status, const struct job_row *job);
struct job_row *call_job_by_id(struct call *c, const char *id);
/* Park until the job has ended (or changed), then read it again and answer. */
void call_wait(struct call *c, const struct job_row *job, bool ended_only, int64_t ms,
	void (*answer)(struct call *c, const struct job_row *job));

/* from.c: the items of the job that the request names. ERR_STORE_UNAVAILABLE; what is wrong with
 * the request is in f. */
enum err_code from_read(struct call *c, struct request *r, struct faults *f, struct err *e)
	MUST_CHECK;

/* submit.c */
json_t *call_body_json(struct call *c); /* NULL: answered */

/* deliveries.c: is there anything that signs this tenant's webhooks? What is wrong is in f.
 * ERR_STORE_UNAVAILABLE. */
enum err_code webhook_check(struct call *c, const struct request *r, struct faults *f,
	struct err *e) MUST_CHECK;

/* usage.c: the answer to a request with dry_run. */
void estimate_answer(struct call *c, const struct request *r);

/* The calls themselves. */
void jobs_post(struct call *c);
void jobs_put(struct call *c);
void jobs_list(struct call *c);
void job_get(struct call *c);
void job_cancel(struct call *c);
void job_retry(struct call *c);
void job_delete(struct call *c);
void items_list(struct call *c);
void item_get(struct call *c);
void manifest_get(struct call *c);
void archive_get(struct call *c);
void events_get(struct call *c);
void events_many(struct call *c);
void blob_get_signed(struct call *c);
void results_post(struct call *c);
void presets_get(struct call *c);
void tokens_post(struct call *c);
void usage_get(struct call *c);
void deliveries_list(struct call *c);
void redeliver(struct call *c);
void health_get(struct call *c);
void ready_get(struct call *c);
void metrics_get(struct call *c);
void page_get(struct call *c);
void page_error_get(struct call *c);

/* page_token.c: AIP-158 */
struct page {
	int64_t after; /* position of the last row of the page before; 0: from the first */
	size_t size;
};
/* page_token and page_size (100, at most 1000) of the query. false: answered. */
bool page_read(struct call *c, struct page *ret);
/* {name: list}, and with a next page (last: the position of this one's last row) its token. */
void page_answer(struct call *c, const char *name, json_t *list, bool has_next, int64_t last);
const char *page_token_make(struct call *c, int64_t position);

#endif
