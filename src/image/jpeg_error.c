/* SPDX-License-Identifier: MIT */
#include "image/jpeg_error.h"

#include <jerror.h>

static NORETURN void jump(j_common_ptr info)
{
	struct jpeg_failure *f = (struct jpeg_failure *)info->err;
	(*info->err->format_message)(info, f->text);
	longjmp(f->back, 1);
}

/* Warnings count (num_warnings) and are not printed. */
static void count_warning(j_common_ptr info, int level)
{
	if (level < 0)
		info->err->num_warnings++;
}

static void print_nothing(j_common_ptr info)
{
	(void)info;
}

struct jpeg_error_mgr *jpeg_failure_init(struct jpeg_failure *f)
{
	jpeg_std_error(&f->mgr);
	f->mgr.error_exit = jump;
	f->mgr.emit_message = count_warning;
	f->mgr.output_message = print_nothing;
	f->text[0] = 0;
	return &f->mgr;
}

enum err_code jpeg_failed(const struct jpeg_failure *f, enum err_code other, struct err *e)
{
	bool memory = f->mgr.msg_code == JERR_OUT_OF_MEMORY;
	return err_set(e, memory ? ERR_LIMIT_MEMORY : other, "jpeg: %s", f->text);
}
