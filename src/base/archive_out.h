/* SPDX-License-Identifier: MIT
 *
 * A zip archive, written bit by bit into a buffer that the caller empties. Files are stored as they are:
 * pictures have been compressed. What is kept in memory is the list of names for the archive's end.
 */
#ifndef BULB_BASE_ARCHIVE_OUT_H
#define BULB_BASE_ARCHIVE_OUT_H

#include "base/buf.h"
#include "base/err.h"

struct archive_out;
struct archive_out *archive_out_new(void);
void archive_out_free(struct archive_out *a); /* NULL is fine */
/* What the archive gains goes to the end of out. A file has exactly the bytes that were said; the next
 * begins, or the archive ends, when it is whole. ERR_SYSTEM, also when out is full. */
enum err_code archive_out_file(struct archive_out *a, struct buf *out, const char *name,
	int64_t bytes, int64_t modified_ms, struct err *e) MUST_CHECK;
enum err_code archive_out_data(struct archive_out *a, struct buf *out, const void *data, size_t n,
	struct err *e) MUST_CHECK;
enum err_code archive_out_end(struct archive_out *a, struct buf *out, struct err *e) MUST_CHECK;

#endif
