/* SPDX-License-Identifier: MIT
 *
 * A darkroom whose decoder does what the picture says (fake_bulb.c), for the tests of children and
 * of the pool. FAKE_BULB is set by the build.
 */
#ifndef BULB_TESTS_UNIT_DARKROOM_POOL_H
#define BULB_TESTS_UNIT_DARKROOM_POOL_H

#include "lib/test.h"

#include "darkroom/darkroom.h"

#include <pthread.h>

struct room {
	struct darkroom *d;
	struct recipe recipe; /* five variants, every format that is written */
	pthread_mutex_t lock;
	char reasons[1000]; /* of children that were replaced, each with a blank after it */
};
struct darkroom_opts usual(void);
void open_room(struct room *r, struct darkroom_opts o);
void close_room(struct room *r);

int picture(const char *act); /* a sealed memfd */
enum err_code process(struct room *r, const char *act, struct darkroom_result *ret, struct err *e);
void assert_good(struct room *r);

/* A picture on a thread of its own. */
struct lane {
	struct room *r;
	const char *act;
	int64_t scope;
	atomic_bool cancel;
	enum err_code code;
	pthread_t thread;
};
void start(struct lane *l);
void await_memory(struct room *r, int64_t bytes); /* until so much is admitted */

#endif
