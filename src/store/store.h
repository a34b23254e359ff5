/* SPDX-License-Identifier: MIT
 *
 * The store remembers jobs, tasks, what was done, and the event log of every job. It is the truth:
 * what a call here has answered is committed and durable. Every call may block; every call is
 * thread-safe. Rows that are read live in the caller's arena.
 *
 * Time (`now_ms`) is wall time and is passed by nobody: each store uses its own clock, which tests
 * replace through store_opts.clock_ms.
 *
 * Errors of every call: ERR_STORE_UNAVAILABLE (disk full, I/O error, server away; nothing was done
 * or it is not known whether it was), and those named at the call.
 */
#ifndef BULB_STORE_STORE_H
#define BULB_STORE_STORE_H

#include "base/err.h"
#include "base/mem.h"
#include "job/cut.h"
#include "job/job.h"
#include "job/limits.h"
#include "job/outcome.h"
#include "job/request.h"
#include "job/task.h"

struct store;

struct store_opts {
	int64_t fresh_ms;        /* a URL checked within this is reused without asking its origin */
	int64_t keep_ms;         /* an ended job expires this long after its creation, and a
	                           * tenth of it after its end at the earliest */
	int64_t keep_results_ms; /* results live so long after their last use; -1: for ever */
	int64_t link_ms;         /* longest life of a signed link: trash waits so long */
	int64_t idempotency_ms;  /* 24 h */
	size_t plan_waiting_min; /* 32: a job never has more waiting than max(this, 4 × lanes) */
	bool share_sources;      /* scope 0 for what was fetched without headers */
	bool short_visitor; /* a second process (`bulb gc`) beside the one that owns the data folder:
	                           * takes no lock, recovers nothing, waits for its turn at each commit */
	bool await_schema;  /* of a shared store: another process makes the tables */
	bool manifests;     /* a job that ends has a manifest due */
	const char *codecs;          /* part of every variant digest; copied */
	const struct cut_site *cuts; /* engines of this process; outlives the store. NULL: none */
	int64_t max_cost_month;      /* thousandths of a credit, a tenant and month; -1: no limit */
	int64_t (*clock_ms)(void);   /* NULL: clock_wall_ms */
	/* Called after a commit, on the committing thread; must not block nor call the store. */
	void (*on_news)(void *ctx, int64_t job_no, int64_t seq); /* events up to seq are readable */
	void (*on_work)(void *ctx);     /* something can be planned or claimed */
	void (*on_manifest)(void *ctx); /* one is to be written, or deleted */
	/* Rows of so many items of a job had gone, and were counted as failed or canceled. */
	void (*on_lost)(void *ctx, const char *job_id, int64_t items);
	void *ctx;
};

/* "sqlite:PATH", "memory:" or "postgres://…" (any URL of libpq's; durability=any in its query takes a
 * database that may forget what it acknowledged). ERR_STORE_IN_USE, ERR_STORE_NEWER, ERR_USAGE. */
enum err_code store_open(const char *url, const struct store_opts *o, struct store **ret,
	struct err *e) MUST_CHECK;
/* Other processes use it at the same time: no sqlite: and no memory:. */
bool store_url_is_shared(const char *url);
void store_free(struct store *s); /* waits for calls under way; NULL is fine */
static inline void store_freep(struct store **s)
{
	store_free(*s);
	*s = NULL;
}
/* Before anything else, by who serves or works: secret is a fingerprint of the one that this process has. All
 * must have the same one; the first to come says which, or who comes with replace. ERR_STORE_SECRET,
 * ERR_STORE_UNFINISHED: a copy into it has been cut off. */
enum err_code store_use(struct store *s, const char *secret, bool replace, struct err *e)
	MUST_CHECK;
enum err_code store_may_use(struct store *s, const char *secret, struct err *e) MUST_CHECK;
/* A commit of nothing that matters: fails when writes would. */
enum err_code store_ping(struct store *s, struct err *e) MUST_CHECK;

/* ---- requests ------------------------------------------------------------------------------ */

/* What counts against each limit, this submit included when it was made; which one refused it, or
 * LIMIT_COUNT. */
