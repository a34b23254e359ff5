/* SPDX-License-Identifier: MIT
 *
 * A body read from a descriptor while it is sent. libcurl finds out that a connection it kept has
 * died only by using it, and then asks for the bytes again from the start: that is what the seek is
 * for.
 */
#include "net/upload.h"

#include "base/io.h"

#include <stdio.h>

static size_t read_some(char *to, size_t size, size_t n, void *ctx)
{
	struct upload *u = ctx;
	size_t want = size * n, got = 0;
	if ((int64_t)want > u->what->bytes - u->done)
		want = (size_t)(u->what->bytes - u->done);
	if (want == 0)
		return 0;
	enum err_code rc = io_pread(u->what->fd, to, want, (off_t)(u->what->at + u->done), &got,
		&u->error);
	if (rc == OK && got == 0)
		rc = err_set(&u->error, ERR_SYSTEM, "the body is shorter than was said");
	if (rc != OK)
		return CURL_READFUNC_ABORT;
	u->done += (int64_t)got;
	return got;
}

static int seek_to(void *ctx, curl_off_t offset, int origin)
{
	struct upload *u = ctx;
	if (origin != SEEK_SET || offset < 0 || offset > u->what->bytes)
		return CURL_SEEKFUNC_FAIL;
	u->done = offset;
	return CURL_SEEKFUNC_OK;
}

void upload_set(struct upload *u, const struct net_upload *what, CURL *h)
{
	*u = (struct upload){ .what = what };
	curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)what->bytes);
	curl_easy_setopt(h, CURLOPT_READFUNCTION, read_some);
	curl_easy_setopt(h, CURLOPT_READDATA, u);
	curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, seek_to);
	curl_easy_setopt(h, CURLOPT_SEEKDATA, u);
}
