/* SPDX-License-Identifier: MIT
 *
 * What a child hands over is looked at as if an attacker had sent it: asked for, once, of the size
 * it says and no larger than allowed, sealed by us, of the format it says. The seal fails while a
 * writable mapping exists, so that no child can change bytes after they were looked at.
 */
#include "base/io.h"
#include "darkroom/child.h"
#include "darkroom/wire.h"

#include <string.h>

#define SIDE_MAX 65535

/* Long enough for the name of the format; the worker reads no further into a picture. */
#define MAGIC_LEN 12

static bool has_magic(enum format f, const char head[MAGIC_LEN])
{
	switch (f) {
	case FORMAT_JPEG:
		return memcmp(head, "\xff\xd8\xff", 3) == 0;
	case FORMAT_PNG:
		return memcmp(head, "\x89PNG\r\n\x1a\n", 8) == 0;
	case FORMAT_WEBP:
		return memcmp(head, "RIFF", 4) == 0 && memcmp(head + 8, "WEBP", 4) == 0;
	case FORMAT_AVIF:
		return memcmp(head + 4, "ftypavif", 8) == 0;
	default:
		return false;
	}
}

static bool has_index(const struct darkroom_result *r, size_t index)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->outputs[i].index == index)
			return true;
	return false;
}

/* The format that output `index` is to have; FORMAT_NONE: there is to be none. */
static enum format wanted(const struct picture *p, size_t index)
{
	if (p->recipe)
		return index < p->recipe->n ? p->recipe->variants[index].format : FORMAT_NONE;
	if (index > 0)
		return FORMAT_NONE;
	return p->action == CUT_DO_PREPARE ? FORMAT_JPEG : p->cut->format;
}

static enum err_code check_claim(const struct wire_msg *m, const struct picture *p,
	const struct darkroom_result *r, struct err *e)
{
	size_t index = (size_t)m->index;
	if (wanted(p, index) == FORMAT_NONE || has_index(r, index))
		return err_set(e, ERR_DARKROOM, "output %zu, which nobody asked for", index);
	if (wanted(p, index) != (enum format)m->format)
		return err_set(e, ERR_DARKROOM, "output %zu in another format", index);
	if (m->width < 1 || m->height < 1 || m->width > SIDE_MAX || m->height > SIDE_MAX)
		return err_set(e, ERR_DARKROOM, "output %zu of %lld × %lld pixels", index,
			(long long)m->width, (long long)m->height);
	if (m->bytes < MAGIC_LEN || m->bytes > p->opts->max_bytes_out)
		return err_set(e, ERR_DARKROOM, "output %zu of %lld bytes", index,
			(long long)m->bytes);
	return OK;
}

static enum err_code check_bytes(const struct wire_msg *m, int fd, struct err *e)
{
	char head[MAGIC_LEN];
	size_t n;
	enum err_code code = io_seal(fd, e);
	if (code != OK) /* a writable mapping was kept, or it is no memfd of its own */
		return err_set(e, ERR_DARKROOM, "output %d cannot be sealed", (int)m->index);
	if (io_size(fd) != m->bytes)
		return err_set(e, ERR_DARKROOM, "output %d is not of the size it says",
			(int)m->index);
	code = io_pread(fd, head, MAGIC_LEN, 0, &n, e);
	if (code == OK && (n != MAGIC_LEN || !has_magic((enum format)m->format, head)))
		code = err_set(e, ERR_DARKROOM, "output %d is not %s", (int)m->index,
			format_name((enum format)m->format));
	return code;
}

enum err_code output_take(const struct wire_msg *m, int fd, const struct picture *p,
	struct darkroom_result *ret, struct err *e)
{
	autofd mine = fd;
	enum err_code code = check_claim(m, p, ret, e);
	if (code == OK)
		code = check_bytes(m, mine, e);
	if (code != OK)
		return code;
	ret->outputs[ret->n++] = (struct darkroom_output){
		.fd = fd_take(&mine),
		.bytes = m->bytes,
		.format = (enum format)m->format,
		.width = (int)m->width,
		.height = (int)m->height,
		.index = (size_t)m->index,
	};
	return OK;
}
