/* SPDX-License-Identifier: MIT */
#include "lambda/gateway.h"
#include "lib/test.h"

struct parsed {
	json_t *event;
	struct arena *arena;
	struct gateway_request r;
};

static struct parsed take(const char *text)
{
	struct parsed p = { .arena = arena_new() };
	struct err e = { 0 };
	assert_ok(json_parse(text, strlen(text), &p.event, &e));
	assert_ok(gateway_parse(p.event, p.arena, &p.r, &e));
	return p;
}

static void drop(struct parsed *p)
{
	json_decref(p->event);
	arena_free(p->arena);
}

static void check_path(const char *event, const char *prefix, const char *path)
{
	struct parsed p = take(event);
	assert_string_equal(p.r.prefix, prefix);
	assert_string_equal(p.r.path, path);
	const char *told = gateway_header(&p.r, "x-forwarded-prefix");
	assert_string_equal(told ? told : "", prefix);
	drop(&p);
}

#define V1(path, whole, more)                                                                      \
	"{\"httpMethod\": \"GET\", \"path\": \"" path "\", " more                                  \
	" \"requestContext\": {\"path\": \"" whole "\", \"stage\": \"v1\"}}"
#define V2(path, stage, more)                                                                      \
	"{\"version\": \"2.0\", \"rawPath\": \"" path "\", " more                                  \
	" \"requestContext\": {\"http\": {\"method\": \"GET\"}, \"stage\": \"" stage "\"}}"
#define PROXY(part) "\"resource\": \"/{proxy+}\", \"pathParameters\": {\"proxy\": \"" part "\"},"

static void what_stands_before_the_path_is_the_prefix(void **state)
{
	(void)state;
	check_path(V1("/v1/jobs", "/prod/v1/jobs", ""), "/prod", "/v1/jobs");
	check_path(V1("/shop/v1/jobs", "/shop/v1/jobs", PROXY("v1/jobs")), "/shop", "/v1/jobs");
	check_path(V2("/prod/v1/jobs", "prod", ""), "/prod", "/v1/jobs");
	check_path(V2("/prod", "prod", ""), "/prod", "/");
	check_path(V2("/v1/jobs", "$default", ""), "", "/v1/jobs");
	check_path(V2("/production/v1", "prod", ""), "", "/production/v1");
	/* A stage that is called like our own path is not taken away where it is not in it. */
	check_path(V1("/v1/jobs", "/v1/jobs", ""), "", "/v1/jobs");
	/* What a route matched and the path does not hold decides nothing. */
	check_path(V1("/v1/jobs", "/prod/v1/jobs", PROXY("other")), "/prod", "/v1/jobs");
	check_path("{\"httpMethod\": \"GET\", \"requestContext\": {}}", "", "/");
}

static void a_path_and_a_query_are_encoded_once(void **state)
{
	(void)state;
	check_path(V2("/a b/%2F%zz\\u00fc?#", "$default", "\"rawQueryString\": \"x=1&y=%20 \","),
		"", "/a%20b/%2F%25zz%C3%BC%3F%23?x=1&y=%20%20");
	check_path(V1("/a", "/a",
			   "\"multiValueQueryStringParameters\": {\"k&\": [\"1+1\", \"%41\"]},"),
		"", "/a?k%26=1%2B1&k%26=%2541");
	check_path("{\"httpMethod\": \"GET\", \"path\": \"/a\", \"queryStringParameters\": {\"k\": "
		   "\"a%20b\"}, \"requestContext\": {\"elb\": {}}}",
		"", "/a?k=a%20b");
}

static void headers_of_one_connection_end_here(void **state)
{
	struct parsed p = take(
		"{\"httpMethod\": \"GET\", \"path\": \"/\", \"requestContext\": {},"
		"\"multiValueHeaders\": {\"Connection\": [\"close, X-A\"], \"x-a\": [\"1\"],"
		"\"TE\": [\"x\"], \"X-B\": [\"1\", \"2\"], \"Bad Name\": [\"1\"],"
		"\"X-C\": [\"a\\r\\nEvil: 1\"], \"Content-Length\": [\"9\"]}}");
	(void)state;
	for (size_t i = 0; i < p.r.headers_n; i++)
		if (strcmp(p.r.headers[i].name, "X-Forwarded-Proto") != 0)
			assert_string_equal(p.r.headers[i].name, "X-B");
	assert_int_equal(p.r.headers_n, 3);
	drop(&p);
}