struct quota_answer {
	int64_t used[LIMIT_COUNT];
	enum limit hit;
	bool known; /* false: nothing was asked, or it was not made */
};
enum submit_result { SUBMIT_CREATED, SUBMIT_SAME };
struct submit {
	int64_t tenant;
	const char *id;              /* the caller's own (PUT), or NULL: a random one is made */
	const char *idempotency_key; /* or NULL */
	uint8_t body_sha256[SHA256_LEN];
	const struct request *request;
	const char *base_url;    /* links for readers without a request of their own */
	const uint8_t *seal_key; /* 32 bytes, for the items' headers */
	int64_t max_open_items;  /* ERR_QUEUE_FULL above it; 0: no limit */
	/* What the tenant is held to, with room for what was found; or NULL, NULL. */
	const struct limits *limits;
	struct quota_answer *quota;
	const char *token;                    /* id of the submit token that brought it, or NULL: */
	int64_t token_jobs, token_expires_ms; /* how often it is good, how long it is remembered */
	bool known_only; /* make none: ERR_NOT_FOUND when there was no such submit before */
};
/* One transaction: job, items as fresh, event 1, idempotency row. SAME: the job of an earlier
 * submit with the same key or id and the same body. ERR_JOB_EXISTS, ERR_REQUEST_IDEMPOTENCY,
 * ERR_QUEUE_FULL, ERR_QUOTA_EXCEEDED, ERR_AUTH_FORBIDDEN (the token is used up). ret_id is filled in either case. */
enum err_code store_submit(struct store *s, const struct submit *in, enum submit_result *ret,
	char ret_id[JOB_ID_MAX + 1], int64_t *ret_no, struct err *e) MUST_CHECK;
/* Idempotent, also for a job that has ended. ERR_NOT_FOUND. Fresh and open items end at once
 * (the first 500 in this transaction, the rest in store_tick). code is ERR_CANCELED or ERR_DEADLINE. */
enum err_code store_cancel(struct store *s, int64_t tenant, const char *id, enum err_code code,
	struct err *e) MUST_CHECK;
/* ERR_NOT_FOUND, ERR_JOB_NOT_ENDED. *ret_items is how many will run again; 0: nothing changed. Failed
 * cut-outs of items that succeeded run again too; those whose charge is unknown only with
 * confirm_charge. */
enum err_code store_retry(struct store *s, int64_t tenant, const char *id, bool confirm_charge,
	int64_t *ret_items, struct err *e) MUST_CHECK;
/* Cancels, hides at once, drops in passes. ERR_NOT_FOUND. results: its results go too where no
 * other job refers to them. */
enum err_code store_delete(struct store *s, int64_t tenant, const char *id, bool results,
	struct err *e) MUST_CHECK;

/* ---- reading ------------------------------------------------------------------------------- */

struct counts {
	int64_t total, duplicates, queued, running, succeeded, failed, canceled, cached;
	struct {
		int64_t succeeded, failed, none;
	} cutouts;
};
struct savings {
	int64_t downloads, encodes, paid_calls;
};
struct job_row {
	int64_t no, tenant;
	const char *id;
	enum job_state state;
	int run;
	int64_t seq; /* last event */
	struct counts counts;
	struct savings savings;
	enum priority priority;
	const char *tag; /* or NULL */
	const char *base_url;
	const char *metadata; /* JSON text, or NULL */
	bool keep_source;
	int64_t created_ms, ended_ms, expires_ms; /* ended_ms 0: not ended */
};
/* NULL in *ret when there is none (deleted, expired, another tenant's). */
enum err_code store_job_find(struct store *s, int64_t tenant, const char *id, struct arena *a,
	struct job_row **ret, struct err *e) MUST_CHECK;
struct job_query {
	int64_t tenant;
	int state;         /* enum job_state or -1 */
	const char *tag;   /* or NULL */
	int64_t before_no; /* 0: from the newest */
	size_t max;
};
enum err_code store_jobs(struct store *s, const struct job_query *q, struct arena *a,
	struct job_row **ret, size_t *ret_n, struct err *e) MUST_CHECK;

struct variant_row {
	const char *name;
	struct product product;
};
/* An item as it is now, or (in an event) as it was then. */
struct item_row {
	int64_t n; /* its place, from 1 */
	const char *url;
	const char **refs;
	size_t refs_n;
	const char *metadata; /* JSON text, or NULL */
	enum item_state state;
	enum task_step step; /* of its task, while open */
	bool has_cache;      /* cache is known */
	enum item_cache cache;
	const struct original *source; /* or NULL; key "" when it was dropped */
	const struct variant_row *variants;
	size_t variants_n;
	enum cut_state cut; /* CUT_OFF: none was asked for */
	enum cut_reason cut_reason;
	bool cut_hidden; /* apply is variants: the file itself is not part of the answer */
	const struct cut_product *cutout;  /* of CUT_SUCCEEDED */
	const struct outcome *cut_outcome; /* of CUT_FAILED and CUT_NONE: its error */
	const struct outcome *outcome;     /* or NULL */
	int64_t queued_ms;                 /* from planning to start; -1 unknown */
	int run, tries;
	/* Of store_items only, for a job made from this one's items: */
	uint8_t source_key[SHA256_LEN];
	const char *headers; /* sealed, or NULL */
};
struct item_query {
	int64_t job_no;
	int64_t after_n;       /* 0: from the first */
	const char *status;    /* public name, or NULL */
	const char *ref, *url; /* or NULL */
	size_t max;
};
enum err_code store_items(struct store *s, const struct item_query *q, struct arena *a,
	struct item_row **ret, size_t *ret_n, struct err *e) MUST_CHECK;

