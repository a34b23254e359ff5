/* SPDX-License-Identifier: MIT
 *
 * A form that is read from descriptors while it is sent. libcurl writes the boundaries; here the
 * bytes are handed over, and counted: a server that got less than the whole form cannot have acted
 * upon it, so the request counts as sent with the last byte that is handed over, a moment before it
 * leaves. There is no way back to the start of a part, and so none to send a form twice.
 */
#include "net/form.h"

#include "base/io.h"
#include "base/mem.h"

#include <assert.h>

struct form_file {
	struct form *form;
	int fd;
	int64_t at, bytes;
};

static size_t read_file(char *to, size_t size, size_t n, void *ctx)
{
	struct form_file *file = ctx;
	struct form *form = file->form;
	size_t want = size * n, got = 0;
	if ((int64_t)want > file->bytes - file->at)
		want = (size_t)(file->bytes - file->at);
	if (want == 0)
		return 0;
	enum err_code rc = io_pread(file->fd, to, want, (off_t)file->at, &got, &form->error);
	if (rc == OK && got == 0)
		rc = err_set(&form->error, ERR_SYSTEM, "a part is shorter than was said");
	if (rc != OK)
		return CURL_READFUNC_ABORT;
	file->at += (int64_t)got;
	form->left -= (int64_t)got;
	if (form->left == 0 && form->sent != NULL)
		*form->sent = true;
	return got;
}

static CURLcode add_file(struct form *f, curl_mimepart *to, const struct net_part *p,
	struct form_file *file)
{
	assert(p->bytes > 0);
	*file = (struct form_file){ .form = f, .fd = p->fd, .bytes = p->bytes };
	f->left += p->bytes;
	CURLcode rc = curl_mime_data_cb(to, (curl_off_t)p->bytes, read_file, NULL, NULL, file);
	if (rc == CURLE_OK && p->filename != NULL)
		rc = curl_mime_filename(to, p->filename);
	if (rc == CURLE_OK && p->media_type != NULL)
		rc = curl_mime_type(to, p->media_type);
	return rc;
}

CURLcode form_make(struct form *f, const struct net_request *r, CURL *h)
{
	f->sent = r->sent;
	f->mime = curl_mime_init(h);
	f->files = mem_array(r->parts_n, sizeof(*f->files));
	CURLcode rc = f->mime != NULL ? CURLE_OK : CURLE_OUT_OF_MEMORY;
	for (size_t i = 0; i < r->parts_n && rc == CURLE_OK; i++) {
		const struct net_part *p = &r->parts[i];
		curl_mimepart *to = curl_mime_addpart(f->mime);
		rc = to != NULL ? curl_mime_name(to, p->name) : CURLE_OUT_OF_MEMORY;
		if (rc == CURLE_OK)
			rc = p->value != NULL ? curl_mime_data(to, p->value, CURL_ZERO_TERMINATED)
					      : add_file(f, to, p, &f->files[i]);
	}
	return rc == CURLE_OK ? curl_easy_setopt(h, CURLOPT_MIMEPOST, f->mime) : rc;
}

void form_done(struct form *f, CURL *h)
{
	if (f->mime == NULL && f->files == NULL)
		return;
	curl_easy_setopt(h, CURLOPT_MIMEPOST, NULL);
	curl_mime_free(f->mime);
	free(f->files);
	f->mime = NULL;
	f->files = NULL;
}
