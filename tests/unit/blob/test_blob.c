/* SPDX-License-Identifier: MIT */
#include "base/io.h"
#include "blob/blob.h"
#include "lib/test.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-blob-XXXXXX");
	return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct blob *open_store(void)
{
	struct err e;
	struct blob *b = NULL;
	char url[128];
	snprintf(url, sizeof(url), "file:%s", dir);
	assert_ok(blob_open(url, &b, &e));
	return b;
}

static void an_unknown_scheme_is_refused_and_named(void **state)
{
	(void)state;
	struct err e;
	struct blob *b = NULL;
	assert_err(blob_open("ftp://x", &b, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "ftp://x"));
	assert_err(blob_open("file:", &b, &e), ERR_USAGE);
	assert_err(blob_open("file:/tmp/x?sync=maybe", &b, &e), ERR_USAGE);
	assert_null(b);
	blob_free(NULL);
}

static void a_fresh_key_is_a_folder_an_id_and_an_extension(void **state)
{
	(void)state;
	char a[BLOB_KEY_LEN_MAX + 1], b[BLOB_KEY_LEN_MAX + 1];
	blob_key_new("jpg", a);
	blob_key_new("jpg", b);
	assert_int_equal(strlen(a), 2 + 1 + 26 + 4);
	assert_int_equal(a[2], '/');
	assert_string_equal(a + 29, ".jpg");
	assert_string_not_equal(a, b);
}

static void keys_that_lead_elsewhere_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "/etc/passwd", "..", "../x", "a/../../x", "a/..",
		"a//b", "a/", ".tmp/x", "a/.hidden", "A.jpg", "a b", "a\\b", "a\nb", "a%2e",
		"\xc3\xa4", "a/./b" };
	struct err e;
	struct blob *b = open_store();
	autofd fd = -1;
	assert_ok(io_memfd("x", &fd, &e));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int got = -1;
		int64_t bytes;
		assert_err(blob_put(b, bad[i], fd, 0, "x/y", &e), ERR_BLOB_IO);
		assert_err(blob_get(b, bad[i], &got, &bytes, &e), ERR_BLOB_NOT_FOUND);
		assert_ok(blob_delete(b, bad[i], &e));
		assert_null(blob_path(b, bad[i]));
	}
	char longest[BLOB_KEY_LEN_MAX + 2];
	memset(longest, 'a', sizeof(longest));
	longest[BLOB_KEY_LEN_MAX + 1] = '\0';
	assert_null(blob_path(b, longest));
	blob_free(b);
}

static void the_round_trip_for_doctor_passes_and_leaves_nothing(void **state)
{
	(void)state;
	struct err e;
	struct blob *b = open_store();
	assert_ok(blob_check(b, &e));
	char cmd[128];
	snprintf(cmd, sizeof(cmd), "%s/.tmp", dir);
	assert_int_equal(rmdir(cmd), 0); /* empty */
	blob_free(b);
}

static void the_round_trip_for_doctor_fails_without_the_folder(void **state)
{
	(void)state;
	struct err e;
	struct blob *b = open_store();
	char tmp[128];
	snprintf(tmp, sizeof(tmp), "%s/.tmp", dir);
	assert_int_equal(rmdir(tmp), 0);
	assert_err(blob_check(b, &e), ERR_BLOB_IO);
	blob_free(b);
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
static void a_template_says_how_a_key_begins_and_no_two_are_equal(void **state)
{
	(void)state;
	static const char template[] = "{tenant}/{ref}/{variant}-{sha8}.{ext}";
	uint8_t sha[32] = { 0xab, 0xcd, 0x01, 0x23 };
	struct blob_name what = { .tenant = 7,
		.ref = "../My Photo.v1/\xC3\xBC",
		.variant = "Large_2x",
		.sha256 = sha,
		.ext = "webp" };
	char a[BLOB_KEY_LEN_MAX + 1], b[BLOB_KEY_LEN_MAX + 1];
	static const char begin[] = "7/-.-my-photo.v1---/large_2x-abcd0123.";
	blob_key_make(template, &what, a);
	blob_key_make(template, &what, b);
	assert_memory_equal(a, begin, strlen(begin));
	assert_int_equal(strlen(a), strlen(begin) + 26 + strlen(".webp"));
	assert_string_not_equal(a, b);
	assert_true(blob_key_is_good(a));
	what.ref = NULL;
	blob_key_make("all/{ref}.{sha256}.{ext}", &what, a);
	assert_memory_equal(a, "all/-.abcd0123000000", 20);
	blob_key_make(NULL, &what, a);
	assert_int_equal(strlen(a), 2 + 1 + 26 + strlen(".webp"));
}

static void a_template_that_cannot_be_is_refused(void **state)
{
	(void)state;
	static const char *const good[] = { "{sha256}.{ext}",
		"{tenant}/{ref}/{variant}-{sha8}.{ext}" };
	static const char *const bad[] = { "", "{ext}", "{variant}.{ext}", "{ref}/{variant}.{ext}",
		"{sha8}", "{sha8}.jpg", "../{sha8}.{ext}", "{sha8}/{what}.{ext}", "A/{sha8}.{ext}",
		"/{sha8}.{ext}", "a b/{sha8}.{ext}", "{sha8.{ext}" };
	struct err e = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_ok(blob_key_check(good[i], &e));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (blob_key_check(bad[i], &e) != ERR_USAGE)
			fail_msg("'%s' was taken", bad[i]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_template_says_how_a_key_begins_and_no_two_are_equal),
	cmocka_unit_test(a_template_that_cannot_be_is_refused),
	cmocka_unit_test(an_unknown_scheme_is_refused_and_named),
	cmocka_unit_test(a_fresh_key_is_a_folder_an_id_and_an_extension),
	WITH_DIR(keys_that_lead_elsewhere_are_refused),
	WITH_DIR(the_round_trip_for_doctor_passes_and_leaves_nothing),
	WITH_DIR(the_round_trip_for_doctor_fails_without_the_folder),
};
TEST_MAIN(tests)