struct active_row {
	int64_t n; /* item */
	enum task_step step;
	int64_t bytes, bytes_total; /* -1 unknown */
};
struct event_row {
	int64_t seq;
	enum event_type type;
	int64_t at_ms;
	/* job.*: what the job looked like then */
	enum job_state state;
	int run;
	struct counts counts;
	struct savings savings;
	int64_t expires_ms;              /* 0: an event of before this was kept; it is the job's */
	const struct active_row *active; /* job.progress */
	size_t active_n;
	/* item.*: the item then, joined with the immutable rows it names */
	const struct item_row *item;
};
/* Events after `after`, at most max rows and about max_bytes of stored text (at least one row), in
 * one short read transaction. Also tells the job's last sequence and whether it has ended, as of
 * the same moment. ERR_NOT_FOUND when the log is gone. */
enum err_code store_events(struct store *s, int64_t job_no, int64_t after, size_t max,
	size_t max_bytes, struct arena *a, struct event_row **ret, size_t *ret_n, int64_t *ret_last,
	bool *ret_ended, struct err *e) MUST_CHECK;
/* For readers without hints: the last sequence of each job, -1 when it is gone. */
enum err_code store_seqs(struct store *s, const int64_t *job_nos, size_t n, int64_t *ret_seqs,
	struct err *e) MUST_CHECK;
struct queue_stats {
	int64_t items[3];     /* open and fresh items by priority */
	int64_t oldest_ms[3]; /* creation of the oldest open job; 0: none */
};
enum err_code store_queue(struct store *s, struct queue_stats *ret, struct err *e) MUST_CHECK;

/* ---- work ---------------------------------------------------------------------------------- */

/* Plan up to max_jobs turns of fresh items. *ret_more: there was more to plan. */
enum err_code store_plan(struct store *s, size_t lanes, bool *ret_more, struct err *e) MUST_CHECK;
/* Lend ready tasks, each with its next lease number. Two owners may overlap in time; only the
 * newest lease can write. */
enum err_code store_claim(struct store *s, const struct claim *c, struct arena *a,
	struct task **ret, size_t *ret_n, struct err *e) MUST_CHECK;
/* Extend leases, note steps, and write job.progress where one is due. */
enum err_code store_keep(struct store *s, struct task_keep *k, size_t n, int64_t lease_ms,
	struct err *e) MUST_CHECK;
/* Put back until a time, for another try. why says what went wrong (may be NULL: given back
 * untouched, as when draining; tries then stays). A crash counts; the third makes the task fail
 * with ERR_DECODE_CRASHED. ERR_STORE_STALE. */
enum err_code store_later(struct store *s, int64_t id, int64_t lease, int64_t until_ms,
	const struct outcome *why, bool crashed, struct err *e) MUST_CHECK;

/* A fetch is done. Items whose results are all there end; for the others a make is inserted or
 * joined, and one that is new is lent to `owner` at once (at most one, *ret_make; id 0: none). If
 * another original with the same bytes was there first, ours is dropped (blob to trash) and
 * ret_original is the one that stands. ERR_STORE_STALE. */
enum err_code store_finish_fetch(struct store *s, int64_t id, int64_t lease,
	const struct fetched *f, const char *owner, int64_t lease_ms, struct arena *a,
	struct task *ret_make, struct original *ret_original, struct err *e) MUST_CHECK;
/* Variants are durable: insert a result each, settle the items. ERR_STORE_STALE. */
enum err_code store_finish_make(struct store *s, int64_t id, int64_t lease, const struct made *m,
	struct err *e) MUST_CHECK;
/* The cut-out is done: insert its result, settle the items; a charge that it was made from is theirs.
 * ERR_STORE_STALE. */
