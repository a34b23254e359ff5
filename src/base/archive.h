/* SPDX-License-Identifier: MIT
 *
 * Named members of a tar (plain or gzip) or zip archive, into memory. For archives that a stranger
 * made or that came over a network: sizes are limited, nothing is ever written to a path.
 */
#ifndef BULB_BASE_ARCHIVE_H
#define BULB_BASE_ARCHIVE_H

#include "base/buf.h"
#include "base/err.h"

#define ARCHIVE_ENTRIES_MAX 20000              /* looked at */
#define ARCHIVE_BYTES_MAX   ((int64_t)4 << 30) /* of all entries together, unpacked */

struct archive_member {
	const char *name; /* its whole path in the archive */
	struct buf data;  /* data.max, set by the caller: larger is ERR_LIMIT_OUTPUT */
	bool found;       /* a member that is not there is no error */
};
/* Look for n members; the first plain file of each name counts, and reading ends when all are found.
 * On failure every data is empty. ERR_DECODE_CORRUPT: damaged, encrypted, or no such archive;
 * ERR_LIMIT_OUTPUT: over one of the limits. */
enum err_code archive_members_of_memory(const void *data, size_t bytes,
	struct archive_member *members, size_t n, struct err *e) MUST_CHECK;
/* From the start of a file that can be sought. */
enum err_code archive_members_of_fd(int fd, struct archive_member *members, size_t n, struct err *e)
	MUST_CHECK;
void archive_members_done(struct archive_member *members, size_t n);

#endif
