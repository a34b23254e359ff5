/* SPDX-License-Identifier: MIT
 *
 * For this room only: a worker is lanes, each a thread with at most one task, a dispatcher that
 * gives them tasks, and a keeper that extends the leases of what runs.
 */
#ifndef BULB_WORKER_WORKER_IMPL_H
#define BULB_WORKER_WORKER_IMPL_H

#include "base/backoff.h"
#include "base/id.h"
#include "worker/worker.h"

#include <pthread.h>
#include <stdatomic.h>

struct lane {
	struct worker *w;
	pthread_t thread;
	struct fetch_lane *fetch;
	/* Under w->lock. */
	pthread_cond_t given; /* a task was given, or the lanes close */
	bool busy;
	struct task task;    /* what runs: id and lease change when a make follows its fetch */
	struct arena *arena; /* of the task; its lane's alone while busy */
	bool at_host;        /* it has a place at its task's host, or is about to take it */
	bool stale;          /* the lease has moved on: nothing of ours counts any more */
	int64_t held_bytes;  /* of the original in memory */
	/* Read by anyone at any time. */
	atomic_bool cancel;                 /* stop at the next chance */
	_Atomic int step;                   /* enum task_step */
	_Atomic int64_t bytes, bytes_total; /* of the download; -1 unknown */
};

/* Which hosts answered lately; when the list is full, one after the other makes room. */
#define KNOWN_HOSTS 256
struct known_hosts {
	char *list[KNOWN_HOSTS];
	size_t n, next;
};

struct worker {
	struct worker_opts o;
	uint8_t seal_key[32];
	char *codecs;
	char owner[ID_LEN + 1];
	struct lane *lanes;
	pthread_t dispatcher, keeper;
	pthread_mutex_t lock;
	pthread_cond_t work;   /* the dispatcher: a hint, an idle lane, or the end */
	pthread_cond_t beat;   /* the keeper: something runs, or the end */
	pthread_cond_t quiet;  /* worker_stop: a lane became idle */
	pthread_cond_t change; /* lanes that wait: memory is free, or something was canceled */
	size_t busy;
	bool hinted, freed; /* for the dispatcher: there may be work; a lane became idle */
	bool draining;      /* take nothing new */
	bool ending;        /* give back what runs */
	bool closing;       /* lanes and keeper end when idle */
	bool stopped;
	struct known_hosts known;
};

void *dispatcher_main(void *worker);
void *keeper_main(void *worker);
void *lane_main(void *lane);

/* Under w->lock: hand a task to an idle lane. */
void lane_give(struct lane *l, const struct task *t);
/* The lane goes on with another task: a make that was lent when its fetch was finished. */
void lane_switch(struct lane *l, const struct task *t);
void lane_leave_host(struct lane *l); /* the task's host; others may go there */
/* Wait until there is room for `bytes` more of originals; ERR_CANCELED. */
enum err_code lane_hold(struct lane *l, int64_t bytes, struct err *e) MUST_CHECK;
void lane_held(struct lane *l, int64_t bytes); /* what it turned out to be; 0 gives it back */
/* Wait; false at once when the worker ends or the lease has moved on. */
bool lane_sleep(struct lane *l, int64_t ms);
/* The same for what must not be lost: false only when the worker ends. */
bool lane_linger(struct lane *l, int64_t ms);
bool lane_is_stale(struct lane *l);

/* The host answered in good time, or did not. */
void known_note(struct worker *w, const char *host, bool answers);
const char **known_copy(struct worker *w, struct arena *a, size_t *ret_n);
void known_free(struct worker *w);

#endif