static void who_asked_is_what_the_gateway_says(void **state)
{
	struct parsed p = take(
		"{\"httpMethod\": \"GET\", \"path\": \"/\", \"requestContext\": {\"identity\": "
		"{\"sourceIp\": \"192.0.2.1\"}, \"domainName\": \"good.example\"}, \"headers\": "
		"{\"x-forwarded-for\": \"9.9.9.9\", \"X-Forwarded-Host\": \"evil\", \"forwarded\": "
		"\"host=evil\", \"host\": \"evil\", \"X-Forwarded-Proto\": \"gopher\"}}");
	(void)state;
	assert_string_equal(gateway_header(&p.r, "X-Forwarded-For"), "9.9.9.9, 192.0.2.1");
	assert_string_equal(gateway_header(&p.r, "X-Forwarded-Host"), "good.example");
	assert_string_equal(gateway_header(&p.r, "X-Forwarded-Proto"), "https");
	assert_null(gateway_header(&p.r, "Forwarded"));
	assert_null(gateway_header(&p.r, "Host"));
	drop(&p);
}

static void a_body_may_be_base64(void **state)
{
	struct err e = { 0 };
	struct gateway_request r;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	autojson *bad = NULL;
	static const char text[] =
		"{\"httpMethod\": \"PUT\", \"requestContext\": {}, \"body\": \"?\", "
		"\"isBase64Encoded\": true}";
	struct parsed p = take(
		"{\"httpMethod\": \"PUT\", \"requestContext\": {}, \"body\": \"AAFi\", "
		"\"isBase64Encoded\": true}");
	(void)state;
	assert_int_equal(p.r.body_n, 3);
	assert_memory_equal(p.r.body, "\0\1b", 3);
	drop(&p);
	assert_ok(json_parse(text, strlen(text), &bad, &e));
	assert_err(gateway_parse(bad, a, &r, &e), ERR_REQUEST_INVALID);
}

static void check_answer(int version, const char *want)
{
	struct gateway_answer g = { .status = 200 };
	gateway_answer_add(&g, "X-A", "1");
	gateway_answer_add(&g, "x-a", "2");
	gateway_answer_add(&g, "Set-Cookie", "c=1");
	autojson *doc = gateway_answer_json(&g, version, "hi", 2);
	autofree char *text = json_text_sorted(doc);
	assert_string_equal(text, want);
	gateway_answer_done(&g);
}

static void an_answer_has_the_form_of_its_payload(void **state)
{
	(void)state;
	check_answer(1,
		"{\"body\":\"hi\",\"headers\":{\"set-cookie\":\"c=1\",\"x-a\":\"1, 2\"},"
		"\"isBase64Encoded\":false,\"multiValueHeaders\":{\"set-cookie\":[\"c=1\"],"
		"\"x-a\":[\"1\",\"2\"]},\"statusCode\":200}");
	check_answer(2,
		"{\"body\":\"hi\",\"cookies\":[\"c=1\"],\"headers\":{\"x-a\":\"1, 2\"},"
		"\"isBase64Encoded\":false,\"statusCode\":200}");
}

static void bytes_that_are_no_text_go_as_base64(void **state)
{
	struct gateway_answer g = { .status = 200 };
	autojson *doc = gateway_answer_json(&g, 2, "\xff\0", 2);
	(void)state;
	assert_string_equal(json_get_str(doc, "body", ""), "/wA=");
	assert_true(json_get_bool(doc, "isBase64Encoded", false));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_stands_before_the_path_is_the_prefix),
	cmocka_unit_test(a_path_and_a_query_are_encoded_once),
	cmocka_unit_test(headers_of_one_connection_end_here),
	cmocka_unit_test(who_asked_is_what_the_gateway_says),
	cmocka_unit_test(a_body_may_be_base64),
	cmocka_unit_test(an_answer_has_the_form_of_its_payload),
	cmocka_unit_test(bytes_that_are_no_text_go_as_base64),
};
TEST_MAIN(tests)
