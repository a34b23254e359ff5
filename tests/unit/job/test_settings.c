/* SPDX-License-Identifier: MIT */
#include "request_test.h"

static const uint8_t seal_key[32] = { 1, 2, 3 };

static void the_settings_of_a_job_are_read_back(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct request *r = request_of("{'urls':['https://a/'],'cache':'only_if_cached',"
				       "'priority':'bulk','deadline':5,'keep_source':false,"
				       "'metadata':{'k':'v'}}");
	autofree char *text = request_settings_text(r);
	struct job_settings s;
	assert_ok(job_settings_parse(text, &s, &e));
	assert_int_equal(s.recipe.n, 5);
	assert_int_equal(s.cache, CACHE_MODE_ONLY);
	assert_int_equal(s.priority, PRIORITY_BULK);
	assert_int_equal(s.deadline_ms, 5000);
	assert_false(s.keep_source);
	assert_string_equal(json_get_str(s.metadata, "k", ""), "v");
	job_settings_done(&s);
	request_free(r);
	assert_err(job_settings_parse("{}", &s, &e), ERR_INTERNAL);
	assert_err(job_settings_parse("", &s, &e), ERR_INTERNAL);
}

static void a_plain_item_keeps_nothing_beside_its_url(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct request *r = request_of("{'urls':['https://a/']}");
	assert_null(request_item_extra_text(&r->items[0], seal_key));
	struct item_extra x;
	assert_ok(item_extra_parse(NULL, &x, &e));
	assert_null(x.refs);
	assert_int_equal(x.recipe.n, 0);
	item_extra_done(&x);
	request_free(r);
}

static void what_an_item_keeps_is_read_back_and_its_headers_are_sealed(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct request *r = request_of(
		"{'urls':[{'url':'https://a/','ref':'sku-17','headers':{'Authorization':'Bearer s3cret'},"
		"'variants':[{'name':'t'}],'metadata':{'m':1}}]}");
	autofree char *text = request_item_extra_text(&r->items[0], seal_key);
	assert_null(strstr(text, "s3cret"));
	assert_null(strstr(text, "uthorization"));
	struct item_extra x;
	assert_ok(item_extra_parse(text, &x, &e));
	assert_string_equal(json_string_value(json_array_get(x.refs, 0)), "sku-17");
	assert_int_equal(x.recipe.n, 1);
	assert_int_equal(json_get_int(x.metadata, "m", 0), 1);
	size_t n = 0;
	autofree char *plain = unseal_text(seal_key, x.headers, &n);
	assert_string_equal(plain, "{\"authorization\":\"Bearer s3cret\"}");
	item_extra_done(&x);
	request_free(r);
	assert_err(item_extra_parse("[]", &x, &e), ERR_INTERNAL);
}

static const struct CMUnitTest tests[] = {
	request_test(the_settings_of_a_job_are_read_back),
	request_test(a_plain_item_keeps_nothing_beside_its_url),
	request_test(what_an_item_keeps_is_read_back_and_its_headers_are_sealed),
};
TEST_MAIN(tests)
