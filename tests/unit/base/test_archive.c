/* SPDX-License-Identifier: MIT
 *
 * Archives as they should be, damaged ones, and bombs; all made here with libarchive's writer.
 */
#include "lib/test.h"

#include "base/archive.h"
#include "base/io.h"
#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#define LIMIT ((size_t)100000)

struct made {
	char data[1 << 20];
	size_t n;
};

static struct archive *begin(struct made *m, bool zip)
{
	struct archive *a = archive_write_new();
	if (zip) {
		archive_write_set_format_zip(a);
	} else {
		archive_write_set_format_pax_restricted(a);
		archive_write_add_filter_gzip(a);
	}
	assert_int_equal(archive_write_open_memory(a, m->data, sizeof(m->data), &m->n), ARCHIVE_OK);
	return a;
}

static void add(struct archive *a, const char *name, const char *data, size_t n)
{
	struct archive_entry *entry = archive_entry_new();
	archive_entry_set_pathname(entry, name);
	archive_entry_set_size(entry, (int64_t)n);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
	assert_int_equal(archive_write_data(a, data, n), n);
	archive_entry_free(entry);
}

static void add_link(struct archive *a, const char *name, const char *to)
{
	struct archive_entry *entry = archive_entry_new();
	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, AE_IFLNK);
	archive_entry_set_symlink(entry, to);
	assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
	archive_entry_free(entry);
}

static void end(struct archive *a)
{
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
}

static void fill(char *noise, size_t n)
{
	for (uint32_t i = 0, x = 1; i < n; i++, x = x * 1664525 + 1013904223)
		noise[i] = (char)(x >> 24);
}

static char noise[60000];

/* package/one, a link of the name of two, package/two (twice, the first counts), package/large */
static struct made *usual(bool zip)
{
	struct made *m = mem_new(struct made);
	autofree char *zeros = mem_zalloc(3 * LIMIT);
	fill(noise, sizeof(noise));
	struct archive *a = begin(m, zip);
	add(a, "package/one", "first", 5);
	add_link(a, "package/two", "/etc/passwd");
	add(a, "package/two", noise, sizeof(noise));
	add(a, "package/two", "another", 7);
	add(a, "package/empty", "", 0);
	add(a, "package/large", zeros, 3 * LIMIT);
	add(a, "last", "end", 3);
	end(a);
	return m;
}

static struct archive_member member(const char *name)
{
	return (struct archive_member){ .name = name, .data = BUF_INIT(LIMIT) };
}

static void members_are_found_by_their_whole_name(void **state)
{
	(void)state;
	struct err e = { 0 };
	for (int zip = 0; zip < 2; zip++) {
		autofree struct made *m = usual(zip);
		struct archive_member want[] = { member("last"), member("package/two"),
			member("two"), member("package/empty") };
		assert_ok(archive_members_of_memory(m->data, m->n, want, 4, &e));
		assert_true(want[0].found && want[1].found && !want[2].found && want[3].found);
		assert_string_equal(want[0].data.data, "end");
		assert_int_equal(want[1].data.len, sizeof(noise));
		assert_memory_equal(want[1].data.data, noise, sizeof(noise));
		assert_int_equal(want[3].data.len, 0);
		archive_members_done(want, 4);
	}
}

static void a_file_is_read_as_memory_is(void **state)
{
	(void)state;
	struct err e = { 0 };
	for (int zip = 0; zip < 2; zip++) {
		autofree struct made *m = usual(zip);
		autofd fd = -1;
		assert_ok(io_memfd("archive", &fd, &e));
		assert_ok(io_write_all(fd, m->data, m->n, &e));
		struct archive_member want[] = { member("package/one"), member("last") };
		assert_ok(archive_members_of_fd(fd, want, 2, &e));
		assert_string_equal(want[0].data.data, "first");
		assert_string_equal(want[1].data.data, "end");
		archive_members_done(want, 2);
	}
	assert_err(archive_members_of_fd(-1, NULL, 0, &e), ERR_SYSTEM);
}

static void a_member_over_its_limit_is_refused(void **state)
{
	(void)state;
	struct err e = { 0 };
	for (int zip = 0; zip < 2; zip++) {
		autofree struct made *m = usual(zip);
		struct archive_member want[] = { member("package/one"), member("package/large") };
		assert_err(archive_members_of_memory(m->data, m->n, want, 2, &e), ERR_LIMIT_OUTPUT);
		assert_non_null(strstr(e.text, "package/large"));
		assert_false(want[0].found);
		assert_null(want[0].data.data);
		/* exactly as large as allowed */
		struct archive_member exact[] = { { "package/large", BUF_INIT(3 * LIMIT), false } };
		assert_ok(archive_members_of_memory(m->data, m->n, exact, 1, &e));
		assert_int_equal(exact[0].data.len, 3 * LIMIT);
		archive_members_done(exact, 1);
	}
}

