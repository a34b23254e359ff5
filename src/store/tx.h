/* SPDX-License-Identifier: MIT
 *
 * A transaction as the transitions see it: a connection, the time, an arena that ends with it, and
 * the jobs it touches. Counts and event numbers of a job are kept here and written by one UPDATE
 * for each job when the operation ends; what readers and workers must hear goes out after the
 * commit.
 */
#ifndef BULB_STORE_TX_H
#define BULB_STORE_TX_H

#include "store/sql.h"
#include "store/store_impl.h"

/* job.hidden */
#define JOB_HIDDEN          1 /* being deleted */
#define JOB_HIDDEN_RESULTS  2 /* being deleted with its results */
#define JOB_HIDDEN_BUILDING 3 /* being submitted in slices */

#define PASS_ROWS 500 /* of one transaction: settle, cancel, retry, delete, gc */

/* A job while a transaction works on it. */
struct tx_job {
	struct tx_job *next;
	int64_t no, tenant, seq, seq_before;
	enum job_state state;
	int run, hidden;
	enum err_code cancel; /* OK: not asked for */
	bool retrying, keep_source, has_recipe, dirty;
	int64_t total, duplicates, fresh, waiting, running, succeeded, failed, canceled, cached;
	int64_t cuts[CUT_NONE + 1]; /* items by their cut_state; only the ended states are kept */
	int64_t confirm;            /* unknown charges up to this may be bought again */
	bool confirm_all;
	int64_t weight, turn;
	int64_t price; /* of an item that is planned, in weights */
	struct savings savings;
	int64_t ended_ms, expires_ms, progress_ms, progress_hash;
	int64_t lost;                 /* items of it that job_lose_items found missing, */
	const char *id;               /* and then its public id */
	struct job_settings settings; /* once has_recipe; owned by a struct tx_settings */
	uint8_t (*digests)[VARIANT_DIGEST_LEN];
};
/* What a job asks for, which never changes: read once an operation, or once a batch of them. */
struct tx_settings {
	struct tx_settings *next;
	int64_t job;
	struct job_settings settings;
	uint8_t (*digests)[VARIANT_DIGEST_LEN];
};
void tx_settings_free(struct tx_settings *list);

/* An item while a transaction works on it; `was` is the state its row has. */
struct tx_item {
	struct tx_job *job;
	int64_t n;
	const char *url, *extra, *results, *outcome; /* JSON texts or NULL */
	uint8_t source_key[SHA256_LEN];
	enum item_state state, was;
	int run, tries, made, cache; /* cache: -1 not known */
	bool started;
	enum task_step step;            /* of the task that runs: for item.started */
	int64_t task, original;         /* 0: none */
	int64_t planned_ms, started_ms; /* 0: not yet */
	/* The cut-out; all zero where none was asked for. */
	enum cut_state cut_state, cut_was;
	enum cut_reason cut_reason;
	int64_t cut_task, cut;   /* what it waits for beside `task`; the result. 0: none */
	int64_t charge;          /* what its job paid for it; written by charges.c only */
	const char *cut_outcome; /* JSON text or NULL */
};

/* What the commit must tell the metrics. */
struct tx_tally {
	int64_t jobs[JOB_CANCELED + 1];
	int64_t items[ITEM_CANCELED + 1][CACHE_COALESCED + 2]; /* last column: cache not known */
	int64_t errors[ERR_COUNT];
	struct savings saved;
};

/* What the commit must add to the usage of its tenants. */
struct tx_usage {
	int64_t tenant;
	struct usage_row row;
};
struct tx_usages {
	struct tx_usage *v; /* heap */
	size_t n;
};

/* A row of the log that is not written yet. */
struct tx_event {
	struct tx_event *next;
	int64_t job, seq, item, at_ms; /* item 0: of the job */
	enum event_type type;
	const char *data;
};

struct tx_news {
	int64_t job, seq, lost;
	const char *id; /* where items were lost */
};

