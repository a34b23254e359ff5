/* SPDX-License-Identifier: MIT
 *
 * Files and descriptors: the loops around short reads and writes, and the order of calls that makes
 * a file durable, written once.
 */
#include "base/io.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK ((size_t)128 << 10)

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* A file says how long it is: one allocation in place of many. What it says is no more than a hint. */
static void reserve_for(int fd, struct buf *text)
{
	struct stat st;
	if (fstat(fd, &st) == 0 && st.st_size > 0 && (uint64_t)st.st_size < text->max)
		(void)buf_reserve(text, (size_t)st.st_size + 1);
}

static enum err_code read_all(int fd, const char *path, size_t max, struct buf *text, struct err *e)
{
	for (;;) {
		if (!buf_reserve(text, 1 + (text->max - text->len < BLOCK ? 0 : BLOCK - 1)))
			return err_set(e, ERR_SYSTEM, "%s: larger than %zu bytes", path, max);
		ssize_t n = read(fd, text->data + text->len, text->cap - text->len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, ERR_SYSTEM, errno, "read %s", path);
		if (n == 0)
			return OK;
		text->len += (size_t)n;
		text->data[text->len] = '\0';
	}
}

enum err_code io_read_fd(int fd, const char *path, size_t max, struct buf *ret, struct err *e)
{
	/* One byte more than allowed is room to see that a file is too large. */
	struct buf text = BUF_INIT(max + 1);
	reserve_for(fd, &text);
	enum err_code code = read_all(fd, path, max, &text, e);
	if (code == OK && text.len > max)
		code = err_set(e, ERR_SYSTEM, "%s: larger than %zu bytes", path, max);
	if (code == OK && !buf_add(ret, buf_str(&text), text.len))
		code = err_set(e, ERR_SYSTEM, "%s: larger than %zu bytes", path, ret->max);
	buf_done(&text);
	return code;
}

enum err_code io_read_file(const char *path, size_t max, struct buf *ret, struct err *e)
{
	autofd fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, ERR_SYSTEM, errno, "open %s", path);
	return io_read_fd(fd, path, max, ret, e);
}

enum err_code io_write_all(int fd, const void *data, size_t n, struct err *e)
{
	const char *p = data;
	while (n > 0) {
		ssize_t put = write(fd, p, n);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return err_sys(e, ERR_SYSTEM, errno, "write");
		p += put;
		n -= (size_t)put;
	}
	return OK;
}

enum err_code io_sync_folder_of(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	autofree char *folder = slash == path ? mem_strdup("/")
		: slash                       ? mem_strndup(path, (size_t)(slash - path))
					      : mem_strdup(".");
	autofd fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_sys(e, ERR_SYSTEM, errno, "sync the folder %s", folder);
	return OK;
}

static enum err_code new_beside(const char *path, char **ret_temporary, int *ret_fd, struct err *e)
{
	*ret_temporary = mem_printf("%s.XXXXXX", path);
	*ret_fd = mkostemp(*ret_temporary, O_CLOEXEC);
	if (*ret_fd < 0)
		return err_sys(e, ERR_SYSTEM, errno, "create %s", *ret_temporary);
	return OK;
}

/* What was written beside becomes the file, unless writing it failed with `code`. */
static enum err_code put_in_place(int fd, const char *temporary, const char *path, mode_t mode,
	enum err_code code, struct err *e)
{
	if (code != OK)
		err_wrap(e, "%s", path);
	else if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
		code = err_sys(e, ERR_SYSTEM, errno, "sync %s", path);
	else if (rename(temporary, path) < 0)
		code = err_sys(e, ERR_SYSTEM, errno, "rename to %s", path);
	if (code != OK) {
		unlink(temporary);
		return code;
	}
	return io_sync_folder_of(path, e);
}

enum err_code io_write_file(const char *path, const void *data, size_t n, mode_t mode,
	struct err *e)
{
	autofree char *temporary = NULL;
	autofd fd = -1;
	if (new_beside(path, &temporary, &fd, e) != OK)
		return e->code;
	return put_in_place(fd, temporary, path, mode, io_write_all(fd, data, n, e), e);
}

enum err_code io_copy_file(int from, const char *path, mode_t mode, struct err *e)
{
	autofree char *temporary = NULL;
	autofd fd = -1;
	int64_t bytes = 0;
	if (new_beside(path, &temporary, &fd, e) != OK)
		return e->code;
	return put_in_place(fd, temporary, path, mode, io_copy(from, fd, &bytes, e), e);
}

enum err_code io_pread(int fd, void *data, size_t n, off_t at, size_t *ret_n, struct err *e)
{
	size_t done = 0;
	while (done < n) {
		ssize_t got = pread(fd, (char *)data + done, n - done, at + (off_t)done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, ERR_SYSTEM, errno, "read");
		if (got == 0)
			break;
		done += (size_t)got;
	}
	*ret_n = done;
	return OK;
}

enum err_code io_copy(int from, int to, int64_t *ret_bytes, struct err *e)
{
	autofree char *block = mem_zalloc(BLOCK);
	int64_t done = 0;
	for (;;) {
		size_t n = 0;
		enum err_code code = io_pread(from, block, BLOCK, done, &n, e);
		if (code == OK && n > 0)
			code = io_write_all(to, block, n, e);
		if (code != OK)
			return code;
		if (n == 0)
			break;
		done += (int64_t)n;
	}
	*ret_bytes = done;
	return OK;
}

enum err_code io_mkdirs(const char *path, mode_t mode, struct err *e)
{
	autofree char *partial = mem_strdup(path);
	for (char *p = partial + 1;; p++) {
		if (*partial == '\0' || (*p != '/' && *p != '\0'))
			continue;
		char end = *p;
		*p = '\0';
		if (mkdir(partial, mode) < 0 && errno != EEXIST)
			return err_sys(e, ERR_SYSTEM, errno, "make the folder %s", partial);
		*p = end;
		if (end == '\0')
			break;
	}
	struct stat st;
	if (stat(path, &st) < 0)
		return err_sys(e, ERR_SYSTEM, errno, "make the folder %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_sys(e, ERR_SYSTEM, ENOTDIR, "make the folder %s", path);
	return OK;
}

enum err_code io_memfd(const char *name, int *ret_fd, struct err *e)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_sys(e, ERR_SYSTEM, errno, "memfd_create");
	*ret_fd = fd;
	return OK;
}

enum err_code io_seal(int fd, struct err *e)
{
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return err_sys(e, ERR_SYSTEM, errno, "seal a memfd");
	return OK;
}

int64_t io_size(int fd)
{
	struct stat st;
	return fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ? -1 : (int64_t)st.st_size;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	(void)remove(path);
	return 0;
}

void io_remove_tree(const char *path)
{
	(void)nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}
