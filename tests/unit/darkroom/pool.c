/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include "base/io.h"
#include "base/json.h"

#include <sched.h>
#include <stdio.h>

#define FIVE                                                                                       \
	"[{\"name\":\"thumb\",\"width\":150,\"format\":\"jpeg\"},"                                 \
	"{\"name\":\"small\",\"width\":320,\"format\":\"webp\"},"                                  \
	"{\"name\":\"medium\",\"width\":640,\"format\":\"jpeg\"},"                                 \
	"{\"name\":\"png\",\"width\":1280,\"format\":\"png\"},"                                    \
	"{\"name\":\"avif\",\"width\":1920,\"format\":\"avif\"}]"

static void note(void *ctx, const char *reason)
{
	struct room *r = ctx;
	pthread_mutex_lock(&r->lock);
	size_t n = strlen(r->reasons);
	snprintf(r->reasons + n, sizeof(r->reasons) - n, "%s ", reason);
	pthread_mutex_unlock(&r->lock);
}

static struct recipe recipe_of(const char *text)
{
	struct err e;
	struct recipe r;
	autojson *j = NULL;
	assert_ok(json_parse(text, strlen(text), &j, &e));
	assert_ok(recipe_from_json(j, &r, &e));
	return r;
}

struct darkroom_opts usual(void)
{
	return (struct darkroom_opts){ .exe = FAKE_BULB,
		.children = 2,
		.memory_bytes = 128 << 20,
		.item_ms = 20000,
		.max_pixels = 50000000,
		.max_frames = 1000,
		.max_bytes_out = 1 << 20,
		.pictures_per_child = 100 };
}

void open_room(struct room *r, struct darkroom_opts o)
{
	struct err e;
	*r = (struct room){ .recipe = recipe_of(FIVE), .lock = PTHREAD_MUTEX_INITIALIZER };
	o.on_died = note;
	o.ctx = r;
	assert_ok(darkroom_new(&o, &r->d, &e));
}

void close_room(struct room *r)
{
	darkroom_free(r->d);
	recipe_done(&r->recipe);
}

int picture(const char *act)
{
	struct err e;
	int fd = -1;
	assert_ok(io_memfd("picture", &fd, &e));
	assert_ok(io_write_all(fd, "FAKE ", 5, &e));
	assert_ok(io_write_all(fd, act, strlen(act), &e));
	assert_ok(io_seal(fd, &e));
	return fd;
}

enum err_code process(struct room *r, const char *act, struct darkroom_result *ret, struct err *e)
{
	autofd fd = picture(act);
	return darkroom_process(r->d, 1, fd, &r->recipe, NULL, ret, e);
}

void assert_good(struct room *r)
{
	struct err e;
	struct darkroom_result res;
	assert_ok(process(r, "good", &res, &e));
	assert_int_equal(res.n, r->recipe.n);
	darkroom_result_done(&res);
}

static void *work(void *arg)
{
	struct lane *l = arg;
	struct err e;
	struct darkroom_result res;
	autofd fd = picture(l->act);
	l->code = darkroom_process(l->r->d, l->scope, fd, &l->r->recipe, &l->cancel, &res, &e);
	darkroom_result_done(&res);
	return NULL;
}

void start(struct lane *l)
{
	assert_int_equal(pthread_create(&l->thread, NULL, work, l), 0);
}

void await_memory(struct room *r, int64_t bytes)
{
	struct darkroom_stats s;
	do {
		sched_yield();
		darkroom_stats(r->d, &s);
	} while (s.memory_used != bytes);
}