struct tx {
	struct sql *db;
	const struct store_opts *opts;
	int64_t now_ms;
	struct arena *arena; /* ends with the operation */
	struct tx_job *jobs;
	struct tx_settings *settings;
	struct tx_batch *batch;  /* NULL: the operation stands alone */
	struct tx_event *events; /* for the batch to write */
	bool work;               /* tell on_work */
	bool manifest;           /* tell on_manifest */
	struct tx_news *news;    /* heap; taken by the committer */
	size_t news_n;
	struct tx_tally tally;
	struct tx_usages usage;
	/* What the task that ends did; counted for who waits for it first. */
	struct usage_row work_done;
	/* A make that is inserted is lent at once to this owner, the first one only. */
	const char *lend_owner;
	int64_t lend_ms;
	struct task lent; /* id 0: none yet */
	/* Variants that came with the original whose fetch ends, and which of them were counted. */
	const struct made *brought;
	bool *brought_counted;
};

void tx_init(struct tx *t, struct sql *db, const struct store_opts *o);
/* Write what the operation did to its jobs, unless its batch will; their news are in t->news
 * afterwards. */
enum err_code tx_flush(struct tx *t, struct err *e) MUST_CHECK;
void tx_done(struct tx *t);
/* After the commit, outside every lock of the backend: hints and metrics. */
void tx_tell(const struct tx *t);

/* The job, loaded and locked once an operation: what was read of its items before that may have changed
 * since. ERR_NOT_FOUND when there is none of this number. Where somebody else holds it and it may not be
 * waited for, the operation fails and is run again. */
enum err_code tx_job_get(struct tx *t, int64_t no, struct tx_job **ret, struct err *e) MUST_CHECK;
/* Load it, unless somebody else holds it at this moment (or it is gone): it may matter or not. */
enum err_code tx_job_try(struct tx *t, int64_t no, struct err *e) MUST_CHECK;
/* Lock it for all operations of a batch; it may be gone. Jobs ascending, and before anything else. */
enum err_code tx_lock_job(struct tx_batch *b, struct sql *db, int64_t no, struct err *e) MUST_CHECK;
/* By its public id; NULL in *ret when there is none (hidden and expired ones are none). */
enum err_code tx_job_find(struct tx *t, int64_t tenant, const char *id, struct tx_job **ret,
	struct err *e) MUST_CHECK;
/* What an item asks for: its own recipe or the job's. Valid until tx_done. */
struct tx_recipe {
	const struct variant *variants;
	const uint8_t (*digests)[VARIANT_DIGEST_LEN];
	size_t n;
	const struct cut *cut; /* NULL: no cut-out */
};
enum err_code tx_job_settings(struct tx *t, struct tx_job *j, struct err *e) MUST_CHECK;
enum err_code tx_recipe(struct tx *t, const struct tx_item *it, struct tx_recipe *ret,
	struct err *e) MUST_CHECK;
/* Its public id, in j->id; of one that is being deleted, the one it has now. */
enum err_code tx_job_public_id(struct tx *t, struct tx_job *j, struct err *e) MUST_CHECK;
int64_t tx_scope(const struct tx *t, const struct tx_item *it, bool has_headers);
/* Sealed headers of an item or NULL. */
enum err_code tx_headers(struct tx *t, const struct tx_item *it, const char **ret, struct err *e)
	MUST_CHECK;
/* The item's first reference, in the arena; NULL where it has none. */
const char *tx_ref(struct tx *t, const struct tx_item *it);

/* ---- batch.c: what operations of one commit share ------------------------------------------ */

