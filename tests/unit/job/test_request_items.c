/* SPDX-License-Identifier: MIT */
#include "request_test.h"

static void other_spellings_of_a_url_are_one_item(void **state)
{
	(void)state;
	struct request *r = request_with(3, 2,
		"{'urls':['https://A.example:443/x/../a.jpg#top',"
		"'https://b.example/b.jpg','HTTPS://a.example/a.jpg',"
		"'https://a.example/%61.jpg','https://a.example/a.jpg?v=1']}");
	assert_string_equal(r->items[0].url, "https://A.example:443/x/../a.jpg#top");
	assert_string_equal(r->items[1].url, "https://b.example/b.jpg");
	assert_string_equal(r->items[2].url, "https://a.example/a.jpg?v=1");
	request_free(r);
}

static void signatures_of_presigned_urls_do_not_count(void **state)
{
	(void)state;
	struct request *r = request_with(2, 1,
		"{'urls':['https://b.example/a?X-Amz-Date=1&X-Amz-Signature=aa&w=1',"
		"'https://b.example/a?w=1&X-Amz-Date=2&X-Amz-Signature=bb',"
		"'https://b.example/a?w=2&X-Amz-Signature=bb']}");
	request_free(r);
}

static void every_ref_is_kept_once(void **state)
{
	(void)state;
	struct request *r = request_with(2, 4,
		"{'urls':[{'url':'https://a/','ref':'1'},'https://a/',{'url':'https://a/','ref':'2'},"
		"{'url':'https://a/','ref':'1'},{'url':'https://a/','ref':'3'},"
		"{'url':'https://b/','ref':'1'}]}");
	assert_int_equal(r->items[0].refs_n, 3);
	assert_string_equal(r->items[0].refs[0], "1");
	assert_string_equal(r->items[0].refs[1], "2");
	assert_string_equal(r->items[0].refs[2], "3");
	assert_int_equal(r->items[1].refs_n, 1);
	request_free(r);
}

static void all_32_refs_of_a_url_have_room_and_the_33rd_has_none(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(1 << 16);
	for (int i = 0; i < 32; i++)
		buf_printf(&b, "%s{'url':'https://a/','ref':'r%d'}", i ? "," : "{'urls':[", i);
	autofree char *most = mem_printf("%s]}", buf_str(&b));
	struct request *r = request_of(most);
	assert_int_equal(r->items_n, 1);
	assert_int_equal(r->items[0].refs_n, 32);
	assert_string_equal(r->items[0].refs[31], "r31");
	request_free(r);
	autofree char *more = mem_printf("%s,{'url':'https://a/','ref':'x'}]}", buf_str(&b));
	assert_request_refused(more, ERR_REQUEST_LIMIT, "/urls/32/ref", "the limit is 32");
	buf_done(&b);
}

static void a_cache_key_stands_for_the_url(void **state)
{
	(void)state;
	struct request *r = request_with(3, 1,
		"{'urls':[{'url':'https://a/1?sig=x','cache_key':'k'},"
		"{'url':'https://b/2','cache_key':'k'},"
		"{'url':'https://a/1?sig=x'},{'url':'https://c/','cache_key':'https://a/1?sig=x'}]}");
	assert_string_equal(r->items[0].url, "https://a/1?sig=x");
	request_free(r);
}

static void headers_make_another_item_whatever_their_order_and_case(void **state)
{
	(void)state;
	struct request *r = request_with(3, 2,
		"{'urls':['https://a/',{'url':'https://a/','headers':{'Authorization':'x','X-A':'1'}},"
		"{'url':'https://a/','headers':{'x-a':'1','authorization':'x'}},"
		"{'url':'https://a/','headers':{'Authorization':'y','X-A':'1'}},"
		"{'url':'https://a/','headers':{}}]}");
	assert_null(r->items[0].headers);
	assert_string_equal(json_get_str(r->items[1].headers, "authorization", ""), "x");
	assert_memory_not_equal(r->items[0].source_key, r->items[1].source_key, SHA256_LEN);
	assert_memory_not_equal(r->items[1].source_key, r->items[2].source_key, SHA256_LEN);
	request_free(r);
}

static void headers_that_bulb_sets_itself_are_refused(void **state)
{
	(void)state;
	static const char *const names[] = { "Host", "range", "If-None-Match", "IF-RANGE", "Cookie",
		"Accept-Encoding", "Connection", "Transfer-Encoding", "TE", "Upgrade", "Keep-Alive",
		"Proxy-Authorization", "Content-Length", "Trailer" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		autofree char
			*text = mem_printf("{'urls':[{'url':'https://a/','headers':{'%s':'x'}}]}",
				names[i]);
		autofree char *pointer = mem_printf("/urls/0/headers/%s", names[i]);
		assert_request_refused(text, ERR_REQUEST_INVALID, pointer, "bulb sets it");
	}
}

