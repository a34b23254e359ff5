/* SPDX-License-Identifier: MIT
 *
 * Readers of event logs. A reader is a position in a job's log and nothing else; live delivery and
 * replay are one mechanism: rows are read from the store in pages, rendered to frames once for all
 * readers of one base URL, kind and link hour, and kept in a bounded cache.
 */
#ifndef BULB_PUSH_PUSH_H
#define BULB_PUSH_PUSH_H

#include "base/err.h"
#include "http/http.h"
#include "store/store.h"
#include "view/view.h"

struct push;
struct blob;
/* By what right somebody reads. */
struct push_pass {
	int64_t tenant;            /* whose jobs; 0: nobody's, so that each needs a token */
	int64_t expires_ms;        /* wall: closed with 1008 then; 0: never */
	const _Atomic bool *ended; /* and when this is true; outlives push. NULL: never */
};
struct push_opts {
	struct store *store;
	size_t threads;     /* that read pages from the store: 1 or 2 */
	size_t cache_bytes; /* frames kept for readers: 64 MiB */
	int64_t poll_ms;    /* without hints: 1 s */
	/* For sockets that name jobs in messages: the right to read this job that its token gives.
	 * ERR_AUTH_REQUIRED, ERR_AUTH_FORBIDDEN. NULL: whatever is signed for the job counts. Any thread;
	 * may block. */
	enum err_code (*open_token)(void *ctx, const char *token, const char *job_id,
		struct push_pass *ret);
	const uint8_t *link_key;
	int64_t link_ttl_ms;
	const char *blob_url;      /* or NULL */
	struct blob *direct_links; /* for struct view_links, or NULL */
	void *ctx;
};
enum err_code push_new(const struct push_opts *o, struct push **ret, struct err *e) MUST_CHECK;
/* Its threads end and it asks the store nothing more; push_news may still be called. After the http
 * server is free and before the store is. NULL is fine. */
void push_stop(struct push *p);
void push_free(struct push *p); /* stops it first */
/* A hint from the bus: job has events up to seq (0: look at the store). Any thread, never blocks
 * for long. */
void push_news(struct push *p, int64_t job_no, int64_t seq);

struct push_reader_opts {
	struct push_pass pass;
	const struct job_row *job;         /* copied as far as needed */
	int64_t after;                     /* first event sent is after + 1 */
	const char *base_url, *events_url; /* copied */
	int64_t heartbeat_ms;              /* 0: none */
};
/* Somebody's right may have ended: readers look now, not at their next second. Any thread. */
void push_look(struct push *p);

/* Turn the request into a reader of one job: WebSocket or SSE. A WebSocket whose `after` lies
 * beyond the end is opened and closed with 1008 request_after, for browsers to see. */
void push_watch(struct push *p, struct http_request *r, enum http_stream_kind kind,
	const struct push_reader_opts *o);
/* Turn the request into a socket on which the client watches up to 200 jobs. */
void push_watch_many(struct push *p, struct http_request *r, const struct push_pass *pass,
	const char *base_url, const char *events_url);
/* Park the request until the job's last sequence is over `after` or (ended_only) the job has
 * ended, or ms passed; then fn runs on a request thread as in http_park. */
void push_wait(struct push *p, struct http_request *r, int64_t job_no, int64_t after,
	bool ended_only, int64_t ms, void (*fn)(void *ctx, struct http_request *r, bool gone),
	void *ctx);

#endif