enum err_code store_finish_cut(struct store *s, int64_t id, int64_t lease, const struct cut_made *m,
	struct err *e) MUST_CHECK;
/* The task failed for good: its waiting items fail with this outcome. found may carry what is
 * known of the original (a fetched source that cannot be decoded is kept and named). */
enum err_code store_fail(struct store *s, int64_t id, int64_t lease, const struct outcome *o,
	const struct original *found, struct err *e) MUST_CHECK;

/* One pass of everything that goes on by itself: settling, canceling, retrying and deleting in
 * passes, later → ready, overdue leases, deadlines, expired jobs and keys. *ret_next_ms: how long
 * nothing more is due (0: at once). */
enum err_code store_tick(struct store *s, int64_t *ret_next_ms, struct err *e) MUST_CHECK;
/* Embedded store, at start: every running task is ready again. */
enum err_code store_recover(struct store *s, int64_t *ret_tasks, struct err *e) MUST_CHECK;

/* ---- work outside ----------------------------------------------------------------------------- */

/* An owner that is not a process of ours begins with this: it reports to a server, and is not lost when
 * the process that lent it a task ends. */
#define OUTSIDE_OWNER     "outside:"
#define LENT_VARIANTS_MAX (2 * VARIANTS_MAX)

/* A task as it is lent at this moment. */
struct lent {
	bool held; /* false: not under this lease; the rest is not there */
	struct task task;
	const char *owner;
	int64_t until_ms;
	/* Of a make: what to make. Of a fetch: what those who wait for it want, each once, at most
	 * LENT_VARIANTS_MAX. Memory of the arena. */
	struct recipe recipe;
	uint8_t (*digests)[VARIANT_DIGEST_LEN];
};
enum err_code store_lent(struct store *s, int64_t id, int64_t lease, struct arena *a,
	struct lent *ret, struct err *e) MUST_CHECK;
struct outside_row {
	int64_t id, lease, until_ms;
	enum task_kind kind;
	const char *host, *owner; /* host NULL: not a fetch */
};
/* All that is lent outside, by whomever, the lease that ends next first. */
enum err_code store_outside(struct store *s, struct arena *a, struct outside_row **ret,
	size_t *ret_n, struct err *e) MUST_CHECK;

/* Those of the tasks that are still lent under these leases belong to `owner` for so long from now. */
struct outside_name {
	int64_t id, lease;
};
enum err_code store_hand(struct store *s, const struct outside_name *names, size_t n,
	const char *owner, int64_t lease_ms, struct err *e) MUST_CHECK;

/* What somebody outside says of a task: fetched (perhaps with variants: made), made, or neither. */
struct outside_report {
	int64_t id, lease;
	const struct fetched *fetched;
	const struct made *made;
	bool goes_on; /* with fetched: a make may be lent to the same owner, to the end of this lease */
	/* Else it failed with this outcome, or is put back: then outcome NULL means untouched, and one
	 * that is there counts as a try, the max_tries-th of which fails. */
	bool later;
	const struct outcome *outcome;
	const struct original *found;
	int64_t after_ms;
	int max_tries;
};
enum outside_verdict {
	OUTSIDE_RECORDED,
	OUTSIDE_REPEATED, /* it was recorded before: nothing has changed */
	OUTSIDE_STALE     /* the lease has moved on, or was given back: nothing has changed */
};
struct outside_answer {
	enum outside_verdict verdict;
	struct task next; /* the make that is lent; id 0: none */
	bool has_original;
	struct original original; /* the one that stands */
};
/* Products that nobody waits for must not be among `made` of a fetch. */
enum err_code store_report(struct store *s, const struct outside_report *r, struct arena *a,
	struct outside_answer *ret, struct err *e) MUST_CHECK;

/* ---- money ----------------------------------------------------------------------------------- */

/* The answer to an intent: buy it now, or it was bought before. */
struct charge_answer {
	int64_t charge;
	bool bought;
	const char *blob, *media_type; /* of bought */
	int64_t cost;
};
/* Before a paid call, in one transaction: who of the waiting items' jobs has this much of its max_cost
 * left (and its tenant of the month's limit) gets it reserved, and the intent is written. Costs are in
 * thousandths of a credit. An intent of a task or lease that is gone is unknown from now on.
 * ERR_MATTE_BUDGET, ERR_MATTE_CHARGE_UNKNOWN (unless a waiting item's job confirms), ERR_STORE_STALE,
 * ERR_BUSY (another running task is buying the same). */
enum err_code store_charge_ask(struct store *s, int64_t task, int64_t lease, int64_t cost,
	struct arena *a, struct charge_answer *ret, struct err *e) MUST_CHECK;