struct tx_batch {
	struct arena *arena;
	struct tx_job *jobs; /* as the operations so far left them; locked */
	struct tx_settings *settings;
	struct tx_event *events;
};
void batch_init(struct tx_batch *b);
void batch_done(struct tx_batch *b);
/* May this operation leave its jobs and events to the batch? */
bool batch_shares(tx_fn fn);
/* The task that it is about, whose items and their jobs it will need; 0: none. */
int64_t batch_task(tx_fn fn, const void *arg);
struct tx_job *batch_job(struct tx_batch *b, int64_t no); /* NULL: not there */
/* It went well: what it did to its jobs, and its events, are the batch's. */
void batch_take(struct tx_batch *b, struct tx *t);
/* Write all, and know no job any more: at the end, and before an operation that does not share. */
enum err_code batch_write(struct tx_batch *b, struct sql *db, struct err *e) MUST_CHECK;
enum err_code job_write(struct sql *db, const struct tx_job *j, struct err *e) MUST_CHECK;

/* ---- events.c ------------------------------------------------------------------------------ */

/* Append to the job's log. item NULL: an event of the job, with its counts; active NULL or the
 * items of job.progress. The first event of an item starts the job. */
enum err_code event_job(struct tx *t, struct tx_job *j, enum event_type type, const char *active,
	struct err *e) MUST_CHECK;
enum err_code event_item(struct tx *t, const struct tx_item *it, enum event_type type,
	struct err *e) MUST_CHECK;

/* ---- items.c ------------------------------------------------------------------------------- */

struct tx_items {
	struct tx_item *v;
	size_t n;
};
/* The column list that items_load expects, of a table called i. */
#define ITEM_COLUMNS                                                                               \
	"i.job, i.n, i.url, i.source_key, i.extra, i.state, i.run, i.started, i.task, i.cache,"    \
	" i.original, i.results, i.outcome, i.tries, i.made, i.planned_ms, i.started_ms,"          \
	" i.cut_state, i.cut_task, i.cut, i.cut_reason, i.cut_outcome, i.charge"
/* Of items found by their task: so that no index of all open items is thought to be of help. */
#define ITEM_IS_OPEN "i.state + 0 = 1"
/* All rows of a query for ITEM_COLUMNS, with their jobs. */
enum err_code items_load(struct tx *t, const char *text, const struct sql_value *v, size_t n,
	struct tx_items *ret, struct err *e) MUST_CHECK;
/* Write the row back, if it is still in the state and run it was read in: the one guard of
 * "exactly one terminal event". *ret_won tells. Moves the job's counts. */
enum err_code item_save(struct tx *t, struct tx_item *it, bool *ret_won, struct err *e) MUST_CHECK;
/* Its first task runs: item.started, once a run. */
enum err_code item_start(struct tx *t, struct tx_item *it, struct err *e) MUST_CHECK;
/* Likewise, where the row says so already: started = 1, started_ms = now. */
enum err_code item_started(struct tx *t, struct tx_item *it, struct err *e) MUST_CHECK;
/* Its row, open and waiting for what it says; running: that is under way already. */
enum err_code item_wait(struct tx *t, struct tx_item *it, bool running, struct err *e) MUST_CHECK;
/* Its variants are there and its cut-out is not: row and item.progress. */
enum err_code item_progress(struct tx *t, struct tx_item *it, struct err *e) MUST_CHECK;
/* It ends: row, counts, event; the last one of a job ends the job. */
enum err_code item_end(struct tx *t, struct tx_item *it, enum item_state state,
	const struct outcome *o, struct err *e) MUST_CHECK;
/* Items that are counted as fresh or open and have no row: somebody deleted them by hand. Nothing will
 * ever end them, so they are counted as ended, without events of their own. Only for a job that has
 * no fresh rows. */
enum err_code job_lose_items(struct tx *t, struct tx_job *j, enum item_state as, struct err *e)
	MUST_CHECK;
/* As a column has it, in the arena. */
const char *outcome_text(struct tx *t, const struct outcome *o);
/* The job's end, if nothing of it is open. */
enum err_code job_end_if_done(struct tx *t, struct tx_job *j, struct err *e) MUST_CHECK;

/* ---- plan.c ---------------------------------------------------------------------------------- */

