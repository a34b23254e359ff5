/* SPDX-License-Identifier: MIT
 *
 * Work outside: what a function is told (the invocation event) and what it says (the report). Both are
 * plain JSON documents of a public contract (docs/http.md, "Workers outside"), written and read here
 * by both sides. Members that are not known are passed over, so that the two may be of different
 * versions. Pure data: nothing here does I/O.
 *
 * A task that is lent has a name, "ID.LEASE", that means nothing to a function. From it and one key of
 * the server's come a secret, which signs the report of this lease and no other, and a prefix, with
 * which every key has to begin that the function makes: nothing has to be remembered to check either.
 *
 * Keys are whole ones in the documents, as the bucket knows them, and without the store's own prefix
 * in the structures, as struct blob knows them: `prefix`, "" or "…/", is what stands between the two.
 */
#ifndef BULB_JOB_REPORT_H
#define BULB_JOB_REPORT_H

#include "base/standard_webhooks.h"
#include "job/task.h"

#define EVENT_TASKS_MAX    100
#define REPORT_RESULTS_MAX 100
#define REPORT_VARIANTS_MAX                                                                        \
	(2 * VARIANTS_MAX)   /* of one fetch: several jobs may wait for it, each with its own */
#define TASK_NAME_MAX     44 /* "812.3" */
#define REPORT_PREFIX_MAX (sizeof("out/") + HEX_MAX(16) + 1) /* "out/9f86d0…/" */

/* ---- one lease ------------------------------------------------------------------------------ */

struct task_name {
	int64_t id, lease;
};
void task_name_format(const struct task_name *t, char out[TASK_NAME_MAX]);
bool task_name_parse(const char *s, struct task_name *ret);
/* Of this task and lease only; key is 32 bytes, which only servers know. "whsec_…" */
void report_secret(const uint8_t key[32], const struct task_name *t, struct webhook_secret *ret);
/* Below the store's own prefix; unique to task and lease, and not to be guessed. */
void report_key_prefix(const uint8_t key[32], const struct task_name *t,
	char out[REPORT_PREFIX_MAX]);
/* Where a report that cannot be delivered is left, below the store's own prefix: "reports/812-3.json",
 * of the report's first result. Its document is report_left_text(). */
#define REPORT_LEFT_FOLDER "reports/"
#define REPORT_LEFT_MAX    (sizeof(REPORT_LEFT_FOLDER ".json") + TASK_NAME_MAX)
void report_left_key(const struct task_name *t, char out[REPORT_LEFT_MAX]);

/* ---- the event: {"report_url", "bucket", "tasks": [...]} --------------------------------------- */

struct event_header {
	const char *name, *value;
};
struct event_limits { /* 0: not said */
	int64_t max_bytes, max_pixels, max_frames, max_output_bytes, fetch_ms, item_ms;
};
struct event_task {
	const char *task;    /* its name, to be given back as it is */
	const char *secret;  /* "whsec_…" */
	enum task_kind kind; /* TASK_FETCH or TASK_MAKE */
	/* fetch */
	const char *url;
	const struct event_header *headers;
	size_t headers_n;
	const char *etag, *last_modified; /* or NULL: ask for what is not this */
	/* make: what to make them from */
	bool has_source;
	struct original source;
	/* make: all of these. fetch: what those who wait now want, so that one report may bring all;
	 * names need not be unique there. n may be 0. Memory of the arena: no recipe_done. */
	struct recipe recipe;
	uint8_t (*digests)[VARIANT_DIGEST_LEN]; /* "recipe", in hex, of each: to be given back */
	/* Every key that is made begins with it, and goes on with something that no other
	 * invocation makes: an event may be delivered twice at the same time. */
	const char *key_prefix;
	struct event_limits limits;
	bool keep_source;    /* false: the original's bytes need not be stored */
	int64_t deadline_ms; /* wall: after it nobody waits for the report */
};
struct event {
	const char *report_url; /* NULL: there is no server (direct use) */
	struct {
		const char *name, *region,
			*prefix; /* name NULL: none is said. prefix: "" or "…/" */
	} bucket;
	struct event_task *tasks;
	size_t n;
};
json_t *event_task_json(const struct event_task *t, const char *prefix);
json_t *event_json(const struct event *ev);
/* Everything lives in the arena. ERR_REQUEST_INVALID, with a JSON pointer in the text. */
enum err_code event_task_parse(const json_t *doc, const char *prefix, struct arena *a,
	struct event_task *ret, struct err *e) MUST_CHECK;
