/* SPDX-License-Identifier: MIT
 *
 * The signatures are those that Amazon's S3 documentation prints for its examples
 * (sig-v4-header-based-auth, sigv4-query-string-auth).
 */
#include "lib/test.h"
#include "net/sigv4.h"

#define MAY_24_2013 1369353600000ll

static char access_key[] = "AKIAIOSFODNN7EXAMPLE";
static char secret_key[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
static char token[] = "to/ken";
static const struct aws_keys keys = { .access_key = access_key, .secret_key = secret_key };
static const struct sigv4_signer signer = { .keys = &keys,
	.region = "us-east-1",
	.service = "s3",
	.wall_ms = MAY_24_2013 };
static const char origin[] = "https://examplebucket.s3.amazonaws.com";

static const char *header(const struct sigv4_signed *s, const char *name)
{
	for (size_t i = 0; i < s->headers_n; i++)
		if (strcmp(s->headers[i].name, name) == 0)
			return s->headers[i].value;
	return NULL;
}

static void check_signature(const struct sigv4_request *r, const char *names, const char *want)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct sigv4_signed s;
	sigv4_sign(&signer, r, a, &s);
	assert_string_equal(header(&s, "authorization"),
		arena_printf(a,
			"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
			"aws4_request,SignedHeaders=%s,Signature=%s",
			names, want));
	assert_string_equal(header(&s, "x-amz-date"), "20130524T000000Z");
	assert_null(header(&s, "host"));
}

static void a_get_with_a_range_is_signed_as_amazon_prints_it(void **state)
{
	(void)state;
	const struct net_header range = { "range", "bytes=0-9" };
	check_signature(&(struct sigv4_request){ .method = "GET",
				.origin = origin,
				.path = "/test.txt",
				.headers = &range,
				.headers_n = 1,
				.payload = SIGV4_EMPTY_PAYLOAD },
		"host;range;x-amz-content-sha256;x-amz-date",
		"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void a_put_with_an_odd_name_is_signed_as_amazon_prints_it(void **state)
{
	(void)state;
	const struct net_header h[] = { { "x-amz-storage-class", "REDUCED_REDUNDANCY" },
		{ "date", "Fri, 24 May 2013 00:00:00 GMT" } };
	check_signature(
		&(struct sigv4_request){ .method = "PUT",
			.origin = origin,
			.path = "/test$file.text",
			.headers = h,
			.headers_n = 2,
			.payload =
				"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072" },
		"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
		"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void a_query_is_signed_as_amazon_prints_it(void **state)
{
	(void)state;
	const struct net_header lifecycle = { "lifecycle", "" };
	const struct net_header list[] = { { "prefix", "J" }, { "max-keys", "2" } };
	struct sigv4_request r = { .method = "GET",
		.origin = origin,
		.path = "/",
		.query = &lifecycle,
		.query_n = 1,
		.payload = SIGV4_EMPTY_PAYLOAD };
	check_signature(&r, "host;x-amz-content-sha256;x-amz-date",
		"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
	r.query = list;
	r.query_n = 2;
	check_signature(&r, "host;x-amz-content-sha256;x-amz-date",
		"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void a_link_is_signed_as_amazon_prints_it(void **state)
{
	(void)state;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	assert_string_equal(sigv4_presign(&signer,
				    &(struct sigv4_request){ .method = "GET",
					    .origin = origin,
					    .path = "/test.txt",
					    .payload = SIGV4_UNSIGNED_PAYLOAD },
				    86400, a),
		"https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
		"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
		"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
		"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

static void what_is_sent_is_encoded_once_and_sorted_afterwards(void **state)
{
	(void)state;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct net_header q[] = { { "b", "2" }, { "a-b", "1" }, { "a", "=&/+ %" },
		{ "a", "" } };
	struct sigv4_signed s;
	sigv4_sign(&signer,
		&(struct sigv4_request){ .method = "GET",
			.origin = origin,
			.path = "/a b/+=%25//../\xC3\xBC~",
			.query = q,
			.query_n = 4,
			.payload = SIGV4_UNSIGNED_PAYLOAD },
		a, &s);
	assert_string_equal(s.url,
		"https://examplebucket.s3.amazonaws.com/a%20b/%2B%3D%2525//../%C3%BC~"
		"?a=&a=%3D%26%2F%2B%20%25&a-b=1&b=2");
	assert_string_equal(header(&s, "x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
}

static void a_session_token_is_signed_in_headers_and_in_links(void **state)
{
	(void)state;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct aws_keys temporary = keys;
	temporary.session_token = token;
	struct sigv4_signer with = signer;
	with.keys = &temporary;
	struct sigv4_request r = { .method = "GET",
		.origin = origin,
		.path = "/x",
		.payload = SIGV4_UNSIGNED_PAYLOAD };
	struct sigv4_signed s;
	sigv4_sign(&with, &r, a, &s);
	assert_string_equal(header(&s, "x-amz-security-token"), "to/ken");
	assert_non_null(strstr(header(&s, "authorization"), ";x-amz-security-token,"));
	assert_non_null(strstr(sigv4_presign(&with, &r, 60, a), "&X-Amz-Security-Token=to%2Fken&"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_get_with_a_range_is_signed_as_amazon_prints_it),
	cmocka_unit_test(a_put_with_an_odd_name_is_signed_as_amazon_prints_it),
	cmocka_unit_test(a_query_is_signed_as_amazon_prints_it),
	cmocka_unit_test(a_link_is_signed_as_amazon_prints_it),
	cmocka_unit_test(what_is_sent_is_encoded_once_and_sorted_afterwards),
	cmocka_unit_test(a_session_token_is_signed_in_headers_and_in_links),
};
TEST_MAIN(tests)