struct source_row;
enum err_code source_find(struct tx *t, int64_t scope, const uint8_t key[SHA256_LEN],
	struct source_row *ret, struct err *e) MUST_CHECK;
/* May it be reused without asking its origin? */
bool source_is_fresh(const struct tx *t, enum cache_mode mode, const struct source_row *s);

/* ---- resolve.c: what an item still needs -------------------------------------------------- */

struct tx_task;
struct tx_original {
	int64_t id; /* 0: none */
	int64_t scope;
	struct original data; /* key "" when the blob was dropped */
	int64_t used_ms;
	const char *was,
		*was_blob; /* its row's columns, as read or written; they end with the operation */
};
struct source_row {
	bool there;
	struct tx_original original;
	const char *etag, *last_modified;
	int64_t checked_ms;
};
enum err_code original_find(struct tx *t, int64_t scope, const uint8_t sha256[SHA256_LEN],
	struct tx_original *ret, struct err *e) MUST_CHECK;
enum err_code original_by_id(struct tx *t, int64_t id, struct tx_original *ret, struct err *e)
	MUST_CHECK;
/* Insert it, or find the one with the same bytes; ours then goes to the trash, unless the other
 * has lost its blob and takes ours. */
enum err_code original_put(struct tx *t, int64_t scope, const struct original *o,
	struct tx_original *ret, struct err *e) MUST_CHECK;

/* Before it is dropped: nobody begins to use it until we commit. *ret_ours false: it is in use right now,
 * or gone. */
enum err_code original_lock(struct tx *t, int64_t id, bool *ret_ours, struct err *e) MUST_CHECK;
/* If its row still is as it was read; else the operation is run again. */
enum err_code original_update(struct tx *t, struct tx_original *o, struct err *e) MUST_CHECK;
/* Note that they are used now. */
enum err_code original_used(struct tx *t, struct tx_original *o, struct err *e) MUST_CHECK;
enum err_code result_used(struct tx *t, int64_t id, int64_t used_ms, struct err *e) MUST_CHECK;
/* What is there of what an item asks for. */
struct tx_found {
	struct tx_recipe recipe;
	int64_t *ids; /* results, one a variant; 0: missing */
	size_t missing;
	struct original subject;     /* what variants are made from; of a cut-out where they are */
	bool is_cut;                 /* the subject is a cut-out's file */
	bool cut_missing, cut_first; /* it is still to be made; variants wait for it */
	/* Of a cut-out that is there and that the item does not know yet: */
	struct cut_row {
		int64_t id, used_ms;
		enum cut_reason reason;
		struct cut_product product;
	} cut;
};
/* Look, and change nothing but the times of last use. */
enum err_code item_find(struct tx *t, struct tx_item *it, int64_t scope, const struct original *o,
	struct tx_found *ret, struct err *e) MUST_CHECK;
/* Find the results of a recipe under these bytes: ids (0: missing), and how many are missing.
 * touch: note that they are used. */
enum err_code results_find(struct tx *t, int64_t scope, const uint8_t sha256[SHA256_LEN],
	const struct tx_recipe *r, bool touch, int64_t *ids, size_t *ret_missing, struct err *e)
	MUST_CHECK;
/* The original is known: end the item when all its variants are there, else let it wait for a make
 * or, where the bytes are gone, for another fetch. */
/* Everything is there: what earlier steps noted of time stands. */
enum err_code item_succeed(struct tx *t, struct tx_item *it, struct err *e) MUST_CHECK;
enum err_code item_resolve(struct tx *t, struct tx_item *it, int64_t scope,
	const struct tx_original *o, int tries, struct err *e) MUST_CHECK;
/* It may only come from the cache and is not there. */
enum err_code item_cache_miss(struct tx *t, struct tx_item *it, struct err *e) MUST_CHECK;
/* The item has ended, or this does nothing: the original's key goes to the trash when nobody needs
 * it any more and the job asked for that. */
