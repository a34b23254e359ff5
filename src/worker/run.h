/* SPDX-License-Identifier: MIT
 *
 * For this room only: one task on its way through its table of steps.
 */
#ifndef BULB_WORKER_RUN_H
#define BULB_WORKER_RUN_H

#include "worker/worker_impl.h"

struct run {
	struct lane *l;
	struct worker *w;
	int fd;                   /* sealed memfd with the original, or -1 */
	struct original original; /* known once fetched, or from a make's input */
	bool has_original;
	/* fetch */
	struct fetch_input asked;
	struct fetch_result got; /* its fd is taken into `fd` */
	struct task lent;       /* the make that was lent when the fetch was finished; id 0: none */
	bool in_host;           /* we hold a place at the source's host */
	int64_t retry_after_ms; /* what that host asked for */
	/* make */
	struct recipe recipe;
	struct darkroom_result pictures;
	struct product products[VARIANTS_MAX];
	/* cut */
	struct cut cut;
	struct darkroom_cut_result piece; /* what has been cut out by now */
	bool paid_wanted;                 /* the provider is to be asked */
	enum cut_reason reason;           /* why `piece` will stand */
	int64_t charge, cost;             /* of the answer it was made from; 0: of none */
	struct cut_product cutout;
	bool untried;  /* the provider was not asked: it, or its rate, wants it later */
	bool hopeless; /* what failed will not pass, whatever its code says of others */
	/* blobs of ours that no row names yet */
	char written[VARIANTS_MAX + 1][BLOB_KEY_MAX + 1];
	size_t written_n;
	bool crashed; /* the child died on the picture */
	bool unsure;  /* the store may have taken what it did not answer to */
	struct outcome outcome;
};

struct step {
	enum err_code (*go)(struct run *r, struct err *e);
	enum task_step shows; /* what the item's status says meanwhile */
	const char *stage;    /* what an error names */
};
extern const struct step fetch_steps[], make_steps[],
	cut_steps[]; /* ended by a step without `go` */

/* The lane's task, from claim to finish. */
void run_task(struct lane *l);

/* The step took so long: added to a stage of the outcome, where -1 is none yet. */
void run_took(struct run *r, int64_t *stage_ms, int64_t ms);
void run_leave_host(struct run *r);
/* A blob under a fresh key, noted as written. Not durable yet. */
enum err_code run_put(struct run *r, int fd, int64_t bytes, enum format f, const char *variant,
	const uint8_t sha256[SHA256_LEN], char ret_key[BLOB_KEY_MAX + 1], struct err *e) MUST_CHECK;
enum err_code run_sync(struct run *r, struct err *e) MUST_CHECK;
/* The original in memory, as `fd`; the fetch before may have left it there. */
enum err_code run_get_original(struct run *r, struct err *e) MUST_CHECK;
/* A blob as a sealed memfd. Room for it is waited for, or, beside what is held already, taken. */
enum err_code run_copy(struct run *r, const char *key, bool beside, int *ret_fd, struct err *e)
	MUST_CHECK;
/* One cut in a darkroom (a model's or the plain one); what it learns of the original is kept. */
enum err_code run_cut(struct run *r, struct darkroom *d, enum cut_action action, int answer_fd,
	struct darkroom_cut_result *ret, struct err *e) MUST_CHECK;
/* The provider's cut-out in place of `piece`. Where auto has another to fall back to, it does. */
enum err_code run_pay(struct run *r, struct err *e) MUST_CHECK;
/* Say a result to the feed. A store that takes no writes now is asked again, with what we have in
 * hand, until it answers, the lease has moved on, or the worker ends. */
enum err_code run_report(struct run *r, enum err_code (*say)(struct run *r, struct err *e),
	struct err *e) MUST_CHECK;
/* The attempt failed with e: give the task back for another try, or let it fail for good. */
void run_failed(struct run *r, const struct err *e);
/* Before our own store or disk is asked again for the n-th time. false: the worker ends, or the lease
 * has moved on. */
bool run_await_disk(struct run *r, int n);
/* The same for what must be told whoever has the task now: false only when the worker ends. */
bool run_await_ledger(struct run *r, int n);
/* Not begun, or not to be gone on with: back as it was. */
void run_give_back(struct run *r, int64_t in_ms);

#endif
