/* SPDX-License-Identifier: MIT
 *
 * The darkroom: sandboxed processes that turn a sealed memfd of untrusted bytes into memfds of
 * variants. This is the worker's side: start, feed, limit, kill. All calls are thread-safe.
 *
 * The first process is this program's own binary, spawned once as `bulb darkroom` with three
 * descriptors and an empty environment; it loads libraries, runs no picture, and forks the jailed
 * children. A child serves one scope at a time and is replaced after a number of pictures and
 * after any failure.
 */
#ifndef BULB_DARKROOM_DARKROOM_H
#define BULB_DARKROOM_DARKROOM_H

#include "base/buf.h"
#include "base/err.h"
#include "job/cut.h"
#include "job/outcome.h"
#include "job/recipe.h"

#include <stdatomic.h>
#include <stdint.h>

#define DARKROOM_CHILDREN_MAX 64

struct darkroom;
struct darkroom_opts {
	const char *exe; /* path of the binary; NULL: /proc/self/exe */
	size_t children; /* pictures at a time, 1 … DARKROOM_CHILDREN_MAX */
	/* A darkroom for cut-outs: its children load this runtime and model after they were forked and
	 * jailed; they are started when first needed, and a model that could not be loaded is tried again
	 * after 10 s. What it takes (its manifest says) comes on top of memory_bytes. NULL: a plain one. */
	const char *runtime;  /* path of libonnxruntime.so */
	const char *model;    /* path of the manifest; its file lies beside it */
	int threads;          /* of one run, at least 1 */
	int64_t memory_bytes; /* budget of decoded bytes over all children */
	int64_t item_ms;      /* wall time of one picture, waiting not counted */
	int64_t cpu_s;        /* processor time of a child's life; 0: item_ms × pictures */
	int64_t max_pixels;
	int max_frames;
	int64_t max_bytes_out;  /* of one variant */
	int pictures_per_child; /* then it is replaced */
	/* A child was replaced, for logs and metrics. Deaths: "signal" "killed" "time" "memory"
	 * "protocol" "lost" (with the process that forked it); by plan: "worn" (after its pictures,
	 * after one that failed, or for another scope). On the thread of a darkroom_process. */
	void (*on_died)(void *ctx, const char *reason);
	void *ctx;
};
enum err_code darkroom_new(const struct darkroom_opts *o, struct darkroom **ret, struct err *e)
	MUST_CHECK;
void darkroom_free(struct darkroom *d); /* ends the processes */
static inline void darkroom_freep(struct darkroom **d)
{
	darkroom_free(*d);
	*d = NULL;
}

struct darkroom_output {
	int fd; /* sealed memfd; darkroom_result_done closes it. Read it with
	                              pread or io_copy: the child shares its offset */
	int64_t bytes;
	enum format format;
	int width, height;
	size_t index; /* in the recipe */
};
struct darkroom_result {
	enum format format; /* of the source */
	int width, height;  /* upright */
	char thumbhash[64], color[8];
	struct darkroom_output outputs[VARIANTS_MAX];
	size_t n;           /* == recipe n on success */
	bool crashed;       /* on failure: the child died on this picture */
	int64_t process_ms; /* without waiting for a place */
	int64_t cpu_ms;     /* of processors */
};
void darkroom_result_done(struct darkroom_result *r);
/* Blocks until a child is free and the picture's memory is admitted. fd is a sealed memfd with the
 * bytes. The recipe has at least one variant. Errors: those of image.h; ERR_DECODE_CRASHED (with
 * ret->crashed) when the child died; ERR_LIMIT_TIME, ERR_LIMIT_MEMORY; ERR_CANCELED; ERR_DARKROOM
 * when no child can be had. On ERR_* of decoding, ret->format (and size, if known) are set. */
enum err_code darkroom_process(struct darkroom *d, int64_t scope, int fd, const struct recipe *r,
	atomic_bool *cancel, struct darkroom_result *ret, struct err *e) MUST_CHECK;

/* What is done to one picture of which the subject is wanted. */
enum cut_action {
	CUT_DO_FLAT,    /* a flat background, without a model; not flat: done is false */
	CUT_DO_LOCAL,   /* the model of this darkroom */
	CUT_DO_AUTO,    /* flat, else the model */
	CUT_DO_PREPARE, /* what is sent to a provider: no output when the original serves as it is */
	CUT_DO_COMPOSE  /* from a provider's answer */
};
struct darkroom_cut_result {
	enum format format;           /* of the source */
	int width, height;            /* upright */
	char thumbhash[64], color[8]; /* "" and "#000000" when the original serves as it is */
	bool done;                    /* false: FLAT was asked for and the background is not */
	bool none;                    /* done, and there is no subject */
	enum cut_engine engine;       /* LOCAL, FLAT, or REMOTE: what made it */
	double confidence;            /* 0 … 1; < 0 unknown */
	int left, top;                /* of the result in the upright original */
	bool has_output;
	struct darkroom_output output;
	bool crashed;
	int64_t process_ms, cpu_ms;
};
void darkroom_cut_done(struct darkroom_cut_result *r);
/* As darkroom_process. answer_fd: sealed memfd with the provider's answer (COMPOSE), else -1; it is a
 * PNG with alpha or a zip of color.jpg and alpha.png, told apart by its bytes. LOCAL and AUTO need a
 * darkroom with a model. Also ERR_MATTE_UNAVAILABLE (the runtime or model cannot be loaded),
 * ERR_MATTE_FAILED, ERR_MATTE_PROVIDER (the answer is not what it
 * should be). */
enum err_code darkroom_cut(struct darkroom *d, int64_t scope, int fd, int answer_fd,
	const struct cut *c, enum cut_action action, atomic_bool *cancel,
	struct darkroom_cut_result *ret, struct err *e) MUST_CHECK;

/* OK: children can be had, as far as that depends on the process that forks them; one that has
 * vanished is started again, which may take seconds. ERR_DARKROOM. */
enum err_code darkroom_check(struct darkroom *d, struct err *e) MUST_CHECK;

/* Let children go that have had nothing to do for so long, and with them their memory (a model's is
 * some hundred megabytes); the next picture starts another. Of a plain darkroom nothing goes. */
void darkroom_rest(struct darkroom *d, int64_t idle_ms);

struct darkroom_stats {
	size_t idle, busy;
	int64_t memory_used;
	pid_t pids[DARKROOM_CHILDREN_MAX]; /* of the living children, for tests and doctor */
	size_t pids_n;
	pid_t keeper; /* the process that forks them */
};
void darkroom_stats(struct darkroom *d, struct darkroom_stats *ret);

/* What protects, for `bulb doctor`: starts a darkroom with one child, looks at that child from
 * outside and appends lines such as "seccomp: filter in force". ERR_DARKROOM names what is missing. */
enum err_code darkroom_selftest(const char *exe, struct buf *ret, struct err *e) MUST_CHECK;
/* The same of a child with a model; ERR_MATTE_UNAVAILABLE says what is wrong with it or the runtime. */
enum err_code darkroom_selftest_matte(const char *exe, const char *runtime, const char *model,
	int threads, struct buf *ret, struct err *e) MUST_CHECK;

#endif
