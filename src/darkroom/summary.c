/* SPDX-License-Identifier: MIT
 *
 * The end of a picture, as the child tells it: nothing that was not asked for, nothing missing,
 * nothing that contradicts itself.
 */
#include "darkroom/child.h"
#include "darkroom/wire.h"

#include <stdio.h>
#include <string.h>

static bool is_base64(const char *text)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
	return text[strspn(text, digits)] == '\0';
}

/* What was done, by the only engines that this action may have used. */
static bool is_answer_to(enum cut_action action, const struct wire_msg *m)
{
	if (!m->done)
		return action == CUT_DO_FLAT;
	switch (action) {
	case CUT_DO_FLAT:
		return m->engine == CUT_FLAT;
	case CUT_DO_LOCAL:
		return m->engine == CUT_LOCAL;
	case CUT_DO_AUTO:
		return m->engine == CUT_FLAT || m->engine == CUT_LOCAL;
	default:
		return m->engine == CUT_REMOTE;
	}
}

/* Who made something has sent it; only the original may serve as it is. */
static bool has_its_outputs(const struct wire_msg *m, const struct picture *p, size_t n)
{
	if (p->recipe)
		return n == p->recipe->n;
	if (p->action == CUT_DO_PREPARE)
		return n <= 1 && !m->none;
	return n == (m->done && !m->none ? 1 : 0);
}

static void take_cut(const struct wire_msg *m, struct darkroom_cut_result *ret)
{
	ret->done = m->done != 0;
	ret->none = m->none != 0;
	ret->engine = (enum cut_engine)m->engine;
	ret->confidence = m->confidence < 0 ? -1 : (double)m->confidence / 1e6;
	ret->left = (int)m->left;
	ret->top = (int)m->top;
}

enum err_code summary_take(const struct wire_msg *m, const struct picture *p,
	struct darkroom_result *ret, struct err *e)
{
	const char *name = wire_name(m->type);
	if ((m->type == WIRE_DONE) != (p->recipe != NULL))
		return err_set(e, ERR_DARKROOM, "%s out of turn", name);
	if (!has_its_outputs(m, p, ret->n))
		return err_set(e, ERR_DARKROOM, "%s after %zu outputs", name, ret->n);
	if (m->width < 1 || m->height < 1 || m->left >= m->width || m->top >= m->height)
		return err_set(e, ERR_DARKROOM, "%s without a size", name);
	if (!is_base64(m->text))
		return err_set(e, ERR_DARKROOM, "%s with no ThumbHash", name);
	if (!p->recipe && !is_answer_to(p->action, m))
		return err_set(e, ERR_DARKROOM, "%s by another engine", name);
	ret->width = (int)m->width;
	ret->height = (int)m->height;
	snprintf(ret->thumbhash, sizeof(ret->thumbhash), "%.63s", m->text);
	snprintf(ret->color, sizeof(ret->color), "#%06x", (unsigned)m->color);
	if (!p->recipe)
		take_cut(m, p->cut_ret);
	return OK;
}
