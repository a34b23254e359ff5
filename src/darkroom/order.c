/* SPDX-License-Identifier: MIT
 *
 * What a child is told to do with a picture. Paths, keys and money are not part of it: bytes,
 * limits, options.
 */
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "darkroom/child.h"
#include "darkroom/wire.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static enum wire_type type_of(const struct picture *p)
{
	if (p->recipe)
		return WIRE_JOB;
	return p->action == CUT_DO_COMPOSE ? WIRE_COMPOSE : WIRE_CUT;
}

bool order_send(const struct child *c, const struct picture *p, struct wire_msg *m)
{
	*m = (struct wire_msg){ .type = type_of(p),
		.max_pixels = p->opts->max_pixels,
		.max_frames = p->opts->max_frames,
		.max_bytes_out = p->opts->max_bytes_out,
		.bytes = io_size(p->fd) };
	if (!p->recipe)
		m->action = p->action;
	if (m->type == WIRE_COMPOSE)
		m->answer_bytes = io_size(p->answer_fd);
	autojson *options = p->recipe ? recipe_json(p->recipe) : cut_json(p->cut);
	autofree char *text = json_text(options);
	assert(strlen(text) <= WIRE_TEXT_MAX && m->bytes >= 0 && m->answer_bytes >= 0);
	snprintf(m->text, sizeof(m->text), "%s", text);
	struct err unsent;
	return wire_send(c->sock, m, (const int[WIRE_FDS_MAX]){ p->fd, p->answer_fd }, &unsent) ==
		OK;
}
