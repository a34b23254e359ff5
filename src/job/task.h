/* SPDX-License-Identifier: MIT
 *
 * A task is one piece of shared work: fetch a URL, make variants of some bytes, cut a subject out.
 * These are the shapes that travel between whoever lends tasks (the store) and whoever does them
 * (the worker); neither knows the other.
 */
#ifndef BULB_JOB_TASK_H
#define BULB_JOB_TASK_H

#include "base/mem.h"
#include "job/cut.h"
#include "job/job.h"
#include "job/outcome.h"
#include "job/recipe.h"

struct task {
	int64_t id, lease, scope;
	enum task_kind kind;
	const char *host;  /* of a fetch; NULL else */
	const char *input; /* JSON text: struct fetch_input …, below */
	int tries, crashes, lost;
	const char *
		key_prefix; /* what the names of its blobs begin with, whatever --blob-key says; or NULL */
};
struct claim {
	const char *owner;
	int64_t lease_ms;
	size_t max;
	const char *const *full_hosts; /* hosts to skip */
	size_t full_hosts_n;
	const char *const *at_hosts; /* where the owner is at work already, once for each task */
	size_t at_hosts_n;
	size_t per_host; /* at most so many of one host, those included; 0: no limit */
	const char *const *good_hosts; /* that answered lately */
	size_t good_hosts_n;
	size_t spare; /* of max, so many are for them, for makes, and for the first task of each other
	                * host; of these a quarter not even for those. 0: for anybody */
	size_t max_cuts; /* at most so many of kind TASK_CUT; 0: no limit */
	bool no_cuts;    /* lend none of kind TASK_CUT: all places for them are taken */
	bool only_cuts;  /* lend no other: those are done outside */
};
struct task_keep {
	int64_t id, lease;
	enum task_step step;
	int64_t bytes, bytes_total; /* -1 unknown */
	bool stale, unwanted;       /* answers: drop the work in either case */
};
struct fetched {
	bool not_modified;                /* a 304: the original of the input stands */
	struct original original;         /* its blob is durable */
	const char *etag, *last_modified; /* or NULL */
	struct outcome outcome;           /* timing */
};
/* A cut-out that is done: made, or there is no subject (state CUT_NONE). */
struct cut_made {
	struct original original; /* with format, size, placeholder filled in */
	enum cut_state state;     /* CUT_SUCCEEDED or CUT_NONE */
	enum cut_reason reason;
	struct cut_product product; /* of CUT_SUCCEEDED; its blob is durable */
	int64_t charge;             /* whose answer it was made from, or 0 */
	struct outcome outcome;
};
struct made {
	struct original original; /* with format, size, placeholder filled in */
	const struct product *products;
	size_t n;
	struct outcome outcome;
};
/* input of a fetch: {"url", "headers": sealed, "etag", "last_modified", "original": {...}} */
struct fetch_input {
	const char *url;
	const char *headers;              /* sealed JSON object, or NULL */
	const char *etag, *last_modified; /* of the copy we hold, or NULL */
	const char *ref;                  /* as task_ref() */
	bool has_original;
	struct original original; /* what a 304 confirms */
};
enum err_code fetch_input_parse(const char *text, struct arena *a, struct fetch_input *ret,
	struct err *e) MUST_CHECK;
/* A JSON object of names and values from what was sealed. ERR_INTERNAL: under another key. */
enum err_code fetch_headers_open(const uint8_t seal_key[32], const char *sealed, json_t **ret,
	struct err *e) MUST_CHECK;
/* input of a make: {"original": {...}, "variants": [...]} */
struct make_input {
	struct original original;
	struct recipe recipe; /* only what has no result yet; recipe_done */
	const char *ref;      /* for the text; task_ref() reads it */
};
enum err_code make_input_parse(const char *text, struct make_input *ret, struct err *e) MUST_CHECK;

/* input of a cut: {"original": {...}, "cut": {...}} */
struct cut_input {
	struct original original;
	struct cut cut;
	const char *ref; /* for the text; task_ref() reads it */
};
enum err_code cut_input_parse(const char *text, struct cut_input *ret, struct err *e) MUST_CHECK;

/* The first reference of the item that the task was made for, from any input; NULL where it has none.
 * Others may wait for the same task: names of blobs may hold it, nothing else. */
char *task_ref(const char *input, struct arena *a);
char *fetch_input_text(const struct fetch_input *in); /* the caller frees */
char *make_input_text(const struct make_input *in);
char *cut_input_text(const struct cut_input *in);

#endif
