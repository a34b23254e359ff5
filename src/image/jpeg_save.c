/* SPDX-License-Identifier: MIT
 *
 * JPEG through libjpeg-turbo, as sharp writes it by default: 4:2:0, optimised Huffman tables. The
 * planes of a photo are handed over as they are; RGB is converted by the library.
 */
#include "image/save.h"

#include "base/buf.h"
#include "base/mem.h"
#include "image/jpeg_error.h"

#include <jerror.h>
#include <string.h>

enum { STEP = 32 << 10, JPEG_MAX = 1 << 30 };

struct writer {
	struct jpeg_compress_struct info;
	struct jpeg_failure failure;
	struct jpeg_destination_mgr to;
	struct buf out;
	uint8_t *rows; /* of one step, padded to whole blocks */
};

/* libjpeg's own memory destination loses its buffer when an error comes in between. */
static void make_room(j_compress_ptr c)
{
	struct writer *w = container_of(c, struct writer, info);
	if (!buf_reserve(&w->out, STEP))
		ERREXIT1(c, JERR_OUT_OF_MEMORY, 0);
	w->to.next_output_byte = (JOCTET *)w->out.data + w->out.len;
	w->to.free_in_buffer = STEP;
}

static boolean step_is_full(j_compress_ptr c)
{
	container_of(c, struct writer, info)->out.len += STEP;
	make_room(c);
	return TRUE;
}

static void step_ends(j_compress_ptr c)
{
	struct writer *w = container_of(c, struct writer, info);
	w->out.len += STEP - w->to.free_in_buffer;
}

static void set_options(struct writer *w, const struct picture *p, const struct variant *v)
{
	struct jpeg_compress_struct *c = &w->info;
	c->image_width = (JDIMENSION)p->w;
	c->image_height = (JDIMENSION)p->h;
	c->input_components = 3;
	c->in_color_space = p->is_ycc ? JCS_YCbCr : JCS_RGB;
	jpeg_set_defaults(c);
	jpeg_set_quality(c, v->quality, TRUE);
	c->optimize_coding = TRUE;
	c->raw_data_in = p->is_ycc;
	if (v->progressive)
		jpeg_simple_progression(c);
}

static void interleave(const struct picture *p, size_t y, uint8_t *out)
{
	size_t at = y * (size_t)p->w;
	const uint8_t *r = p->planes[0].px + at, *g = p->planes[1].px + at,
		      *b = p->planes[2].px + at;
	for (int x = 0; x < p->w; x++, out += 3) {
		out[0] = r[x];
		out[1] = g[x];
		out[2] = b[x];
	}
}

static void write_rgb(struct writer *w, const struct picture *p)
{
	w->rows = mem_try_alloc((size_t)p->w * 3);
	if (!w->rows)
		ERREXIT1(&w->info, JERR_OUT_OF_MEMORY, 1);
	while (w->info.next_scanline < w->info.image_height) {
		JSAMPROW row = w->rows;
		interleave(p, w->info.next_scanline, row);
		(void)jpeg_write_scanlines(&w->info, &row, 1);
	}
}

/* n rows of a plane from row y on, the last sample and the last row repeated as padding. */
static void pad_rows(const struct plane *p, size_t y, int n, size_t stride, uint8_t *out)
{
	for (int i = 0; i < n; i++, out += stride) {
		size_t row = y + (size_t)i < (size_t)p->h ? y + (size_t)i : (size_t)p->h - 1;
		const uint8_t *from = p->px + row * (size_t)p->w;
		memcpy(out, from, (size_t)p->w);
		memset(out + p->w, from[p->w - 1], stride - (size_t)p->w);
	}
}

/* 16 rows of luma and 8 of each chroma at a time. */
static void write_ycc(struct writer *w, const struct picture *p)
{
	enum { LUMA = 2 * DCTSIZE };
	size_t stride = ((size_t)p->w + LUMA - 1) / LUMA * LUMA, half = stride / 2;
	JSAMPROW rows[3][LUMA];
	JSAMPARRAY planes[3] = { rows[0], rows[1], rows[2] };
	w->rows = mem_try_alloc(stride * LUMA * 3 / 2);
	if (!w->rows)
		ERREXIT1(&w->info, JERR_OUT_OF_MEMORY, 1);
	uint8_t *at[3] = { w->rows, w->rows + stride * LUMA, w->rows + stride * LUMA * 5 / 4 };
	for (int i = 0; i < LUMA; i++)
		rows[0][i] = at[0] + (size_t)i * stride;
	for (int i = 0; i < DCTSIZE; i++) {
		rows[1][i] = at[1] + (size_t)i * half;
		rows[2][i] = at[2] + (size_t)i * half;
	}
	while (w->info.next_scanline < w->info.image_height) {
		size_t y = w->info.next_scanline;
		pad_rows(&p->planes[0], y, LUMA, stride, at[0]);
		pad_rows(&p->planes[1], y / 2, DCTSIZE, half, at[1]);
		pad_rows(&p->planes[2], y / 2, DCTSIZE, half, at[2]);
		(void)jpeg_write_raw_data(&w->info, planes, LUMA);
	}
}

static enum err_code write_file(struct writer *w, const struct picture *p, const struct variant *v,
	struct err *e)
{
	if (setjmp(w->failure.back))
		return jpeg_failed(&w->failure, ERR_ENCODE_FAILED, e);
	jpeg_create_compress(&w->info);
	w->info.dest = &w->to;
	set_options(w, p, v);
	jpeg_start_compress(&w->info, TRUE);
	if (p->is_ycc)
		write_ycc(w, p);
	else
		write_rgb(w, p);
	jpeg_finish_compress(&w->info);
	return OK;
}

enum err_code jpeg_save(const struct picture *p, const struct variant *v, struct encoded *ret,
	struct err *e)
{
	struct writer w = {
		.out = BUF_INIT(JPEG_MAX),
		.to = { .init_destination = make_room,
			.empty_output_buffer = step_is_full,
			.term_destination = step_ends },
	};
	w.info.err = jpeg_failure_init(&w.failure);
	enum err_code code = write_file(&w, p, v, e);
	jpeg_destroy_compress(&w.info);
	free(w.rows);
	if (code != OK) {
		buf_done(&w.out);
		return code;
	}
	*ret = (struct encoded){ .n = w.out.len, .free = free };
	ret->data = buf_take(&w.out);
	return OK;
}