static void an_archive_cut_short_is_damaged_or_lacks_members(void **state)
{
	(void)state;
	struct err e = { 0 };
	for (int zip = 0; zip < 2; zip++) {
		autofree struct made *m = usual(zip);
		for (size_t n = 0; n < m->n; n += m->n / 97) {
			struct archive_member want[] = { member("package/two"), member("last") };
			enum err_code code = archive_members_of_memory(m->data, n, want, 2, &e);
			assert_true(code == OK || code == ERR_DECODE_CORRUPT);
			if (code == OK && want[1].found) /* only the mark of the end was cut off */
				assert_string_equal(want[1].data.data, "end");
			archive_members_done(want, 2);
		}
	}
}

static void bytes_changed_in_transit_are_noticed_or_harmless(void **state)
{
	(void)state;
	struct err e = { 0 };
	autofree struct made *m = usual(true);
	/* in the middle of the noise, which the zip's checksum covers */
	m->data[30000] ^= 1;
	struct archive_member want[] = { member("package/two") };
	assert_err(archive_members_of_memory(m->data, m->n, want, 1, &e), ERR_DECODE_CORRUPT);
	for (uint32_t i = 0, x = 7; i < 500; i++) {
		x = x * 1664525 + 1013904223;
		m->data[(x >> 8) % m->n] = (char)x;
		struct archive_member any[] = { member("package/two"), member("last") };
		enum err_code code = archive_members_of_memory(m->data, m->n, any, 2, &e);
		assert_true(code == OK || code == ERR_DECODE_CORRUPT || code == ERR_LIMIT_OUTPUT);
		archive_members_done(any, 2);
	}
}

static void what_is_no_archive_is_said_to_be_none(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct archive_member want[] = { member("a") };
	static const char *const texts[] = { "", "hello", "<html>not found</html>", "PK",
		"\x1f\x8b" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		enum err_code code = archive_members_of_memory(texts[i], strlen(texts[i]), want, 1,
			&e);
		assert_true(code == ERR_DECODE_CORRUPT || (code == OK && !want[0].found));
	}
	assert_err(archive_members_of_memory("hello", 5, want, 1, &e), ERR_DECODE_CORRUPT);
	assert_non_null(strstr(e.text, "archive: "));
}

/* A tar's first header: size in octal at 124, the sum of all bytes at 148, which counts itself as blanks. */
static void claim(char *header, const char *octal)
{
	unsigned sum = 0;
	memcpy(header + 124, octal, 11);
	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < 512; i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
}

static void a_tar_that_claims_gigabytes_is_not_skipped_through(void **state)
{
	(void)state;
	struct err e = { 0 };
	autofree struct made *m = mem_new(struct made);
	struct archive *a = archive_write_new();
	archive_write_set_format_ustar(a);
	assert_int_equal(archive_write_open_memory(a, m->data, sizeof(m->data), &m->n), ARCHIVE_OK);
	add(a, "huge", "12345", 5);
	end(a);
	struct archive_member want[] = { member("a"), member("huge") };
	claim(m->data, "00000000005");
	assert_ok(archive_members_of_memory(m->data, m->n, want, 2, &e));
	assert_true(want[1].found);
	archive_members_done(want, 2);
	claim(m->data, "77777777777"); /* 8 GiB */
	assert_err(archive_members_of_memory(m->data, m->n, want, 1, &e), ERR_LIMIT_OUTPUT);
}

static void more_entries_than_anyone_needs_are_refused(void **state)
{
	(void)state;
	struct err e = { 0 };
	autofree struct made *m = mem_new(struct made);
	struct archive *a = begin(m, false);
	for (int i = 0; i <= ARCHIVE_ENTRIES_MAX; i++)
		add(a, "x", "", 0);
	end(a);
	struct archive_member want[] = { member("a") };
	assert_err(archive_members_of_memory(m->data, m->n, want, 1, &e), ERR_LIMIT_OUTPUT);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(members_are_found_by_their_whole_name),
	cmocka_unit_test(a_file_is_read_as_memory_is),
	cmocka_unit_test(a_member_over_its_limit_is_refused),
	cmocka_unit_test(an_archive_cut_short_is_damaged_or_lacks_members),
	cmocka_unit_test(bytes_changed_in_transit_are_noticed_or_harmless),
	cmocka_unit_test(what_is_no_archive_is_said_to_be_none),
	cmocka_unit_test(a_tar_that_claims_gigabytes_is_not_skipped_through),
	cmocka_unit_test(more_entries_than_anyone_needs_are_refused),
};
TEST_MAIN(tests)
