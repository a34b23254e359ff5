/* SPDX-License-Identifier: MIT
 *
 * Operations: what a store is asked, each a tx_fn that runs in a transaction of its own or shares a commit with
 * others, and the arguments that they take and answer in. store.h's calls fill these in, and each store runs them in its way;
 * the transitions that they are made of are in tx.h.
 */
#ifndef BULB_STORE_OPERATIONS_H
#define BULB_STORE_OPERATIONS_H

#include "store/tx.h"

struct op_submit {
	const struct submit *in;
	const char *id, *settings, *metadata;
	char **extras;        /* one an item, or NULL */
	const char *build_id; /* in slices: no one else's id, */
	size_t from, to;      /* the items of this slice, */
	int64_t built;        /* and the job they belong to */
	enum submit_result result;
	char ret_id[JOB_ID_MAX + 1];
	int64_t no;
};
struct op_job {       /* cancel, retry, delete */
	bool confirm; /* op_retry: failed cut-outs whose charge is unknown too */
	int64_t tenant;
	const char *id;
	enum err_code code; /* cancel */
	bool results;       /* delete */
	int64_t items;      /* retry: answer */
};
struct op_plan {
	size_t lanes;
	bool more;
};
struct op_claim {
	const struct claim *claim;
	struct arena *arena;
	struct task *tasks;
	size_t n;
};
struct op_keep {
	struct task_keep *k;
	size_t n;
	int64_t lease_ms;
	bool *stale, *unwanted;
};
struct op_end { /* later, finish_fetch, finish_make, fail */
	int64_t id, lease, until_ms;
	const struct outcome *outcome;
	const struct original *found;
	const struct fetched *fetched;
	const struct made *made;
	const struct cut_made *cut_made;
	bool crashed;
	const char *owner;
	int64_t lease_ms;
	struct arena *arena;
	struct task make;
	struct original original;
};
struct op_outside {
	int64_t id, lease, lease_ms;
	const char *owner;
	const struct outside_name *names;
	const struct outside_report *report;
	struct arena *arena;
	struct lent lent;
	struct outside_row *rows;
	size_t n;
	struct outside_answer answer;
};
struct op_charge {
	int64_t task, lease, id, cost;
	const char *blob, *media_type;
	struct arena *arena;
	struct charge_answer answer;
	enum err_code code; /* of ask: what was decided; the commit itself went well */
	const char *why;    /* static */
};
struct op_usage {
	int64_t tenant, first_day, last_day, reserved;
	struct arena *arena;
	struct usage_row *rows;
	size_t n;
};
struct op_estimate {
	int64_t tenant;
	const struct request *request;
	struct estimate estimate;
};
struct op_tick {
	int64_t next_ms, tasks;
};
struct op_gc {
	int64_t keep_ms;                      /* since the last use; -1: for ever */
	int64_t after_original, after_result; /* how far this collection has come */
	bool more;
	struct gc_report report;
};
struct op_gc_step {
	struct op_gc before, after;
};
struct op_blobs {
	const char *const *keys;
	size_t n, max;
	struct arena *arena;
	const char **due;
	bool *named;
};
struct op_manifest {
	struct manifest_due due;
	int64_t ms;
	bool deletions, still;
	struct arena *arena;
};
struct op_read {
	struct arena *arena;
	int64_t tenant, no, after, last;
	const char *id;
	size_t max, max_bytes, n;
	const struct job_query *jobs;
	const struct item_query *items;
	struct job_row *job_rows;
	struct item_row *item_rows;
	struct event_row *event_rows;
	struct queue_stats queue;
	const int64_t *nos;
	int64_t *seqs;
	bool ended;
};

enum err_code op_ping(struct tx *t, void *arg, struct err *e);
enum err_code op_submit(struct tx *t, void *arg, struct err *e);
enum err_code op_submit_begin(struct tx *t, void *arg, struct err *e);
enum err_code op_submit_slice(struct tx *t, void *arg, struct err *e);
enum err_code op_submit_end(struct tx *t, void *arg, struct err *e);
enum err_code op_submit_drop(struct tx *t, void *arg, struct err *e);
enum err_code op_cancel(struct tx *t, void *arg, struct err *e);
enum err_code op_retry(struct tx *t, void *arg, struct err *e);
enum err_code op_delete(struct tx *t, void *arg, struct err *e);
enum err_code op_plan(struct tx *t, void *arg, struct err *e);
enum err_code op_claim(struct tx *t, void *arg, struct err *e);
enum err_code op_keep(struct tx *t, void *arg, struct err *e);
enum err_code op_later(struct tx *t, void *arg, struct err *e);
enum err_code op_finish_fetch(struct tx *t, void *arg, struct err *e);
enum err_code op_finish_make(struct tx *t, void *arg, struct err *e);
enum err_code op_finish_cut(struct tx *t, void *arg, struct err *e);
enum err_code op_lent(struct tx *t, void *arg, struct err *e);
enum err_code op_outside_list(struct tx *t, void *arg, struct err *e);
enum err_code op_hand(struct tx *t, void *arg, struct err *e);
enum err_code op_report(struct tx *t, void *arg, struct err *e);
enum err_code op_charge_ask(struct tx *t, void *arg, struct err *e);
enum err_code op_charge_refused(struct tx *t, void *arg, struct err *e);
enum err_code op_charge_unknown(struct tx *t, void *arg, struct err *e);
enum err_code op_charge_bought(struct tx *t, void *arg, struct err *e);
enum err_code op_usage(struct tx *t, void *arg, struct err *e);
enum err_code op_estimate(struct tx *t, void *arg, struct err *e);
enum err_code op_fail(struct tx *t, void *arg, struct err *e);
enum err_code op_tick(struct tx *t, void *arg, struct err *e);
enum err_code op_recover(struct tx *t, void *arg, struct err *e);
enum err_code op_gc(struct tx *t, void *arg, struct err *e);
enum err_code op_gc_count(struct tx *t, void *arg, struct err *e);
enum err_code op_trash_add(struct tx *t, void *arg, struct err *e);
enum err_code op_trash_gone(struct tx *t, void *arg, struct err *e);
enum err_code op_trash_due(struct tx *t, void *arg, struct err *e);
enum err_code op_blobs_named(struct tx *t, void *arg, struct err *e);
enum err_code op_manifest_claim(struct tx *t, void *arg, struct err *e);
enum err_code op_manifest_keep(struct tx *t, void *arg, struct err *e);
enum err_code op_manifest_later(struct tx *t, void *arg, struct err *e);
enum err_code op_manifest_done(struct tx *t, void *arg, struct err *e);
enum err_code op_job_find(struct tx *t, void *arg, struct err *e);
enum err_code op_jobs(struct tx *t, void *arg, struct err *e);
enum err_code op_items(struct tx *t, void *arg, struct err *e);
enum err_code op_events(struct tx *t, void *arg, struct err *e);
enum err_code op_seqs(struct tx *t, void *arg, struct err *e);
enum err_code op_queue(struct tx *t, void *arg, struct err *e);

#endif
