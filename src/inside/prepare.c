/* SPDX-License-Identifier: MIT
 *
 * What is sent to a provider: the original where it is something that providers take, else a JPEG
 * of what it shows. The limits are those of remove.bg's API, which others copy: 12 MB of bytes,
 * 50 megapixels in, 25 out.
 */
#include "inside/cut_impl.h"

#include <math.h>

#define SENT_BYTES  ((size_t)12 << 20)
#define TAKEN_PX    50e6
#define PREPARED_PX 25e6

bool serves_as_it_is(const struct cut_job *job)
{
	const struct image_header *h = &job->header;
	return job->action == CUT_DO_PREPARE && job->n <= SENT_BYTES && h->orientation <= 1 &&
		h->frames == 1 && (double)h->width * h->height <= TAKEN_PX &&
		(h->format == FORMAT_JPEG || h->format == FORMAT_PNG || h->format == FORMAT_WEBP);
}

/* As good as fits. */
static enum err_code encode(const struct picture *p, const struct cut_job *job,
	struct cut_file *ret, struct err *e)
{
	static const int qualities[] = { 95, 85, 75, 50 };
	enum err_code code = OK;
	for (size_t i = 0; i < ARRAY_LEN(qualities) && code == OK; i++) {
		const struct variant v = { .format = FORMAT_JPEG,
			.quality = qualities[i],
			.background = { 255, 255, 255, 255 } };
		encoded_done(&ret->file);
		code = cut_encode(p, &v, job, ret, e);
		if (code == OK && ret->file.n <= SENT_BYTES)
			return OK;
	}
	return code;
}

enum err_code cut_prepare(struct cut_job *job, struct cut_file *ret, struct err *e)
{
	const struct image_header *h = &job->header;
	ret->original = (struct image_summary){ .width = h->width, .height = h->height };
	if (serves_as_it_is(job))
		return OK;
	double scale = fmin(1, sqrt(PREPARED_PX / ((double)h->width * h->height)));
	struct loaded l = { 0 };
	struct picture small = { 0 };
	enum err_code code = load_picture(job->data, job->n, h, scale, &l, e);
	if (code != OK)
		return code;
	ret->original.width = l.w;
	ret->original.height = l.h;
	scale = fmin(1, sqrt(PREPARED_PX / ((double)l.w * l.h)));
	code = picture_resize(&l.picture, (struct rect){ 0, 0, l.picture.w, l.picture.h },
		(int)fmax(1, l.w * scale), (int)fmax(1, l.h * scale), &small, e);
	picture_done(&l.picture);
	if (code == OK)
		code = encode(&small, job, ret, e);
	picture_done(&small);
	return code;
}
