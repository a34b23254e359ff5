/* SPDX-License-Identifier: MIT
 *
 * Files and descriptors. Every descriptor is close-on-exec.
 */
#ifndef BULB_BASE_IO_H
#define BULB_BASE_IO_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

static inline int fd_take(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}
void fd_close(int *fd); /* closes unless negative, sets -1; for CLEANUP too */
#define autofd CLEANUP(fd_close) int

enum err_code io_read_file(const char *path, size_t max, struct buf *ret, struct err *e) MUST_CHECK;
/* To the end of an open descriptor, which may be a pipe; name is for the error text. */
enum err_code io_read_fd(int fd, const char *name, size_t max, struct buf *ret, struct err *e)
	MUST_CHECK;
/* fsync the folder that the file is in. */
enum err_code io_sync_folder_of(const char *path, struct err *e) MUST_CHECK;
/* Write, fsync, rename, fsync the folder. */
enum err_code io_write_file(const char *path, const void *data, size_t n, mode_t mode,
	struct err *e) MUST_CHECK;
/* The same with all bytes of `from`, from its start. */
enum err_code io_copy_file(int from, const char *path, mode_t mode, struct err *e) MUST_CHECK;
enum err_code io_write_all(int fd, const void *data, size_t n, struct err *e) MUST_CHECK;
/* pread until n bytes or the end; *ret_n is how many. */
enum err_code io_pread(int fd, void *data, size_t n, off_t at, size_t *ret_n, struct err *e)
	MUST_CHECK;
/* All bytes of `from` (from its start) appended to `to`. */
enum err_code io_copy(int from, int to, int64_t *ret_bytes, struct err *e) MUST_CHECK;
enum err_code io_mkdirs(const char *path, mode_t mode, struct err *e) MUST_CHECK;
/* The folder and all below it, links not followed; what cannot be removed stays. */
void io_remove_tree(const char *path);
enum err_code io_memfd(const char *name, int *ret_fd, struct err *e) MUST_CHECK; /* sealable */
/* No more writing, growing, shrinking or sealing. Fails when a writable mapping exists. */
enum err_code io_seal(int fd, struct err *e) MUST_CHECK;
int64_t io_size(int fd); /* -1 when it has none */

#endif
