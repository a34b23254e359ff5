/* SPDX-License-Identifier: MIT
 *
 * From a provider's answer to a cut-out. The answer is a PNG with alpha, or a zip of the colours as
 * a JPEG and alpha as a grey PNG. Its size may be another than the original's, as providers sell
 * sizes; then the cut-out is as large as what was bought. It is a stranger's file like any other.
 */
#include "image/placeholder.h"
#include "inside/cut_impl.h"

#include <assert.h>
#include <string.h>

#define PART_BYTES ((size_t)256 << 20)

enum { COLOR, ALPHA }; /* parts of a zip */

/* Whatever is wrong with it, it is the provider's; only memory is ours. */
static enum err_code blame(enum err_code code, struct err *e)
{
	if (code == OK || code == ERR_LIMIT_MEMORY)
		return code;
	return err_set(e, ERR_MATTE_PROVIDER, "the provider's answer: %s", e->text);
}

static bool is_zip(const struct cut_job *job)
{
	return job->answer_n >= 4 && memcmp(job->answer, "PK\3\4", 4) == 0;
}

static enum err_code unzip(struct cut_job *job, struct err *e)
{
	job->parts[COLOR] = (struct archive_member){ "color.jpg", BUF_INIT(PART_BYTES), false };
	job->parts[ALPHA] = (struct archive_member){ "alpha.png", BUF_INIT(PART_BYTES), false };
	enum err_code code = archive_members_of_memory(job->answer, job->answer_n, job->parts, 2,
		e);
	if (code == OK && !(job->parts[COLOR].found && job->parts[ALPHA].found))
		code = err_set(e, ERR_MATTE_PROVIDER, "no color.jpg and alpha.png in it");
	return code;
}

static enum err_code probe(const struct cut_job *job, const void *data, size_t n, enum format f,
	struct image_header *ret, struct err *e)
{
	enum err_code code = image_probe(data, n, job->limits, NULL, ret, e);
	if (code == OK && ret->format != f)
		code = err_set(e, ERR_MATTE_PROVIDER, "%s instead of %s", format_name(ret->format),
			format_name(f));
	return code;
}

static enum err_code probe_zip(struct cut_job *job, struct image_header h[2], struct err *e)
{
	struct archive_member *p = job->parts;
	enum err_code code = probe(job, p[COLOR].data.data, p[COLOR].data.len, FORMAT_JPEG,
		&h[COLOR], e);
	if (code == OK)
		code = probe(job, p[ALPHA].data.data, p[ALPHA].data.len, FORMAT_PNG, &h[ALPHA], e);
	return code;
}

enum err_code answer_probe(struct cut_job *job, int64_t *ret_bytes, struct err *e)
{
	struct image_header h[2] = { 0 };
	enum err_code code;
	if (is_zip(job)) {
		code = unzip(job, e);
		if (code == OK)
			code = probe_zip(job, h, e);
	} else {
		code = probe(job, job->answer, job->answer_n, FORMAT_PNG, h, e);
	}
	if (code != OK)
		return blame(code, e);
	*ret_bytes = h[COLOR].decode_bytes + h[ALPHA].decode_bytes +
		finish_bytes(job->cut.format, (double)h->width * h->height);
	return OK;
}

static enum err_code load(const void *data, size_t n, const struct image_header *h,
	struct picture *ret, struct err *e)
{
	struct loaded l = { 0 };
	enum err_code code = load_picture(data, n, h, 1, &l, e);
	if (code == OK)
		code = picture_make_rgb(&l.picture, e);
	if (code != OK)
		picture_done(&l.picture);
	else
		*ret = l.picture;
	return code;
}

static enum err_code load_png(struct cut_job *job, struct picture *ret, struct err *e)
{
	struct image_header h;
	enum err_code code = probe(job, job->answer, job->answer_n, FORMAT_PNG, &h, e);
	if (code == OK)
		code = load(job->answer, job->answer_n, &h, ret, e);
	if (code == OK && ret->n != 4)
		code = err_set(e, ERR_MATTE_PROVIDER, "a picture without alpha");
	return code;
}

/* alpha's first plane becomes p's fourth. */
static enum err_code join(struct picture *p, struct picture *alpha, struct err *e)
{
	if (p->w != alpha->w || p->h != alpha->h || p->n != 3)
		return err_set(e, ERR_MATTE_PROVIDER, "colours of %d × %d, alpha of %d × %d", p->w,
			p->h, alpha->w, alpha->h);
	p->planes[3] = alpha->planes[0];
	p->n = 4;
	alpha->planes[0] = (struct plane){ 0 };
	return OK;
}

static enum err_code load_zip(struct cut_job *job, struct picture *ret, struct err *e)
{
	struct image_header h[2];
	struct picture alpha = { 0 };
	const struct buf *color = &job->parts[COLOR].data, *mask = &job->parts[ALPHA].data;
	enum err_code code = probe_zip(job, h, e);
	if (code == OK)
		code = load(color->data, color->len, &h[COLOR], ret, e);
	if (code == OK)
		code = load(mask->data, mask->len, &h[ALPHA], &alpha, e);
	if (code == OK)
		code = join(ret, &alpha, e);
	picture_done(&alpha);
	return code;
}

/* Of the original only the placeholder is wanted, and its size. */
static enum err_code summarise(struct cut_job *job, struct cut_file *ret, struct err *e)
{
	const struct image_header *h = &job->header;
	int longer = h->width > h->height ? h->width : h->height;
	struct loaded l = { 0 };
	enum err_code code = load_picture(job->data, job->n, h, longer > 100 ? 100.0 / longer : 1,
		&l, e);
	if (code != OK)
		return code;
	ret->original.width = l.w;
	ret->original.height = l.h;
	code = placeholder_make(&l.picture, &ret->original, e);
	picture_done(&l.picture);
	return code;
}

enum err_code cut_compose(struct cut_job *job, struct cut_file *ret, struct err *e)
{
	struct picture p = { 0 };
	enum err_code code = summarise(job, ret, e);
	if (code != OK)
		return code;
	code = blame(is_zip(job) ? load_zip(job, &p, e) : load_png(job, &p, e), e);
	int w = p.w, h = p.h;
	if (code == OK)
		code = cut_finish(&p, job, false, ret, e);
	picture_done(&p);
	if (code != OK)
		return code;
	assert(w > 0 && h > 0);
	/* from the answer's pixels to the original's */
	ret->left = (int)((int64_t)ret->left * ret->original.width / w);
	ret->top = (int)((int64_t)ret->top * ret->original.height / h);
	return OK;
}
