/* SPDX-License-Identifier: MIT
 *
 * Messages between worker, keeper and children. The format and every message stand in wire.def.
 * Both sides check everything: the worker because a child may have been taken over by a picture.
 */
#ifndef BULB_DARKROOM_WIRE_H
#define BULB_DARKROOM_WIRE_H

#include "base/err.h"
#include "darkroom/darkroom.h"
#include "job/recipe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_MAGIC    0x314b5244u /* "DRK1" */
#define WIRE_TEXT_MAX 16384       /* a recipe of VARIANTS_MAX variants takes about 6,000 */
#define WIRE_FDS_MAX  2

enum wire_type {
	WIRE_END, /* not a message: the other side has closed */
#define WIRE_MSG(name, fds, text, fields) WIRE_##name,
#include "darkroom/wire.def"
#undef WIRE_MSG
	WIRE_TYPES
};
enum wire_field {
#define WIRE_FIELD(name, least, most) WIRE_FIELD_##name,
#include "darkroom/wire.def"
#undef WIRE_FIELD
	WIRE_FIELDS
};

struct wire_msg {
	enum wire_type type;
#define WIRE_FIELD(name, least, most) int64_t name;
#include "darkroom/wire.def"
#undef WIRE_FIELD
	bool unread;                  /* with WIRE_END: it closed before it read all that we sent */
	char text[WIRE_TEXT_MAX + 1]; /* NUL-terminated; no NUL in it */
};
#define WIRE_HEAD 16
#define WIRE_MAX  (WIRE_HEAD + 8 * WIRE_FIELDS + WIRE_TEXT_MAX)

const char *wire_name(enum wire_type t); /* "JOB" */
size_t wire_fds(enum wire_type t);       /* how many descriptors it carries */

/* The packet of a message that we made ourselves: out of range is our bug. Returns its length. */
size_t wire_format(const struct wire_msg *m, uint8_t out[WIRE_MAX]);
/* ERR_DARKROOM when it is no message; fields that it does not carry are 0. */
enum err_code wire_parse(const void *packet, size_t n, struct wire_msg *ret, struct err *e)
	MUST_CHECK;

/* Send with the descriptors that this type carries; the caller keeps its own. Blocks while the
 * socket is full. ERR_DARKROOM when the other side is gone. */
enum err_code wire_send(int sock, const struct wire_msg *m, const int *fds, struct err *e)
	MUST_CHECK;
/* Wait for one message; the caller owns the descriptors. WIRE_END when the other side has closed.
 * ERR_DARKROOM when what came is no message, or has other descriptors than it should. */
enum err_code wire_recv(int sock, struct wire_msg *ret, int fds[WIRE_FDS_MAX], struct err *e)
	MUST_CHECK;
/* A FAIL with what stands in e. */
enum err_code wire_send_fail(int sock, const struct err *why, enum format format, struct err *e)
	MUST_CHECK;

#endif
