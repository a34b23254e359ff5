/* SPDX-License-Identifier: MIT
 *
 * The room's front: libraries are prepared once, in a process that will fork, so nothing here runs
 * a picture or starts a thread (libvips' threads would be missing in the children, and every
 * decode there would wait for them).
 */
#include "image/image.h"

#include "image/cascade.h"
#include "image/placeholder.h"

#include <gmodule.h>
#include <jpeglib.h>
#include <libheif/heif.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <vips/vips.h>
#include <webp/encode.h>

#define TEXT_OF(x)  #x
#define TEXT_OF_(x) TEXT_OF(x)

static GLogWriterOutput say_nothing(GLogLevelFlags level, const GLogField *fields, gsize n,
	gpointer ctx)
{
	(void)level;
	(void)fields;
	(void)n;
	(void)ctx;
	return G_LOG_WRITER_HANDLED;
}

/* libvips loads every module it finds, ImageMagick and poppler among them; it is pointed away from
 * them and given the one that bulb uses. */
static enum err_code load_vips(struct err *e)
{
	g_log_set_writer_func(say_nothing, NULL, NULL);
	/* orc would write machine code at run time, which the jail does not allow; told to emulate,
	 * it leaves the work to plain C of libvips. */
	if (setenv("ORC_CODE", "emulate", 1) != 0 || setenv("VIPSHOME", "/nonexistent", 1) != 0 ||
		setenv("VIPS_DISC_THRESHOLD", "1000g", 1) != 0)
		return err_sys(e, ERR_SYSTEM, ENOMEM, "libvips");
	if (vips_init("bulb") != 0)
		return err_set(e, ERR_SYSTEM, "libvips does not start: %s", vips_error_buffer());
	if (!g_type_from_name("VipsForeignLoadHeifBuffer") &&
		!g_module_open(BULB_VIPS_MODULES "/vips-heif.so", G_MODULE_BIND_LAZY) &&
		!g_module_open("vips-heif.so", G_MODULE_BIND_LAZY)) /* among a package's libraries */
		return err_set(e, ERR_SYSTEM, "libvips has no HEIF and AVIF: %s", g_module_error());
	return OK;
}

/* Planes of the same sizes come and go with every variant; giving each back to the kernel and
 * faulting it in again costs 3 % of the time. At most KEEP_BYTES stay. */
static void keep_memory(void)
{
	enum { KEEP_BYTES = 64 << 20 };
	mallopt(M_MMAP_THRESHOLD, KEEP_BYTES / 2);
	mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
}

enum err_code image_init(struct err *e)
{
	enum err_code code = load_vips(e);
	if (code != OK)
		return code;
	keep_memory();
	vips_block_untrusted_set(TRUE);
	vips_cache_set_max(0);
	vips_cache_set_max_mem(0);
	vips_cache_set_max_files(0);
	vips_concurrency_set(1);
	return OK;
}

static char codecs[160];

static void fill_codecs(void)
{
	int webp = WebPGetEncoderVersion();
	snprintf(codecs, sizeof(codecs), "vips %d.%d.%d jpeg %s webp %d.%d.%d heif %s",
		vips_version(0), vips_version(1), vips_version(2), TEXT_OF_(LIBJPEG_TURBO_VERSION),
		webp >> 16, webp >> 8 & 255, webp & 255, heif_get_version());
}

const char *image_codecs(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, fill_codecs);
	return codecs;
}

enum err_code image_make(const void *data, size_t n, const struct image_header *h,
	const struct image_limits *lim, const struct recipe *r,
	bool (*sink)(void *ctx, const struct image_variant *v), void *ctx,
	struct image_summary *ret, struct err *e)
{
	struct loaded l = { 0 };
	enum err_code code = load_picture(data, n, h, load_scale(h, r), &l, e);
	if (code != OK)
		return code;
	struct image_summary sum = { .width = l.w, .height = l.h };
	struct cascade_opts o = { .recipe = r,
		.max_bytes_out = lim->max_bytes_out,
		.sink = sink,
		.ctx = ctx };
	struct picture smallest = { 0 };
	code = cascade_run(&l, &o, &smallest, e);
	if (code == OK)
		code = placeholder_make(&smallest, &sum, e);
	picture_done(&smallest);
	if (code == OK)
		*ret = sum;
	return code;
}