enum err_code original_drop_if_done(struct tx *t, const struct tx_item *it, struct err *e)
	MUST_CHECK;

/* ---- cuts.c: cut-outs ----------------------------------------------------------------------- */

/* The best result that serves this cut; id 0: none. */
enum err_code cut_find(struct tx *t, int64_t scope, const uint8_t sha256[SHA256_LEN],
	const struct cut *c, struct cut_row *ret, struct err *e) MUST_CHECK;
/* One by its number; id 0: it is gone. */
enum err_code cut_by_id(struct tx *t, int64_t id, struct cut_row *ret, struct err *e) MUST_CHECK;
/* The cut-out whose own bytes these are; 0: none. */
enum err_code cut_by_file(struct tx *t, int64_t scope, const uint8_t file[SHA256_LEN], int64_t *ret,
	struct err *e) MUST_CHECK;
/* Insert it, or find the one that was first; ours then goes to the trash. */
enum err_code cut_put(struct tx *t, const struct tx_task *k, const struct cut_product *p,
	int64_t *ret, struct err *e) MUST_CHECK;
/* The item gets this one: what it would have cost was saved, unless its own job paid for it. */
void cut_take(struct tx *t, struct tx_item *it, const struct cut_row *c);
/* Let the item wait for a cut of these bytes as well; its row is not written. */
enum err_code cut_await(struct tx *t, struct tx_item *it, int64_t scope, const struct original *o,
	const struct cut *c, enum task_state *ret, struct err *e) MUST_CHECK;

/* ---- budget.c ----------------------------------------------------------------------------- */

struct tx_payer {
	int64_t cost, unknown; /* a charge that must be confirmed; 0: none */
	struct tx_item *item;  /* who pays; NULL: nobody, and */
	bool may, confirmed,
		month; /* an item allows calls, confirms; the month is what forbids it */
};
/* Among those who wait, in their order. */
enum err_code payer_find(struct tx *t, const struct tx_items *l, struct tx_payer *s, struct err *e)
	MUST_CHECK;

/* ---- charges.c: money ----------------------------------------------------------------------- */

/* Intents whose task or lease is gone may have been paid: unknown. */
enum err_code charges_orphaned(struct tx *t, bool *ret_more, struct err *e) MUST_CHECK;
/* Is a paid call under way for this task? */
enum err_code charge_is_asked(struct tx *t, int64_t task, bool *ret, struct err *e) MUST_CHECK;
/* Is there an answer for these bytes that was paid for? */
enum err_code charge_is_bought(struct tx *t, int64_t scope, const uint8_t sha256[SHA256_LEN],
	bool *ret, struct err *e) MUST_CHECK;
/* The bytes are forgotten, and so are the answers that were bought for them. */
enum err_code charges_forget(struct tx *t, int64_t original, struct err *e) MUST_CHECK;
/* What open intents of this tenant hold. */
enum err_code charges_reserved(struct tx *t, int64_t tenant, int64_t *ret, struct err *e)
	MUST_CHECK;
/* Number of the last charge there is. */
enum err_code charge_last(struct tx *t, int64_t *ret, struct err *e) MUST_CHECK;

/* ---- usage.c ------------------------------------------------------------------------------ */

/* What the operation adds to the tenant's day. */
struct usage_row *usage_of(struct tx *t, int64_t tenant);
/* So many bytes came to the blob store, or went (negative). What tenants share is nobody's. */
void usage_stored(struct tx *t, int64_t scope, int64_t bytes);
/* Of several operations that share a commit; `from` is empty afterwards. */
void usage_merge(struct tx_usages *to, struct tx_usages *from);
/* Write it at the end of a commit: one statement a tenant. Empties it. */
enum err_code usage_write(struct sql *db, struct tx_usages *u, struct err *e) MUST_CHECK;
/* At once: money, of whichever day r says. */
enum err_code usage_add(struct tx *t, int64_t tenant, const struct usage_row *r, struct err *e)
	MUST_CHECK;
