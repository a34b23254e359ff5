/* SPDX-License-Identifier: MIT
 *
 * Archives through libarchive, with the three formats switched on that bulb meets: what npm and
 * providers send. Entries say how large they are before they are unpacked, and lie: the claim is
 * checked so that a bomb is not even skipped through, the bytes are checked as they come.
 */
#include "base/archive.h"

#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <unistd.h>

#define STEP_BYTES ((size_t)64 << 10)

/* libarchive's message, without anything that a terminal could trip over. */
static enum err_code damaged(struct archive *a, struct err *e)
{
	char line[200] = "it ends too early";
	const char *from = archive_error_string(a);
	size_t n = 0;
	for (; from && from[n] && n + 1 < sizeof(line); n++)
		line[n] = from[n] >= ' ' && from[n] < 0x7f ? from[n] : '?';
	if (from)
		line[n] = '\0';
	return err_set(e, ERR_DECODE_CORRUPT, "archive: %s", line);
}

static void set_formats(struct archive *a)
{
	archive_read_support_filter_gzip(a);
	archive_read_support_format_tar(a);
	archive_read_support_format_zip(a);
}

static enum err_code read_data(struct archive *a, struct archive_member *m, struct err *e)
{
	for (;;) {
		if (!buf_reserve(&m->data,
			    m->data.max - m->data.len < STEP_BYTES ? m->data.max - m->data.len
								   : STEP_BYTES))
			return err_set(e, ERR_LIMIT_MEMORY, "archive: no memory for %s", m->name);
		size_t room = m->data.max - m->data.len;
		char beyond; /* one byte more than allowed shows that it is too large */
		ssize_t n = room > 0 ? archive_read_data(a, m->data.data + m->data.len,
					       room < STEP_BYTES ? room : STEP_BYTES)
				     : archive_read_data(a, &beyond, 1);
		if (n < 0)
			return damaged(a, e);
		if (n == 0)
			return OK;
		if (room == 0)
			return err_set(e, ERR_LIMIT_OUTPUT, "archive: %s is over %zu bytes",
				m->name, m->data.max);
		m->data.len += (size_t)n;
		m->data.data[m->data.len] = '\0';
	}
}

static struct archive_member *wanted(struct archive_entry *entry, struct archive_member *members,
	size_t n)
{
	const char *name = archive_entry_pathname(entry);
	if (!name || archive_entry_filetype(entry) != AE_IFREG)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!members[i].found && strcmp(members[i].name, name) == 0)
			return &members[i];
	return NULL;
}

static bool has_all(const struct archive_member *members, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!members[i].found)
			return false;
	return true;
}

static enum err_code read_members(struct archive *a, struct archive_member *members, size_t n,
	struct err *e)
{
	struct archive_entry *entry;
	int64_t bytes = 0;
	int rc = ARCHIVE_OK;
	for (int i = 0; !has_all(members, n); i++) {
		rc = archive_read_next_header(a, &entry);
		if (rc == ARCHIVE_EOF)
			return OK;
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return damaged(a, e);
		int64_t size = archive_entry_size(entry);
		if (i >= ARCHIVE_ENTRIES_MAX || size < 0 || size > ARCHIVE_BYTES_MAX - bytes)
			return err_set(e, ERR_LIMIT_OUTPUT,
				"archive: more than %d entries or %lld bytes", ARCHIVE_ENTRIES_MAX,
				(long long)ARCHIVE_BYTES_MAX);
		bytes += size;
		struct archive_member *m = wanted(entry, members, n);
		enum err_code code = m ? read_data(a, m, e) : OK;
		if (code != OK)
			return code;
		if (m)
			m->found = true;
	}
	return OK;
}

/* Ends a. rc: what opening it said. */
static enum err_code run(struct archive *a, int rc, struct archive_member *members, size_t n,
	struct err *e)
{
	enum err_code code = rc == ARCHIVE_OK ? read_members(a, members, n, e) : damaged(a, e);
	archive_read_free(a);
	if (code != OK)
		archive_members_done(members, n);
	return code;
}

static struct archive *new_reader(void)
{
	struct archive *a = archive_read_new();
	if (!a)
		mem_exhausted();
	set_formats(a);
	return a;
}

enum err_code archive_members_of_memory(const void *data, size_t bytes,
	struct archive_member *members, size_t n, struct err *e)
{
	struct archive *a = new_reader();
	return run(a, archive_read_open_memory(a, data, bytes), members, n, e);
}

enum err_code archive_members_of_fd(int fd, struct archive_member *members, size_t n, struct err *e)
{
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(e, ERR_SYSTEM, "archive: the file cannot be sought");
	struct archive *a = new_reader();
	return run(a, archive_read_open_fd(a, fd, STEP_BYTES), members, n, e);
}

void archive_members_done(struct archive_member *members, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_done(&members[i].data);
		members[i].found = false;
	}
}