static void line_breaks_in_headers_are_refused(void **state)
{
	(void)state;
	static const char *const headers[] = { "{'X':'a\\r\\nHost: evil'}", "{'X':'a\\nb'}",
		"{'X':'a\\rb'}", "{'X':'\\u007f'}", "{'X':7}" };
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		autofree char *text = mem_printf("{'urls':[{'url':'https://a/','headers':%s}]}",
			headers[i]);
		assert_request_refused(text, ERR_REQUEST_INVALID, "/urls/0/headers/X", "");
	}
	assert_request_refused("{'urls':[{'url':'https://a/','headers':{'X\\r\\nY':'a'}}]}",
		ERR_REQUEST_INVALID, "/urls/0/headers/X\r\nY", "name");
	assert_request_refused("{'urls':[{'url':'https://a/','headers':{'X':'a','x':'b'}}]}",
		ERR_REQUEST_INVALID, "/urls/0/headers", "twice");
}

static void own_options_make_another_item_with_the_same_source(void **state)
{
	(void)state;
	struct request *r = request_with(3, 1,
		"{'urls':['https://a/',{'url':'https://a/','variants':[{'name':'t','width':9}]},"
		"{'url':'https://a/','variants':[{'width':9,'name':'t','quality':80}]},"
		"{'url':'https://a/','metadata':{'k':1}}]}");
	assert_null(r->items[0].recipe);
	assert_int_equal(r->items[1].recipe->n, 1);
	assert_null(r->items[2].recipe);
	assert_non_null(r->items[2].metadata);
	assert_memory_equal(r->items[0].source_key, r->items[1].source_key, SHA256_LEN);
	request_free(r);
}

static void own_options_that_are_the_jobs_are_none(void **state)
{
	(void)state;
	struct request *r = request_with(1, 1,
		"{'urls':['https://a/',{'url':'https://a/','preset':'web'}]}");
	assert_null(r->items[0].recipe);
	request_free(r);
	r = request_of("{'variants':[{'name':'t'}],'urls':['https://a/',"
		       "{'url':'https://a/','preset':'web'},{'url':'https://b/','preset':'web'}]}");
	assert_int_equal(r->items_n, 3);
	assert_ptr_equal(r->items[1].recipe, presets_find(presets, "web"));
	request_free(r);
}

static void a_url_must_be_one_that_can_be_fetched(void **state)
{
	(void)state;
	static const char *const urls[] = { "ftp://a/", "file:///etc/passwd", "javascript:alert(1)",
		"a.jpg", "https://", "https://a b/", "https://user:secret@a/", "http://a:99999/" };
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		autofree char *text = mem_printf("{'urls':['https://good/','%s']}", urls[i]);
		assert_request_refused(text, ERR_REQUEST_INVALID, "/urls/1", "");
		autofree char *object = mem_printf("{'urls':[{'url':'%s'}]}", urls[i]);
		assert_request_refused(object, ERR_REQUEST_INVALID, "/urls/0/url", "");
	}
	limits.allow_files = true;
	struct request *r = request_of("{'urls':['file:///tmp/a.jpg']}");
	request_free(r);
}

static void a_fault_does_not_repeat_a_password(void **state)
{
	(void)state;
	autojson *body = json_of("{'urls':['https://user:secret@a/']}");
	struct faults f = { 0 };
	struct request *r = NULL;
	assert_false(request_parse(body, &limits, presets, &r, &f));
	assert_null(strstr(fault_detail(&f, 0), "secret"));
	faults_done(&f);
}

static void ten_thousand_urls_are_a_set_in_first_order(void **state)
{
	(void)state;
	autojson *body = json_obj();
	json_t *urls = json_arr();
	for (int i = 0; i < 10000; i++) { /* each twice, far apart */
		autofree char *url = mem_printf("https://img.example.com/photos/%d.jpg", i % 5000);
		json_push(urls, json_string(url));
	}
	json_put(body, "urls", urls);
	struct faults f = { 0 };
	struct request *r = NULL;
	assert_true(request_parse(body, &limits, presets, &r, &f));
	assert_int_equal(r->items_n, 5000);
	assert_int_equal(r->duplicates, 5000);
	assert_string_equal(r->items[4999].url, "https://img.example.com/photos/4999.jpg");
	request_free(r);
}

static const struct CMUnitTest tests[] = {
	request_test(other_spellings_of_a_url_are_one_item),
	request_test(signatures_of_presigned_urls_do_not_count),
	request_test(every_ref_is_kept_once),
	request_test(all_32_refs_of_a_url_have_room_and_the_33rd_has_none),
	request_test(a_cache_key_stands_for_the_url),
	request_test(headers_make_another_item_whatever_their_order_and_case),
	request_test(headers_that_bulb_sets_itself_are_refused),
	request_test(line_breaks_in_headers_are_refused),
	request_test(own_options_make_another_item_with_the_same_source),
	request_test(own_options_that_are_the_jobs_are_none),
	request_test(a_url_must_be_one_that_can_be_fetched),
	request_test(a_fault_does_not_repeat_a_password),
	request_test(ten_thousand_urls_are_a_set_in_first_order),
};
TEST_MAIN(tests)
