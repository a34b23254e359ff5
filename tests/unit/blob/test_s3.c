/* SPDX-License-Identifier: MIT
 *
 * What needs no server: which address a URL and an environment lead to, and reading documents. The
 * rest is tested against a real one, in tests/e2e/s3.test.mjs.
 */
#include "blob/s3.h"
#include "lib/test.h"

static enum err_code open_s3(const char *url, char *const *env, const char *style, struct s3 *s,
	struct err *e)
{
	*s = (struct s3){ 0 };
	return s3_open(url, &(struct blob_opts){ .environment = env, .s3_style = style }, s, e);
}

static void check_address(const char *url, char *const *env, const char *style, const char *origin,
	const char *path)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct s3 s;
	struct err e = { 0 };
	assert_ok(open_s3(url, env, style, &s, &e));
	assert_string_equal(s.origin, origin);
	assert_string_equal(s3_path(&s, "ab/key.jpg", a), path);
	s3_close(&s);
}

static void amazons_address_is_made_of_region_and_bucket(void **state)
{
	(void)state;
	char region[] = "AWS_REGION=eu-west-1", china[] = "AWS_REGION=cn-north-1";
	char *env[] = { region, NULL }, *cn[] = { china, NULL }, *none[] = { NULL };
	check_address("s3://photos/shop/a", env, "auto",
		"https://photos.s3.eu-west-1.amazonaws.com", "/shop/a/ab/key.jpg");
	check_address("s3://photos", none, NULL, "https://photos.s3.us-east-1.amazonaws.com",
		"/ab/key.jpg");
	check_address("s3://photos/", cn, "auto", "https://photos.s3.cn-north-1.amazonaws.com.cn",
		"/ab/key.jpg");
	check_address("s3://photos.example/p/", env, "auto", "https://s3.eu-west-1.amazonaws.com",
		"/photos.example/p/ab/key.jpg");
	check_address("s3://photos", env, "path", "https://s3.eu-west-1.amazonaws.com",
		"/photos/ab/key.jpg");
}

static void another_endpoint_has_the_bucket_in_its_path(void **state)
{
	(void)state;
	char one[] = "AWS_ENDPOINT_URL=http://minio.local:9000";
	char two[] = "AWS_ENDPOINT_URL_S3=https://Store.Example:443/s3/";
	char *env[] = { one, NULL }, *both[] = { one, two, NULL };
	check_address("s3://photos/p", env, "auto", "http://minio.local:9000",
		"/photos/p/ab/key.jpg");
	check_address("s3://photos", both, "auto", "https://store.example",
		"/s3/photos/ab/key.jpg");
	check_address("s3://photos", env, "virtual", "http://photos.minio.local:9000",
		"/ab/key.jpg");
}

static void what_is_no_bucket_or_endpoint_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "s3://", "s3:///x", "s3://a", "s3://a b/c",
		"s3://a@bc/d", "s3:", "s3://.ab" };
	char ftp[] = "AWS_ENDPOINT_URL=ftp://x", user[] = "AWS_ENDPOINT_URL=http://u:p@x";
	char *none[] = { NULL }, *env[] = { ftp, NULL }, *named[] = { user, NULL };
	struct s3 s;
	struct err e = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_err(open_s3(bad[i], none, NULL, &s, &e), ERR_USAGE);
		s3_close(&s);
	}
	assert_err(open_s3("s3://photos", env, NULL, &s, &e), ERR_USAGE);
	s3_close(&s);
	assert_err(open_s3("s3://photos", named, NULL, &s, &e), ERR_USAGE);
	assert_null(strstr(e.text, "u:p"));
	s3_close(&s);
}

static void an_object_says_how_it_is_kept(void **state)
{
	(void)state;
	char encryption[] = "aws:kms", key[] = "k1", class[] = "STANDARD_IA";
	struct s3 s = { .encryption = encryption, .kms_key = key, .storage_class = class };
	struct net_header h[S3_OBJECT_HEADERS];
	assert_int_equal(s3_object_headers(&s, "image/webp", false, h), 5);
	assert_string_equal(h[0].value, "image/webp");
	assert_string_equal(h[1].value, "public, max-age=31536000, immutable");
	assert_string_equal(h[2].name, "x-amz-server-side-encryption");
	assert_string_equal(h[3].value, "k1");
	assert_string_equal(h[4].value, "STANDARD_IA");
	assert_int_equal(s3_object_headers(&(struct s3){ 0 }, "image/webp", false, h), 2);
}

static void note(void *ctx, int depth, const char *name, const char *text)
{
	struct buf *b = ctx;
	buf_printf(b, "%d %s %s;", depth, name, text);
}

static bool read_xml(const char *text, struct buf *ret)
{
	buf_reset(ret);
	return s3_xml_read(text, strlen(text), note, ret);
}

static void a_document_is_read_by_elements(void **state)
{
	(void)state;
	struct buf got = BUF_INIT(1 << 20);
	assert_true(
		read_xml("<?xml version=\"1.0\"?>\n<Error xmlns=\"x\"><Code>Slow&amp;Down</Code>"
			 "<Sub><A>1</A>\n</Sub></Error>",
			&got));
	assert_string_equal(buf_str(&got), "1 Code Slow&Down;2 A 1;1 Sub \n;0 Error ;");
	buf_done(&got);
}

static void a_document_that_was_cut_off_or_is_an_attack_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "<Error><Code>x</Code>", "<a></b>", "plain",
		"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "<a/><b/>",
		"<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>" };
	struct buf got = BUF_INIT(1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (read_xml(bad[i], &got))
			fail_msg("'%s' was read", bad[i]);
	buf_done(&got);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(amazons_address_is_made_of_region_and_bucket),
	cmocka_unit_test(another_endpoint_has_the_bucket_in_its_path),
	cmocka_unit_test(what_is_no_bucket_or_endpoint_is_refused),
	cmocka_unit_test(an_object_says_how_it_is_kept),
	cmocka_unit_test(a_document_is_read_by_elements),
	cmocka_unit_test(a_document_that_was_cut_off_or_is_an_attack_is_refused),
};
TEST_MAIN(tests)
