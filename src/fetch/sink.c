/* SPDX-License-Identifier: MIT
 *
 * Bytes are counted here, as they arrive and after decompression, so no length that a server
 * declares, leaves out or lies about can make a source larger than the limit. The digest runs along
 * while the bytes are in the CPU's cache; reading a memfd again would cost more.
 */
#include "fetch/sink.h"

#include "base/io.h"

enum err_code sink_too_large(int64_t bytes, int64_t max_bytes, struct err *e)
{
	return err_set(e, ERR_FETCH_TOO_LARGE,
		"the source has %s%lld bytes, the limit is %lld (--max-source)",
		bytes > 0 ? "" : "more than ", (long long)(bytes > 0 ? bytes : max_bytes),
		(long long)max_bytes);
}

enum err_code sink_add(struct sink *s, const void *data, size_t n, struct err *e)
{
	if ((int64_t)n > s->max_bytes - s->bytes)
		return sink_too_large(0, s->max_bytes, e);
	if (s->fd < 0) {
		enum err_code rc = io_memfd("source", &s->fd, e);
		if (rc != OK)
			return rc;
		s->sha = sha256_new();
	}
	enum err_code rc = io_write_all(s->fd, data, n, e);
	if (rc != OK)
		return rc;
	sha256_add(s->sha, data, n);
	s->bytes += (int64_t)n;
	if (s->progress != NULL)
		atomic_store(s->progress, s->bytes);
	return OK;
}

enum err_code sink_end(struct sink *s, struct fetch_result *ret, struct err *e)
{
	if (s->bytes == 0)
		return err_set(e, ERR_FETCH_NOT_IMAGE, "the source is empty");
	enum err_code rc = io_seal(s->fd, e);
	if (rc != OK)
		return rc;
	sha256_end(s->sha, ret->sha256);
	s->sha = NULL;
	ret->bytes = s->bytes;
	ret->fd = fd_take(&s->fd);
	return OK;
}

void sink_done(struct sink *s)
{
	fd_close(&s->fd);
	sha256_free(s->sha);
	s->sha = NULL;
}
