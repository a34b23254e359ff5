/* SPDX-License-Identifier: MIT
 *
 * The fast way in for what nearly every photo is: a JPEG in YCbCr (or grey) without a profile of
 * its own. Its planes are taken as they lie in the file, at the scale that the inverse DCT can give
 * for nothing (1/2, 1/4, 1/8); colour is never converted and chroma never blown up. Everything else
 * is left to libvips.
 */
#include "image/load.h"

#include "base/mem.h"
#include "image/icc.h"
#include "image/jpeg_error.h"

#include <jerror.h>
#include <string.h>

enum { PARTS = 3, ROWS_MAX = MAX_SAMP_FACTOR * DCTSIZE, MARKER_ICC = JPEG_APP0 + 2 };

struct reader {
	struct jpeg_decompress_struct info;
	struct jpeg_failure failure;
	struct jpeg_source_mgr from;
	uint8_t *rows; /* of one step: all components, whole blocks */
	struct picture out;
};

static void no_op(j_decompress_ptr d)
{
	(void)d;
}

/* The file ends in the middle of the picture. */
static boolean no_more(j_decompress_ptr d)
{
	ERREXIT(d, JERR_INPUT_EOF);
	return FALSE;
}

static void skip(j_decompress_ptr d, long n)
{
	if (n <= 0)
		return;
	if ((size_t)n > d->src->bytes_in_buffer)
		ERREXIT(d, JERR_INPUT_EOF);
	d->src->next_input_byte += n;
	d->src->bytes_in_buffer -= (size_t)n;
}

static bool has_own_profile(j_decompress_ptr d)
{
	JOCTET *profile = NULL;
	unsigned int n = 0;
	if (!jpeg_read_icc_profile(d, &profile, &n))
		return false;
	bool own = !icc_is_srgb(profile, n);
	free(profile);
	return own;
}

static bool is_plain(j_decompress_ptr d)
{
	bool grey = d->jpeg_color_space == JCS_GRAYSCALE && d->num_components == 1;
	bool ycc = d->jpeg_color_space == JCS_YCbCr && d->num_components == PARTS;
	return (grey || ycc) && !has_own_profile(d);
}

static unsigned int scale_eighths(double scale)
{
	return scale <= 0.125 ? 1 : scale <= 0.25 ? 2 : scale <= 0.5 ? 4 : 8;
}

/* Samples of a whole row of blocks, padding included, and rows of them in one step. */
static size_t step_width(const jpeg_component_info *c)
{
	return (size_t)c->width_in_blocks * (size_t)c->DCT_scaled_size;
}

static int step_rows(const jpeg_component_info *c)
{
	return c->v_samp_factor * c->DCT_scaled_size;
}

static enum err_code init_planes(struct reader *r, struct err *e)
{
	j_decompress_ptr d = &r->info;
	r->out = (struct picture){ .w = (int)d->image_width,
		.h = (int)d->image_height,
		.is_ycc = true,
		.n = PARTS };
	enum err_code code = OK;
	for (int i = 0; i < PARTS && code == OK; i++) {
		struct plane *p = &r->out.planes[i];
		if (i >= d->num_components) { /* grey: one neutral sample for the whole picture */
			code = plane_init(p, 1, 1, 1.0 / r->out.w, 1.0 / r->out.h, e);
			if (code == OK)
				p->px[0] = 128;
			continue;
		}
		const jpeg_component_info *c = &d->comp_info[i];
		double size = c->DCT_scaled_size / (double)DCTSIZE;
		code = plane_init(p, (int)c->downsampled_width, (int)c->downsampled_height,
			size * c->h_samp_factor / d->max_h_samp_factor,
			size * c->v_samp_factor / d->max_v_samp_factor, e);
	}
	return code;
}

static enum err_code init_rows(struct reader *r, JSAMPROW rows[PARTS][ROWS_MAX], struct err *e)
{
	size_t total = 0;
	for (int i = 0; i < r->info.num_components; i++)
		total += step_width(&r->info.comp_info[i]) *
			(size_t)step_rows(&r->info.comp_info[i]);
	uint8_t *at = r->rows = mem_try_alloc(total);
	if (!at)
		return err_set(e, ERR_LIMIT_MEMORY, "jpeg: no memory for %zu samples", total);
	for (int i = 0; i < r->info.num_components; i++)
		for (int k = 0; k < step_rows(&r->info.comp_info[i]); k++) {
			rows[i][k] = at;
			at += step_width(&r->info.comp_info[i]);
		}
	return OK;
}

static void copy_rows(struct plane *p, int y, int n, JSAMPROW *rows)
{
	for (int k = 0; k < n && y + k < p->h; k++)
		memcpy(p->px + (size_t)(y + k) * (size_t)p->w, rows[k], (size_t)p->w);
}

static void read_rows(struct reader *r, JSAMPROW rows[PARTS][ROWS_MAX])
{
	JSAMPARRAY planes[PARTS] = { rows[0], rows[1], rows[2] };
	j_decompress_ptr d = &r->info;
	JDIMENSION lines = (JDIMENSION)(d->max_v_samp_factor * d->min_DCT_scaled_size);
	for (int step = 0; d->output_scanline < d->output_height; step++) {
		(void)jpeg_read_raw_data(d, planes, lines);
		for (int i = 0; i < d->num_components; i++) {
			int n = step_rows(&d->comp_info[i]);
			copy_rows(&r->out.planes[i], step * n, n, rows[i]);
		}
	}
}

static enum err_code read_file(struct reader *r, double scale, bool *ret_plain, struct err *e)
{
	JSAMPROW rows[PARTS][ROWS_MAX];
	j_decompress_ptr d = &r->info;
	if (setjmp(r->failure.back))
		return jpeg_failed(&r->failure, ERR_DECODE_CORRUPT, e);
	jpeg_create_decompress(d);
	d->src = &r->from;
	jpeg_save_markers(d, MARKER_ICC, 0xffff);
	(void)jpeg_read_header(d, TRUE);
	*ret_plain = is_plain(d);
	if (!*ret_plain)
		return OK;
	d->raw_data_out = TRUE;
	d->out_color_space = d->jpeg_color_space;
	d->scale_num = scale_eighths(scale);
	d->scale_denom = DCTSIZE;
	(void)jpeg_start_decompress(d);
	enum err_code code = init_planes(r, e);
	if (code == OK)
		code = init_rows(r, rows, e);
	if (code != OK)
		return code;
	read_rows(r, rows);
	(void)jpeg_finish_decompress(d);
	return OK;
}

enum err_code jpeg_load(const void *data, size_t n, double scale, struct loaded *ret,
	bool *ret_plain, struct err *e)
{
	struct reader r = { .from = { .next_input_byte = data,
				    .bytes_in_buffer = n,
				    .init_source = no_op,
				    .fill_input_buffer = no_more,
				    .skip_input_data = skip,
				    .resync_to_restart = jpeg_resync_to_restart,
				    .term_source = no_op } };
	bool plain = false;
	r.info.err = jpeg_failure_init(&r.failure);
	enum err_code code = read_file(&r, scale, &plain, e);
	jpeg_destroy_decompress(&r.info);
	free(r.rows);
	if (code != OK || !plain)
		picture_done(&r.out);
	else
		*ret = (struct loaded){ r.out, r.out.w, r.out.h };
	if (code == OK)
		*ret_plain = plain;
	return code;
}