void usage_done(struct tx_usages *u);
int64_t usage_day(int64_t ms);
/* First day of the calendar month (UTC) that the day is in. */
int64_t usage_month(int64_t day);

/* ---- access.c, admit.c, quota.c ---------------------------------------------------------------------- */

/* May this be taken, as to its tenant's limits? ERR_QUOTA_EXCEEDED. */
enum err_code admit_check(struct tx *t, const struct submit *in, struct err *e) MUST_CHECK;
/* It is taken: usage, and the token's count. ERR_AUTH_FORBIDDEN. */
enum err_code admit_count(struct tx *t, const struct submit *in, struct err *e) MUST_CHECK;
enum err_code tokens_expire(struct tx *t, size_t max, bool *ret_more, struct err *e) MUST_CHECK;
enum err_code tenant_limits(struct tx *t, int64_t tenant, struct limits *ret, struct err *e)
	MUST_CHECK;
/* What counts against each limit that is set, of windows longer than a second. */
enum err_code quota_used(struct tx *t, int64_t tenant, const struct limits *l, int64_t *ret,
	struct err *e) MUST_CHECK;

/* ---- task.c -------------------------------------------------------------------------------- */

struct tx_task {
	int64_t id, scope, lease;
	enum task_kind kind;
	enum task_state state;
	uint8_t subject[SHA256_LEN];
	int tries, crashes, lost;
	const char *input, *outcome;
}; /* NULL in *ret when there is none. */
enum err_code task_find(struct tx *t, int64_t id, struct tx_task **ret, struct err *e) MUST_CHECK;
/* The task, if it is still lent under this number; ERR_STORE_STALE. */
enum err_code task_held(struct tx *t, int64_t id, int64_t lease, struct tx_task **ret,
	struct err *e) MUST_CHECK;
struct task_new {
	int64_t scope, turn;
	enum task_kind kind;
	const uint8_t *subject;               /* SHA256_LEN bytes */
	const uint8_t (*digests)[SHA256_LEN]; /* of a make, sorted */
	size_t digests_n;
	const char *host, *input;
	int tries;
};
/* Insert it, or join the live one with the same key, whose turn is lowered to ours. */
enum err_code task_put(struct tx *t, const struct task_new *n, int64_t *ret_id,
	enum task_state *ret_state, bool *ret_joined, struct err *e) MUST_CHECK;
/* Let the item wait for it (and start it, where the task runs already). */
enum err_code task_await(struct tx *t, struct tx_item *it, int64_t id, enum task_state state,
	struct err *e) MUST_CHECK;
enum err_code task_delete(struct tx *t, int64_t id, struct err *e) MUST_CHECK;
/* Does an open item wait for it? */
enum err_code task_is_wanted(struct tx *t, int64_t id, bool *ret, struct err *e) MUST_CHECK;
/* The fetch of an item's URL, inserted (to be asked without validators) or joined. */
enum err_code fetch_put(struct tx *t, struct tx_item *it, int64_t scope, const char *headers,
	int tries, int64_t *ret_id, enum task_state *ret_state, bool *ret_joined, struct err *e)
	MUST_CHECK;
/* Another input for one that was inserted in this operation. */
enum err_code fetch_set_input(struct tx *t, int64_t id, const struct fetch_input *in, struct err *e)
	MUST_CHECK;

/* One variant of these bytes; one that is there already stands, and ours goes to the trash. */
enum err_code result_put(struct tx *t, int64_t scope, const uint8_t sha256[SHA256_LEN],
	const struct product *p, struct err *e) MUST_CHECK;
/* It failed for good: its items fail with this outcome. found: what is known of the original. */
enum err_code task_fail(struct tx *t, struct tx_task *k, const struct outcome *why,
	const struct original *found, struct err *e) MUST_CHECK;

/* ---- settle.c ------------------------------------------------------------------------------ */

