/* SPDX-License-Identifier: MIT
 *
 * A local file is copied into a memfd like any other source: it may change while it is worked on,
 * and the darkroom takes nothing that another process can still write to. Its entity tag is made of
 * what changes when it does.
 */
#include "fetch/file.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK ((size_t)128 << 10)

/* What an HTTP server would have answered. */
static enum err_code cannot_open(const char *path, int errnum, struct err *e)
{
	enum err_code rc = err_sys(e, ERR_FETCH_STATUS, errnum, "'%s'", path);
	e->source_status = errnum == EACCES || errnum == EPERM ? 403 : 404;
	return rc;
}

static enum err_code open_file(const char *path, int *ret_fd, struct stat *ret_st, struct err *e)
{
	autofd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, ret_st) != 0)
		return cannot_open(path, errno, e);
	if (!S_ISREG(ret_st->st_mode))
		return cannot_open(path, S_ISDIR(ret_st->st_mode) ? EISDIR : EINVAL, e);
	*ret_fd = fd_take(&fd);
	return OK;
}

static enum err_code copy(int fd, const struct fetch_request *r, struct sink *s, struct err *e)
{
	autofree char *block = mem_zalloc(BLOCK);
	for (off_t at = 0;; at += (off_t)BLOCK) {
		size_t n = 0;
		if (r->cancel != NULL && atomic_load(r->cancel))
			return err_set(e, ERR_CANCELED, "canceled while reading a file");
		enum err_code rc = io_pread(fd, block, BLOCK, at, &n, e);
		if (rc == OK && n > 0)
			rc = sink_add(s, block, n, e);
		if (rc != OK || n < BLOCK)
			return rc;
	}
}

enum err_code file_fetch(const struct url *u, const struct fetch_request *r, struct sink *s,
	struct fetch_result *ret, struct err *e)
{
	autofree char *path = mem_strdup(u->path);
	if (url_decode(path, false) < 0)
		return err_set(e, ERR_REQUEST_INVALID, "the file URL has a bad escape");
	autofd fd = -1;
	struct stat st = { 0 };
	enum err_code rc = open_file(path, &fd, &st, e);
	if (rc != OK)
		return rc;
	if (st.st_size > s->max_bytes)
		return sink_too_large(st.st_size, s->max_bytes, e);
	snprintf(ret->etag, sizeof(ret->etag), "\"%llx-%llx-%llx.%09lx\"",
		(unsigned long long)st.st_ino, (unsigned long long)st.st_size,
		(unsigned long long)st.st_mtim.tv_sec, (unsigned long)st.st_mtim.tv_nsec);
	if (r->etag != NULL && strcmp(r->etag, ret->etag) == 0) {
		ret->not_modified = true;
		return OK;
	}
	if (r->bytes_total != NULL)
		atomic_store(r->bytes_total, st.st_size);
	return copy(fd, r, s, e);
}
