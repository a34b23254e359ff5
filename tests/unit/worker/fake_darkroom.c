/* SPDX-License-Identifier: MIT
 *
 * Pictures that do what their bytes hold.
 */
#include "fakes.h"

#include "base/io.h"

#include <unistd.h>

struct fake_pictures fake_pictures;

void fake_pictures_reset(void)
{
	fake_pictures = (struct fake_pictures){ 0 };
}

void darkroom_result_done(struct darkroom_result *r)
{
	for (size_t i = 0; i < r->n; i++)
		fd_close(&r->outputs[i].fd);
	r->n = 0;
}

static enum err_code make(const struct variant *v, const char *text, struct darkroom_output *o,
	struct err *e)
{
	autofree char *made = mem_printf("%s of %s", v->name, text);
	*o = (struct darkroom_output){ .fd = -1,
		.bytes = (int64_t)strlen(made),
		.format = v->format,
		.width = v->width,
		.height = 7 };
	enum err_code code = io_memfd("variant", &o->fd, e);
	if (code == OK)
		code = io_write_all(o->fd, made, strlen(made), e);
	return code == OK ? io_seal(o->fd, e) : code;
}

static enum err_code refuse(const char *text, struct darkroom_result *ret, struct err *e)
{
	if (strstr(text, "crash")) {
		ret->crashed = true;
		return err_set(e, ERR_DECODE_CRASHED, "the decoder died");
	}
	if (strstr(text, "trouble") && atomic_fetch_sub(&fake_pictures.troubles, 1) > 0)
		return err_set(e, ERR_DARKROOM, "no darkroom can be had");
	if (strstr(text, "corrupt")) {
		ret->format = FORMAT_JPEG;
		ret->width = 40;
		ret->height = 30;
		return err_set(e, ERR_DECODE_CORRUPT, "cut short");
	}
	return OK;
}

static enum err_code process(const char *text, const struct recipe *r, atomic_bool *cancel,
	struct darkroom_result *ret, struct err *e)
{
	enum err_code code = refuse(text, ret, e);
	while (code == OK && strstr(text, "slow") && !atomic_load(&fake_pictures.gate)) {
		if (atomic_load(cancel))
			code = err_set(e, ERR_CANCELED, "canceled");
		usleep(500);
	}
	if (code != OK)
		return code;
	ret->format = FORMAT_PNG;
	ret->width = 400;
	ret->height = 300;
	ret->process_ms = 12;
	snprintf(ret->color, sizeof(ret->color), "#123456");
	snprintf(ret->thumbhash, sizeof(ret->thumbhash), "hash");
	for (size_t i = 0; code == OK && i < r->n; i++) {
		size_t which = r->n - 1 - i; /* in any order: the last first */
		code = make(&r->variants[which], text, &ret->outputs[i], e);
		ret->outputs[i].index = which;
		ret->n++;
	}
	return code;
}

enum err_code darkroom_process(struct darkroom *d, int64_t scope, int fd, const struct recipe *r,
	atomic_bool *cancel, struct darkroom_result *ret, struct err *e)
{
	(void)d, (void)scope;
	*ret = (struct darkroom_result){ 0 };
	char text[512] = "";
	size_t n = 0;
	enum err_code code = io_pread(fd, text, sizeof(text) - 1, 0, &n, e);
	if (code != OK)
		return code;
	int inside = atomic_fetch_add(&fake_pictures.inside, 1) + 1;
	if (inside > atomic_load(&fake_pictures.most_inside))
		atomic_store(&fake_pictures.most_inside, inside);
	atomic_fetch_add(&fake_pictures.processed, 1);
	code = process(text, r, cancel, ret, e);
	atomic_fetch_sub(&fake_pictures.inside, 1);
	return code;
}
