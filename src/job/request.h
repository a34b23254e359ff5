/* SPDX-License-Identifier: MIT
 *
 * A job as it was asked for: the body of POST /v1/jobs (docs/http.md), checked, with its URLs
 * made a set. Unknown members are faults with the nearest known name; members whose feature is not
 * there are ERR_REQUEST_UNSUPPORTED; limits are ERR_REQUEST_LIMIT with the number.
 */
#ifndef BULB_JOB_REQUEST_H
#define BULB_JOB_REQUEST_H

#include "base/json.h"
#include "job/cut.h"
#include "job/job.h"
#include "job/recipe.h"

struct request_limits {
	size_t urls, variants, refs, ref_bytes, url_bytes, headers, header_bytes;
	size_t metadata_bytes, tag_bytes;
	bool only_presets; /* refuse `variants` */
	bool allow_files;  /* `bulb run`: file:///… URLs */
};
extern const struct request_limits request_limits_default;

/* One item: what is fetched and made, and under which names the caller knows it. */
struct request_item {
	const char *url;                /* the first spelling */
	uint8_t source_key[SHA256_LEN]; /* SHA-256(identity or cache_key ‖ digest of headers) */
	const char **refs;
	size_t refs_n;
	json_t *headers;             /* object name → value, or NULL; secret */
	const struct recipe *recipe; /* own one, or NULL for the job's */
	const struct cut *cut;       /* own one, or NULL for the job's */
	json_t *metadata;            /* or NULL */
};

struct request {
	struct arena *arena;        /* owns every string below */
	struct request_item *items; /* distinct, in first order */
	size_t items_n;
	const char *from_job;    /* the items are those of this job: there are none yet, and
	                                      * request_take_items brings them. NULL: urls were given */
	const char *from_status; /* only those of this status, or NULL: all */
	size_t duplicates;
	struct recipe recipe; /* of the job: from variants or preset */
	const char *preset;   /* the name, or NULL when variants were given */
	struct cut cut;       /* of the job; .remove false: none */
	enum cache_mode cache;
	enum priority priority;
	int64_t deadline_ms; /* from creation; 0: none */
	bool keep_source;
	bool dry_run;
	const char *tag;          /* or NULL */
	json_t *metadata;         /* object, or NULL */
	const char *webhook_url;  /* who is told of the job's events; NULL: nobody */
	const char *webhook_host; /* host:port of it */
	unsigned webhook_events;  /* of these: bits 1 << enum event_type */
};

/* Check and take a parsed body, which may be dropped afterwards; presets must outlive the request,
 * whose recipes may be theirs. On failure the faults say why and nothing is returned. */
bool request_parse(const json_t *body, const struct request_limits *lim,
	const struct presets *presets, struct request **ret, struct faults *f);
/* Items of another job in place of `urls`: a set under this job's own options. Of each the URL, source
 * key, refs, headers and metadata count, its own recipe and background do not; the last two are
 * taken, the rest is copied. false: the faults say why. */
bool request_take_items(struct request *r, struct request_item *items, size_t n,
	const struct request_limits *lim, struct faults *f);
/* Thousandths of a credit: max_cost of its background, or the sum of its items' own. */
int64_t request_max_cost(const struct request *r);
void request_free(struct request *r);
static inline void request_freep(struct request **r)
{
	request_free(*r);
	*r = NULL;
}

/* What the store keeps of the job besides its items: {"variants": [...], "preset",
 * "background": {...}, "cache", "priority", "deadline_ms", "keep_source", "metadata"}; the
 * caller frees. And back. */
char *request_settings_text(const struct request *r);
struct job_settings {
	struct recipe recipe;
	struct cut cut;
	enum cache_mode cache;
	enum priority priority;
	int64_t deadline_ms;
	bool keep_source;
	json_t *metadata; /* owned, or NULL */
};
enum err_code job_settings_parse(const char *text, struct job_settings *ret, struct err *e)
	MUST_CHECK;
void job_settings_done(struct job_settings *s);

/* What an item's row keeps beside the URL: {"refs": [...], "headers": "sealed", "variants": [...],
 * "background": {...}, "metadata": {...}}; NULL when there is nothing to keep. seal_key encrypts
 * the headers. */
char *request_item_extra_text(const struct request_item *it, const uint8_t seal_key[32]);
struct item_extra {
	json_t *refs;         /* array, or NULL */
	const char *headers;  /* sealed text, or NULL */
	struct recipe recipe; /* n == 0: the job's */
	bool has_cut;         /* own one */
	struct cut cut;
	json_t *metadata; /* or NULL */
	json_t *doc;      /* owns the above */
};
enum err_code item_extra_parse(const char *text, struct item_extra *ret, struct err *e) MUST_CHECK;
void item_extra_done(struct item_extra *x);

#endif
