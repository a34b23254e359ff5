/* SPDX-License-Identifier: MIT
 *
 * Inside push. One mutex guards everything here; it is held for short steps only, never over a
 * store call or a rendering. Functions are called with it held unless they say otherwise.
 *
 *   watch       a job that somebody reads: its last sequence, whether it has ended
 *   rendition   its log as frames for one base URL and one kind of stream
 *   block       BLOCK_ROWS consecutive frames of a rendition
 *   cursor      a position in a rendition; it sits in the block that holds its next frame
 *   reader      a stream with one cursor, or up to MANY_MAX of them
 *   waiter      a parked request that waits for news of a job
 */
#ifndef BULB_PUSH_PUSH_IMPL_H
#define BULB_PUSH_PUSH_IMPL_H

#include "base/mem.h"
#include "push/push.h"

#include <pthread.h>
#include <stdatomic.h>

#define BLOCK_ROWS    16 /* about 50 KiB of items: what a lone slow reader costs */
#define READ_GAP_MS   10 /* between reads of a log that grows */
#define WATCH_BUCKETS 1024
#define MANY_MAX      200

/* A circular list with a head; an element that is in no list is one of its own. */
struct link {
	struct link *prev, *next;
};
void link_init(struct link *l);
void link_add_after(struct link *at, struct link *l);
void link_add_last(struct link *head, struct link *l);
void link_del(struct link *l); /* in a list or not */
bool link_empty(const struct link *head);
struct link *link_first(const struct link *head);                      /* NULL: it is empty */
struct link *link_next(const struct link *head, const struct link *l); /* NULL: l is the last */
#define LINK_OF(l, type, member) container_of(l, type, member)

/* Something that a push thread must do; run is called with the mutex and may let go of it. */
struct chore {
	struct link link;
	bool queued;
	int64_t due_ms; /* monotonic */
	void (*run)(struct push *p, struct chore *c);
};

struct watch {
	struct watch *next; /* in its bucket */
	struct push *push;
	int64_t no;
	struct job_row job; /* what never changes; strings owned */
	int64_t last;       /* events up to here are readable */
	bool sure;          /* last and ended came from the store at one moment */
	bool ended, gone;
	unsigned pins; /* chores under way */
	struct chore probe;
	struct link renditions, waiters;
};

struct rendition {
	struct link link; /* in its watch */
	struct watch *watch;
	char *base_url, *events_url;
	enum http_stream_kind kind;
	struct link blocks; /* ascending; the first one always has cursors or is being loaded */
	int64_t paced_ms; /* monotonic: so far its reads have used up time, one READ_GAP_MS each */
};

struct block {
	struct link link; /* in its rendition */
	struct link lru;  /* in push, while it has frames */
	struct rendition *of;
	struct chore load;
	bool loading;
	int64_t number; /* holds sequences number * BLOCK_ROWS + 1 … + BLOCK_ROWS */
	int64_t hour;   /* link hour of its frames */
	struct link cursors;
	size_t n, bytes;
	struct http_frame *frames[BLOCK_ROWS];
};

struct cursor {
	struct link link; /* in its block */
	struct link own;  /* in its reader */
	struct reader *reader;
	struct block *block;
	int64_t next;          /* sequence of its next event */
	struct push_pass pass; /* that it was opened with */
	bool waiting;          /* wake the stream when there is news */
};
enum cursor_end { CURSOR_GOES_ON, CURSOR_DONE, CURSOR_GONE, CURSOR_EXPIRED };

struct many; /* many.c */
struct reader {
	struct link link; /* in push */
	struct push *push;
	struct http_stream *stream;
	struct many *many; /* NULL: one job */
	struct link cursors;
	uint32_t cursors_n;
	int32_t heartbeat_ms; /* 0: none */
	int64_t sent_ms;      /* monotonic: when a frame was last handed out */
	enum http_stream_kind kind;
	bool greet; /* SSE: "retry:" goes first */
	bool closing, dead;
};

struct waiter {
	struct link link; /* in its watch */
	struct watch *watch;
	int64_t after;
	bool ended_only;
	struct http_parked *parked;
	void (*fn)(void *ctx, struct http_request *r, bool gone);
	void *ctx;
};

struct push {
	struct push_opts o;
	char *blob_url;
	pthread_mutex_t lock;
	pthread_cond_t work, tick;
	bool stop;
	pthread_t *threads; /* the first looks at the clock */
	size_t threads_n;
	struct link chores, readers, lru;
	struct watch *watches[WATCH_BUCKETS];
	size_t watches_n;
	size_t bytes; /* of all frames in blocks */
};

/* push.c */
void chore_add(struct push *p, struct chore *c);
void chore_add_at(struct push *p, struct chore *c, int64_t due_ms); /* or sooner, if it was to be */
void chore_drop(struct chore *c);

/* watch.c */
struct watch *watch_find(struct push *p, int64_t no);
struct watch *watch_get(struct push *p, int64_t no);
/* What events are rendered with; and a row may be newer than all that was heard. */
void watch_describe(struct watch *w, const struct job_row *job);
void watch_release(struct watch *w); /* frees it when nobody needs it */
void watch_free(struct watch *w);
void watch_news(struct watch *w, int64_t seq);
void watch_heard(struct watch *w, int64_t seq); /* of a sequence that somebody has read of */
void watch_learn(struct watch *w, int64_t last, bool ended);
void watch_gone(struct watch *w);
void watch_wake_waiters(struct watch *w);

/* block.c: the shared frames of a log */
struct rendition *rendition_get(struct watch *w, const char *base_url, const char *events_url,
	enum http_stream_kind kind);
void rendition_nudge(struct rendition *r); /* load what somebody waits for */
void rendition_wake(struct rendition *r);
void cursor_start(struct cursor *c, struct rendition *r, int64_t after);
void cursor_stop(struct cursor *c);
/* A reference to its next frame, or NULL: it waits, or has come to an end. */
struct http_frame *cursor_take(struct cursor *c);
enum cursor_end cursor_end(const struct cursor *c, int64_t now_ms);

/* reader.c */
struct reader *reader_new(struct push *p, enum http_stream_kind kind);
/* Becomes the request's stream; the mutex is taken inside. false: the handshake was refused and r
 * is gone. */
bool reader_start(struct reader *r, struct http_request *req);
void reader_free(struct reader *r);
void reader_close(struct reader *r, int code, const char *reason);
struct cursor *reader_add_cursor(struct reader *r, struct rendition *of, int64_t after,
	const struct push_pass *pass);
bool pass_is_over(const struct push_pass *pass, int64_t now_ms);
void reader_remove_cursor(struct cursor *c);
void reader_tick(struct reader *r, int64_t mono_ms, int64_t wall_ms); /* heartbeats, expiry */

/* many.c */
struct http_frame *many_answer_next(struct many *m);
void many_cursor_ended(struct reader *r, struct cursor *c, enum cursor_end end);
void many_message(struct reader *r, const char *text, size_t n);
void many_tick(struct reader *r, int64_t mono_ms, int64_t wall_ms);
bool many_release(struct many *m); /* false: a chore still uses it and will free the reader */

#endif