/* How a task ended. */
struct tx_ending {
	enum task_state state;              /* TASK_DONE or TASK_FAILED */
	const struct tx_original *original; /* as its row is; NULL or id 0: not known */
	bool not_modified;                  /* of a fetch */
	enum cut_state cut_state;           /* of a cut */
	enum cut_reason cut_reason;
	int64_t cut; /* its result */
	const struct outcome *outcome;
};
/* The task ended: its row goes, or notes how, and the first PASS_ROWS items are settled. */
enum err_code settle_begin(struct tx *t, struct tx_task *k, const struct tx_ending *how,
	struct err *e) MUST_CHECK;

/* Settle up to PASS_ROWS more; the task's row goes with the last one. */
enum err_code settle_pass(struct tx *t, int64_t id, struct err *e) MUST_CHECK;

/* ---- passes, each of at most PASS_ROWS rows; *ret_more: there is more ---------------------- */

enum err_code cancel_pass(struct tx *t, struct tx_job *j, bool *ret_more, struct err *e) MUST_CHECK;
enum err_code retry_pass(struct tx *t, struct tx_job *j, bool *ret_more, struct err *e) MUST_CHECK;
enum err_code delete_pass(struct tx *t, int64_t no, int hidden, bool *ret_more, struct err *e)
	MUST_CHECK;
enum err_code tx_job_cancel(struct tx *t, struct tx_job *j, enum err_code code, struct err *e)
	MUST_CHECK;
enum err_code job_hide(struct tx *t, struct tx_job *j, int hidden, struct err *e) MUST_CHECK;
enum err_code expire_pass(struct tx *t, bool *ret_more, int64_t *ret_jobs, struct err *e)
	MUST_CHECK;
/* One pass of the first job that is being deleted. */
enum err_code hidden_pass(struct tx *t, bool *ret_more, struct err *e) MUST_CHECK;
/* The row goes and its blob enters the trash. */
enum err_code original_forget(struct tx *t, int64_t id, struct err *e) MUST_CHECK;
enum err_code result_forget(struct tx *t, int64_t id, struct err *e) MUST_CHECK;
enum err_code trash_put(struct tx *t, const char *blob, int64_t after_ms, struct err *e) MUST_CHECK;

/* ---- outside.c: tasks that are lent to who reports over HTTP -------------------------------- */

#define OWNER_IS_OUTSIDE "substr(coalesce(owner, ''), 1, 8) = '" OUTSIDE_OWNER "'"
enum err_code reported_pass(struct tx *t, bool *ret_more, struct err *e) MUST_CHECK;
/* Variants that came with the original o of a fetch; before it is settled. */
enum err_code brought_put(struct tx *t, const struct tx_task *k, const struct tx_original *o,
	const struct made *m, struct err *e) MUST_CHECK;
/* Those that are counted as made for this item. */
enum err_code brought_count(struct tx *t, struct tx_item *it, struct err *e) MUST_CHECK;

/* ---- manifests.c ------------------------------------------------------------------------------ */

enum err_code manifest_ended(struct tx *t, struct tx_job *j, struct err *e) MUST_CHECK;
enum err_code manifest_reopened(struct tx *t, int64_t job, struct err *e) MUST_CHECK;
enum err_code manifest_deleted(struct tx *t, int64_t job, struct err *e) MUST_CHECK;

/* ---- hooks.c, deliveries.c --------------------------------------------------------------------- */

/* Of a job that was taken in; nothing, where it asks for none. */
enum err_code hook_put(struct tx *t, int64_t job, const struct request *r, struct err *e)
	MUST_CHECK;
enum err_code hook_reopened(struct tx *t, int64_t job, struct err *e) MUST_CHECK;
/* A pass; *ret_more: there are deliveries left. */
enum err_code hook_deleted(struct tx *t, int64_t job, bool *ret_more, struct err *e) MUST_CHECK;
enum err_code deliveries_recover(struct tx *t, struct err *e) MUST_CHECK;

#endif
