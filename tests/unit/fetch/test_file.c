/* SPDX-License-Identifier: MIT */
#include "base/io.h"
#include "fetch/fetch.h"
#include "lib/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[64];

static int make_file(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/test fetch-XXXXXX");
	autofd fd = mkstemp(path);
	return write(fd, "hello", 5) != 5;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static enum err_code get(bool allow, int64_t max, const char *url, const char *etag,
	struct fetch_result *ret, struct err *e)
{
	struct fetch *f = fetch_new(&(struct fetch_opts){ .max_bytes = max,
		.total_ms = 5000,
		.per_host = 1,
		.allow_files = allow });
	struct fetch_lane *l = fetch_lane_new(f);
	enum err_code rc = fetch_get(l, &(struct fetch_request){ .url = url, .etag = etag }, ret,
		e);
	fetch_lane_free(l);
	fetch_free(f);
	return rc;
}

static char *url_of(const char *p)
{
	static char url[128];
	snprintf(url, sizeof(url), "file:///tmp/test%%20fetch%s", p + strlen("/tmp/test fetch"));
	return url;
}

static void a_file_is_copied_into_a_sealed_memfd(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	assert_ok(get(true, 100, url_of(path), NULL, &r, &e));
	autofd fd = r.fd;
	assert_int_equal(r.bytes, 5);
	assert_int_equal(io_size(fd), 5);
	uint8_t sha[SHA256_LEN];
	sha256_of("hello", 5, sha);
	assert_memory_equal(r.sha256, sha, SHA256_LEN);
	assert_int_equal(fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE, F_SEAL_WRITE);
	assert_true(r.etag[0] == '"');
}

static void an_unchanged_file_is_not_modified_and_a_changed_one_is(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r, again;
	assert_ok(get(true, 100, url_of(path), NULL, &r, &e));
	close(r.fd);
	assert_ok(get(true, 100, url_of(path), r.etag, &again, &e));
	assert_true(again.not_modified);
	assert_int_equal(again.fd, -1);
	autofd fd = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "!", 1), 1);
	assert_ok(get(true, 100, url_of(path), r.etag, &again, &e));
	assert_false(again.not_modified);
	assert_int_equal(again.bytes, 6);
	close(again.fd);
}

static void files_need_the_option(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	assert_err(get(false, 100, url_of(path), NULL, &r, &e), ERR_REQUEST_INVALID);
	assert_int_equal(r.fd, -1);
}

static void a_large_file_is_refused(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	assert_err(get(true, 4, url_of(path), NULL, &r, &e), ERR_FETCH_TOO_LARGE);
	assert_non_null(strstr(e.text, "--max-source"));
	assert_ok(get(true, 5, url_of(path), NULL, &r, &e));
	close(r.fd);
}

static void what_is_no_file_is_an_error(void **state)
{
	(void)state;
	struct err e;
	struct fetch_result r;
	assert_err(get(true, 100, "file:///nowhere/at/all", NULL, &r, &e), ERR_FETCH_STATUS);
	assert_int_equal(e.source_status, 404);
	assert_false(fetch_may_pass(&e));
	assert_err(get(true, 100, "file:///tmp", NULL, &r, &e), ERR_FETCH_STATUS);
	assert_err(get(true, 100, "file:///dev/null", NULL, &r, &e), ERR_FETCH_STATUS);
	assert_err(get(true, 100, "file:///tmp/%00", NULL, &r, &e), ERR_REQUEST_INVALID);
	autofd fd = open(path, O_WRONLY | O_TRUNC);
	assert_err(get(true, 100, url_of(path), NULL, &r, &e), ERR_FETCH_NOT_IMAGE);
	(void)fd;
}

#define WITH_FILE(f) cmocka_unit_test_setup_teardown(f, make_file, remove_file)
static const struct CMUnitTest tests[] = {
	WITH_FILE(a_file_is_copied_into_a_sealed_memfd),
	WITH_FILE(an_unchanged_file_is_not_modified_and_a_changed_one_is),
	WITH_FILE(files_need_the_option),
	WITH_FILE(a_large_file_is_refused),
	WITH_FILE(what_is_no_file_is_an_error),
};
TEST_MAIN(tests)
