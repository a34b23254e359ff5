/* SPDX-License-Identifier: MIT
 *
 * One jailed child as the worker sees it: the socket it talks over, and a line to the keeper that
 * says how it died and, when hung up, makes it die. One thread at a time.
 */
#ifndef BULB_DARKROOM_CHILD_H
#define BULB_DARKROOM_CHILD_H

#include "base/err.h"
#include "darkroom/admit.h"
#include "darkroom/darkroom.h"
#include "job/recipe.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SCOPE_NONE INT64_MIN

struct child {
	pid_t pid;
	int sock, line;
	int64_t scope; /* whose pictures it has seen; SCOPE_NONE: nobody's */
	int pictures;
	bool ready;   /* it has said that it is in the jail */
	int landlock; /* what it then said: ABI, 0 for none */
	uid_t uid;
	bool alone;
	const char *died; /* NULL while it lives, else the reason; static */
};
struct child *child_new(pid_t pid, int sock, int line); /* takes over both descriptors */
void child_free(struct child *c);                       /* ends it */
bool child_has_died(struct child *c);                   /* while idle; sets c->died */

/* Wait until it is in the jail, and has its model, if it is to have one. ERR_DARKROOM names what is
 * missing, ERR_MATTE_UNAVAILABLE what is wrong with runtime or model. */
enum err_code child_await(struct child *c, struct err *e) MUST_CHECK;

struct picture {
	int fd;
	const struct recipe *recipe; /* NULL: a cut */
	const struct cut *cut;
	enum cut_action action;
	int answer_fd;                       /* of COMPOSE */
	struct darkroom_cut_result *cut_ret; /* of a cut: what was done; the rest goes to ret */
	atomic_bool *cancel;
	const struct darkroom_opts *opts;
	struct gate *memory;
};
/* One picture from JOB to DONE, or from CUT or COMPOSE to CUT_DONE. After a failure the child is not to be used again: c->died tells
 * whether it had died or had to be killed, and why. *ret_unused: it was gone before it got the
 * picture, which is nobody's fault; ask another. Errors: as darkroom_process. */
enum err_code child_process(struct child *c, const struct picture *p, struct darkroom_result *ret,
	bool *ret_unused, struct err *e) MUST_CHECK;

/* order.c: tell the child what is wanted. false: it has closed. m is room for the message. */
struct wire_msg;
bool order_send(const struct child *c, const struct picture *p, struct wire_msg *m);
/* summary.c: DONE or CUT_DONE becomes the rest of ret (and p->cut_ret), or is refused. */
enum err_code summary_take(const struct wire_msg *m, const struct picture *p,
	struct darkroom_result *ret, struct err *e) MUST_CHECK;
/* output.c: what came with OUTPUT becomes an output of ret, sealed, or is refused (ERR_DARKROOM).
 * Takes over fd in both cases. */
enum err_code output_take(const struct wire_msg *m, int fd, const struct picture *p,
	struct darkroom_result *ret, struct err *e) MUST_CHECK;

#endif