enum err_code store_charge_refused(struct store *s, int64_t charge, struct err *e) MUST_CHECK;
enum err_code store_charge_unknown(struct store *s, int64_t charge, struct err *e) MUST_CHECK;
enum err_code store_charge_bought(struct store *s, int64_t charge, const char *blob,
	const char *media_type, int64_t cost, struct err *e) MUST_CHECK;

struct usage_row {
	int64_t day;                                      /* days since 1970 UTC */
	int64_t jobs, items, downloads, encodes, cutouts; /* work that was done */
	int64_t bytes_in, bytes_out;
	int64_t paid_calls, spent, unknown, unknown_calls; /* costs in thousandths of a credit */
	struct savings saved;
	int64_t saved_cost;
	int64_t urls;   /* of jobs that were accepted */
	int64_t cpu_ms; /* of processors, in darkrooms */
	int64_t stored; /* bytes that came to the blob store, less those that went */
};
/* The days from first_day to last_day that have anything, oldest first; *ret_reserved is what open
 * intents hold at this moment. */
enum err_code store_usage(struct store *s, int64_t tenant, int64_t first_day, int64_t last_day,
	struct arena *a, struct usage_row **ret, size_t *ret_n, int64_t *ret_reserved,
	struct err *e) MUST_CHECK;

/* What a request would do now, at most: nothing is written. What is not known before a URL was
 * fetched is counted as work. */
struct estimate {
	int64_t downloads, revalidations, encodes, cutouts, paid_calls, cost;
	int64_t hits; /* items that need nothing */
};
enum err_code store_estimate(struct store *s, int64_t tenant, const struct request *r,
	const uint8_t seal_key[32], struct estimate *ret, struct err *e) MUST_CHECK;

/* ---- garbage -------------------------------------------------------------------------------- */

struct gc_report {
	int64_t jobs, originals, results, blobs, orphans;
};
/* Rows past their time go and their blobs enter the trash. keep_results_ms overrides the option
 * when it is not -2. dry: only count. */
enum err_code store_gc(struct store *s, int64_t keep_results_ms, bool dry, struct gc_report *ret,
	struct err *e) MUST_CHECK;
/* Put blobs that were written but will not be named into the trash; those that a row names stay. */
enum err_code store_trash_add(struct store *s, const char *const *keys, size_t n, struct err *e)
	MUST_CHECK;
/* Trash that is due; delete the blobs, then say so. */
enum err_code store_trash_due(struct store *s, size_t max, struct arena *a, const char ***ret,
	size_t *ret_n, struct err *e) MUST_CHECK;
enum err_code store_trash_gone(struct store *s, const char *const *keys, size_t n, struct err *e)
	MUST_CHECK;
/* Of these blobs, which are named by a row or by the trash? */
enum err_code store_blobs_named(struct store *s, const char *const *keys, size_t n, bool *ret,
	struct err *e) MUST_CHECK;

/* ---- manifests in the blob store --------------------------------------------------------------- */

#define MANIFEST_KEY_MAX 180
/* jobs/{tenant}/{job id}/manifest.json, where "_" and a small letter stand for a capital one and "__"
 * for "_". Names of other blobs are never like that. */
void manifest_key(int64_t tenant, const char *job_id, char ret[MANIFEST_KEY_MAX + 1]);
/* What is to be done to one: its job has ended and it is to be written, or (job NULL) it is to go. */
struct manifest_due {
	char key[MANIFEST_KEY_MAX + 1]; /* "": nothing is due */
	int64_t change;
	const struct job_row *job;
	bool passed_by; /* the store's own */
};
/* Lent for so long. deletions: only what is to go. */
enum err_code store_manifest_claim(struct store *s, int64_t lease_ms, bool deletions,
	struct arena *a, struct manifest_due *ret, struct err *e) MUST_CHECK;
/* Before the blob is touched: is that still to be done? Lends it for so long again. */
enum err_code store_manifest_keep(struct store *s, const struct manifest_due *d, int64_t lease_ms,
	bool *ret_still, struct err *e) MUST_CHECK;
/* It could not be done; not again before wait_ms have passed. */
enum err_code store_manifest_later(struct store *s, const struct manifest_due *d, int64_t wait_ms,
	struct err *e) MUST_CHECK;
/* It is done. Where something has changed since it was lent, it is due again. */
enum err_code store_manifest_done(struct store *s, const struct manifest_due *d, struct err *e)
	MUST_CHECK;
#endif
