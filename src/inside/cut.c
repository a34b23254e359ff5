/* SPDX-License-Identifier: MIT
 *
 * What is to be done, and what it will take. A picture is held once at full size (three planes and
 * alpha); everything else is small or goes row by row, so that memory is a matter of the pixels and
 * hardly of what is done with them.
 */
#include "inside/cut_impl.h"

void cut_file_done(struct cut_file *f)
{
	encoded_done(&f->file);
	f->has_file = false;
}

void cut_job_done(struct cut_job *job)
{
	archive_members_done(job->parts, ARRAY_LEN(job->parts));
}

/* For the placeholder alone the original is decoded as small as it can be. */
static enum err_code probe_small(struct cut_job *job, struct err *e)
{
	const struct recipe thumb = { .variants = (struct variant[]){ { .format = FORMAT_JPEG,
					      .width = 100,
					      .without_enlargement = true } },
		.n = 1 };
	return image_probe(job->data, job->n, job->limits, &thumb, &job->header, e);
}

enum err_code cut_probe(struct cut_job *job, struct err *e)
{
	struct image_header *h = &job->header;
	int64_t answer = 0;
	enum err_code code = job->action == CUT_DO_COMPOSE
		? probe_small(job, e)
		: image_probe(job->data, job->n, job->limits, NULL, h, e);
	if (code == OK && job->action == CUT_DO_COMPOSE)
		code = answer_probe(job, &answer, e);
	if (code != OK)
		return code;
	if (answer > h->decode_bytes) /* one after the other */
		h->decode_bytes = answer;
	else if (serves_as_it_is(job))
		h->decode_bytes = 0;
	else if (job->action != CUT_DO_COMPOSE)
		h->decode_bytes += finish_bytes(job->action == CUT_DO_PREPARE ? FORMAT_JPEG
									      : job->cut.format,
			(double)h->width * h->height);
	return OK;
}

enum err_code cut_make(struct cut_job *job, struct cut_file *ret, struct err *e)
{
	struct cut_file made = { .done = true, .engine = CUT_REMOTE, .confidence = -1 };
	enum err_code code;
	if (job->action == CUT_DO_PREPARE)
		code = cut_prepare(job, &made, e);
	else if (job->action == CUT_DO_COMPOSE)
		code = cut_compose(job, &made, e);
	else
		code = cut_subject(job, &made, e);
	if (code != OK)
		cut_file_done(&made);
	else
		*ret = made;
	return code;
}