enum err_code event_parse(const json_t *doc, struct arena *a, struct event *ret, struct err *e)
	MUST_CHECK;

/* ---- the report: one result, or {"results": [...]} ------------------------------------------- */

enum report_status {
	REPORT_FETCHED,      /* of a fetch: the original is stored; what now? */
	REPORT_NOT_MODIFIED, /* of a fetch: 304 */
	REPORT_SUCCEEDED,    /* of a make; of a fetch: fetched, and these variants too */
	REPORT_FAILED,       /* for good */
	REPORT_LATER /* given back; with an error it counts as a try, and the last one fails */
};
const char *report_status_name(enum report_status s); /* "not_modified" */
struct report_variant {
	const char *name; /* or NULL */
	bool has_recipe;  /* product.recipe was said */
	struct product product;
};
struct report_result {
	const char *task; /* as it was said; "" where it was not */
	struct err fault; /* code is not OK: the rest cannot be used */
	enum report_status status;
	bool has_source;
	struct original source;
	const char *etag, *last_modified; /* or NULL */
	struct report_variant *variants;
	size_t variants_n;
	struct outcome outcome; /* error and timing */
	int64_t after_ms;       /* of later: not before so long ("after", in seconds) */
};
struct report {
	bool is_list; /* {"results": …} was written; always so for n != 1 */
	struct report_result *results;
	size_t n;
};
json_t *report_json(const struct report *r, const char *prefix);
/* In the arena. A result that makes no sense has its fault; ERR_REQUEST_MALFORMED, _INVALID, _LIMIT
 * are faults of the whole. */
enum err_code report_parse(const void *body, size_t n, const char *prefix, struct arena *a,
	struct report *ret, struct err *e) MUST_CHECK;

/* A report as it is sent: body, and the three headers of Standard Webhooks, with one signature for each
 * result in their order. */
struct report_letter {
	const char *id, *time_s, *signatures;
	const char *body;
	size_t body_n;
};
/* secrets[i] is that of results[i], as the event's tasks said it. ERR_USAGE: one is none. */
enum err_code report_sign(const struct report *r, const char *prefix, const char *const *secrets,
	const char *id, int64_t wall_ms, struct arena *a, struct report_letter *ret, struct err *e)
	MUST_CHECK;
/* Is result i signed with the secret of its task and lease? Says nothing of the time. */
bool report_is_signed(const struct report_letter *l, const struct report *r, size_t i,
	const uint8_t key[32]);
/* {"headers": {…}, "body": "…"}: what is left as an object where nobody answers. */
char *report_left_text(const struct report_letter *l); /* the caller frees */
enum err_code report_left_parse(const void *text, size_t n, struct arena *a,
	struct report_letter *ret, struct err *e) MUST_CHECK;

/* ---- the answer: {"results": [{"task", "status", …}]} ---------------------------------------- */

enum report_verdict { REPORT_RECORDED, REPORT_REPEATED, REPORT_STALE, REPORT_REFUSED };
const char *report_verdict_name(enum report_verdict v); /* "recorded" */
struct report_answer {
	const char *task;
	enum report_verdict verdict;
	const char *why;               /* of refused; or NULL */
	const struct event_task *next; /* a make, lent to whoever fetched its bytes; or NULL */
	const struct original *source; /* the original that stands; or NULL */
};
json_t *report_answers_json(const struct report_answer *v, size_t n, const char *prefix);
enum err_code report_answers_parse(const json_t *doc, const char *prefix, struct arena *a,
	struct report_answer **ret, size_t *ret_n, struct err *e) MUST_CHECK;

#endif
