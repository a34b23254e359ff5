/* SPDX-License-Identifier: MIT
 *
 * libarchive's zip writer with a sink of ours. It writes a file's sum and length after its bytes, so
 * that nothing is read twice and no file has to be whole before it goes out.
 */
#include "base/archive_out.h"

#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

struct archive_out {
	struct archive *zip;
	struct archive_entry *entry;
	struct buf *out; /* of the call under way */
};

static la_ssize_t sink(struct archive *zip, void *ctx, const void *data, size_t n)
{
	struct archive_out *a = ctx;

	if (a->out && buf_add(a->out, data, n))
		return (la_ssize_t)n;
	archive_set_error(zip, ENOMEM, "no room for what was written");
	return -1;
}

struct archive_out *archive_out_new(void)
{
	struct archive_out *a = mem_new(struct archive_out);

	a->zip = archive_write_new();
	a->entry = archive_entry_new();
	bool good = a->zip && a->entry && archive_write_set_format_zip(a->zip) == ARCHIVE_OK &&
		archive_write_zip_set_compression_store(a->zip) == ARCHIVE_OK &&
		archive_write_set_bytes_per_block(a->zip, 0) == ARCHIVE_OK &&
		archive_write_open(a->zip, a, NULL, sink, NULL) == ARCHIVE_OK;
	if (good)
		return a;
	archive_out_free(a);
	return NULL;
}

void archive_out_free(struct archive_out *a)
{
	if (!a)
		return;
	a->out = NULL; /* an archive that was given up is not ended */
	archive_entry_free(a->entry);
	archive_write_free(a->zip);
	free(a);
}

static enum err_code ended(struct archive_out *a, bool good, struct err *e)
{
	a->out = NULL;
	if (good)
		return OK;
	const char *why = archive_error_string(a->zip);
	return err_set(e, ERR_SYSTEM, "archive: %s", why ? why : "a file had not all of its bytes");
}

enum err_code archive_out_file(struct archive_out *a, struct buf *out, const char *name,
	int64_t bytes, int64_t modified_ms, struct err *e)
{
	a->out = out;
	archive_entry_clear(a->entry);
	archive_entry_set_pathname_utf8(a->entry, name);
	archive_entry_set_filetype(a->entry, AE_IFREG);
	archive_entry_set_perm(a->entry, 0644);
	archive_entry_set_size(a->entry, bytes);
	archive_entry_set_mtime(a->entry, (time_t)(modified_ms / 1000), 0);
	return ended(a, archive_write_header(a->zip, a->entry) == ARCHIVE_OK, e);
}

enum err_code archive_out_data(struct archive_out *a, struct buf *out, const void *data, size_t n,
	struct err *e)
{
	a->out = out;
	return ended(a, archive_write_data(a->zip, data, n) == (la_ssize_t)n, e);
}

enum err_code archive_out_end(struct archive_out *a, struct buf *out, struct err *e)
{
	a->out = out;
	return ended(a, archive_write_close(a->zip) == ARCHIVE_OK, e);
}
