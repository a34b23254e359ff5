/* SPDX-License-Identifier: MIT */
#include "request_test.h"

static void a_list_of_urls_is_enough(void **state)
{
	(void)state;
	struct request *r = request_of("{'urls':['https://a.example/1.jpg']}");
	assert_int_equal(r->items_n, 1);
	assert_string_equal(r->items[0].url, "https://a.example/1.jpg");
	assert_string_equal(r->preset, "web");
	assert_int_equal(r->recipe.n, 5);
	assert_int_equal(r->cache, CACHE_MODE_DEFAULT);
	assert_int_equal(r->priority, PRIORITY_NORMAL);
	assert_int_equal(r->deadline_ms, 0);
	assert_true(r->keep_source);
	assert_false(r->dry_run);
	assert_null(r->tag);
	assert_null(r->metadata);
	request_free(r);
}

static void every_member_of_a_job_is_read(void **state)
{
	(void)state;
	struct request *r = request_of(
		"{'urls':['https://a.example/'],'variants':[{'name':'v','width':10}],'cache':'reload',"
		"'priority':'interactive','deadline':3600,'keep_source':false,'dry_run':false,"
		"'tag':'spring','metadata':{'any':['thing']},'background':null,'preset':'web'}");
	assert_null(r->preset); /* variants win */
	assert_int_equal(r->recipe.n, 1);
	assert_int_equal(r->cache, CACHE_MODE_RELOAD);
	assert_int_equal(r->priority, PRIORITY_INTERACTIVE);
	assert_int_equal(r->deadline_ms, 3600000);
	assert_false(r->keep_source);
	assert_string_equal(r->tag, "spring");
	assert_int_equal(json_object_size(r->metadata), 1);
	request_free(r);
}

static void a_webhook_is_told_of_the_jobs_end_unless_it_says_of_what(void **state)
{
	(void)state;
	struct request *r = request_of(
		"{'urls':['https://a/'],'webhook':{'url':'https://Hook.example/x?k=1'}}");
	assert_string_equal(r->webhook_url, "https://Hook.example/x?k=1");
	assert_string_equal(r->webhook_host, "hook.example:443");
	assert_int_equal(r->webhook_events,
		1u << EVENT_JOB_SUCCEEDED | 1u << EVENT_JOB_PARTIAL | 1u << EVENT_JOB_FAILED |
			1u << EVENT_JOB_CANCELED);
	request_free(r);
	r = request_of("{'urls':['https://a/'],'webhook':{'url':'http://h:81/','events':"
		       "['item.failed','job.created','item.failed']}}");
	assert_string_equal(r->webhook_host, "h:81");
	assert_int_equal(r->webhook_events, 1u << EVENT_ITEM_FAILED | 1u << EVENT_JOB_CREATED);
	request_free(r);
	r = request_of("{'urls':['https://a/'],'webhook':null}");
	assert_null(r->webhook_url);
	request_free(r);
}

static void a_webhook_that_can_never_be_right_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *webhook, *pointer, *text;
	} cases[] = {
		{ "{}", "/webhook/url", "sent" },
		{ "'https://h/'", "/webhook", "object" },
		{ "{'url':'ftp://h/'}", "/webhook/url", "http" },
		{ "{'url':'file:///etc/passwd'}", "/webhook/url", "https://" },
		{ "{'url':'https://me:secret@h/'}", "/webhook/url", "user or password" },
		{ "{'url':'https://h/','events':[]}", "/webhook/events", "list" },
		{ "{'url':'https://h/','events':'job.failed'}", "/webhook/events", "list" },
		{ "{'url':'https://h/','events':['job.failed','item.fialed']}", "/webhook/events/1",
			"item.failed" },
		{ "{'url':'https://h/','events':['job.progress']}", "/webhook/events/0",
			"never sent" },
		{ "{'url':'https://h/','events':['item.progress']}", "/webhook/events/0",
			"never sent" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autofree char *text = mem_printf("{'urls':['https://a/'],'webhook':%s}",
			cases[i].webhook);
		assert_request_refused(text, ERR_REQUEST_INVALID, cases[i].pointer, cases[i].text);
	}
	assert_request_refused("{'urls':['https://a/'],'webhook':{'url':'https://h/','event':[]}}",
		ERR_REQUEST_UNKNOWN_MEMBER, "/webhook/event", "events");
}

static void the_items_of_another_job_may_stand_in_place_of_urls(void **state)
{
	(void)state;
	struct request *r = request_of("{'from':{'job':'my-job_1','status':'failed'}}");
	assert_string_equal(r->from_job, "my-job_1");
	assert_string_equal(r->from_status, "failed");
	assert_int_equal(r->items_n, 0);
	request_free(r);
	r = request_of("{'from':{'job':'j'}}");
	assert_null(r->from_status);
	request_free(r);
	assert_request_refused("{'urls':['https://a/'],'from':{'job':'j'}}", ERR_REQUEST_INVALID,
		"/from", "in place of urls");
	assert_request_refused("{'from':{}}", ERR_REQUEST_INVALID, "/from/job", "which job");
	assert_request_refused("{'from':{'job':'a b'}}", ERR_REQUEST_INVALID, "/from/job",
		"such an id");
	assert_request_refused("{'from':{'job':'j','status':'suceeded'}}", ERR_REQUEST_INVALID,
		"/from/status", "did you mean 'succeeded'?");
	assert_request_refused("{'from':{'jobs':'j'}}", ERR_REQUEST_UNKNOWN_MEMBER, "/from/jobs",
		"did you mean 'job'?");
}

static struct request_item taken(const char *url, uint8_t key, const char **refs, size_t refs_n)
{
	struct request_item it = { .url = url, .refs = refs, .refs_n = refs_n };
	memset(it.source_key, key, sizeof(it.source_key));
	return it;
}

static void taken_items_become_a_set_under_the_new_options(void **state)
{
	(void)state;
	const char *refs[] = { "one", "two" };
	struct request_item items[] = { taken("https://a.example/1", 1, refs, 1),
		taken("https://a.example/2", 2, NULL, 0),
		taken("https://A.example/1", 1, refs, 2) };
	struct faults f = { 0 };
	struct request *r = request_of("{'from':{'job':'j'}}");
	items[1].metadata = json_of("{'k':1}");
	assert_true(request_take_items(r, items, ARRAY_LEN(items), &limits, &f));
	assert_int_equal(r->items_n, 2);
	assert_int_equal(r->duplicates, 1);
	assert_int_equal(r->items[0].refs_n, 2);
	assert_string_equal(r->items[0].url, "https://a.example/1");
	assert_null(r->items[0].recipe);
	assert_int_equal(json_object_size(r->items[1].metadata), 1);
	assert_int_equal(r->items[1].source_key[0], 2);
	request_free(r);
	limits.urls = 2;
	r = request_of("{'from':{'job':'j'}}");
	assert_false(request_take_items(r, items, ARRAY_LEN(items), &limits, &f));
	assert_fault(&f, ERR_REQUEST_LIMIT, "/from", "the limit is 2");
	request_free(r);
}

static void a_typo_is_never_ignored(void **state)
{
	(void)state;
	assert_request_refused("{'urls':['https://a/'],'presset':'web'}",
		ERR_REQUEST_UNKNOWN_MEMBER, "/presset", "'preset'");
	assert_request_refused("{'urls':['https://a/'],'preset':'wep'}", ERR_REQUEST_INVALID,
		"/preset", "'web'");
	assert_request_refused("{'urls':['https://a/'],'keepSource':true}",
		ERR_REQUEST_UNKNOWN_MEMBER, "/keepSource", "'keep_source'");
	assert_request_refused("{'urls':[{'url':'https://a/','refs':['x']}]}",
		ERR_REQUEST_UNKNOWN_MEMBER, "/urls/0/refs", "'ref'");
	assert_request_refused("{'urls':['https://a/'],'priority':'buk'}", ERR_REQUEST_INVALID,
		"/priority", "did you mean 'bulk'?");
	assert_request_refused("{'urls':['https://a/'],'cache':'no-store'}", ERR_REQUEST_INVALID,
		"/cache", "default, reload, only_if_cached");
}

static void wrong_values_are_refused_with_their_place(void **state)
{
	(void)state;
	static const struct refusal cases[] = {
		{ "{}", ERR_REQUEST_INVALID, "/urls", "needs urls" },
		{ "{'urls':null}", ERR_REQUEST_INVALID, "/urls", "needs urls" },
		{ "{'urls':[]}", ERR_REQUEST_INVALID, "/urls", "at least one" },
		{ "{'urls':'https://a/'}", ERR_REQUEST_INVALID, "/urls", "list" },
		{ "{'urls':[7]}", ERR_REQUEST_INVALID, "/urls/0", "URL" },
		{ "{'urls':['']}", ERR_REQUEST_INVALID, "/urls/0", "empty" },
		{ "{'urls':[{}]}", ERR_REQUEST_INVALID, "/urls/0/url", "needs a url" },
		{ "[]", ERR_REQUEST_INVALID, "", "object" },
		{ "{'urls':['https://a/'],'deadline':0}", ERR_REQUEST_INVALID, "/deadline",
			"1 to" },
		{ "{'urls':['https://a/'],'deadline':'1h'}", ERR_REQUEST_INVALID, "/deadline",
			"number" },
		{ "{'urls':['https://a/'],'tag':''}", ERR_REQUEST_INVALID, "/tag", "empty" },
		{ "{'urls':['https://a/'],'metadata':[]}", ERR_REQUEST_INVALID, "/metadata",
			"object" },
		{ "{'urls':['https://a/'],'preset':7}", ERR_REQUEST_INVALID, "/preset", "string" },
		{ "{'urls':['https://a/'],'variants':[]}", ERR_REQUEST_INVALID, "/variants",
			"at least one" },
		{ "{'urls':['https://a/',{'url':'https://b/','variants':[{'name':'x','widt':1}]}]}",
			ERR_REQUEST_UNKNOWN_MEMBER, "/urls/1/variants/0/widt", "'width'" },
	};
	assert_each_refused(cases, ARRAY_LEN(cases), assert_request_refused);
}

static void each_limit_is_named_with_its_number(void **state)
{
	(void)state;
	limits = (struct request_limits){ .urls = 2,
		.variants = 1,
		.refs = 1,
		.ref_bytes = 3,
		.url_bytes = 20,
		.headers = 1,
		.header_bytes = 10,
		.metadata_bytes = 12,
		.tag_bytes = 4 };
	static const struct {
		const char *text, *pointer, *words;
	} cases[] = {
		{ "{'urls':['https://a/','https://b/','https://c/']}", "/urls",
			"3 URLs: the limit is 2" },
		{ "{'urls':['https://a.example/too-long']}", "/urls/0", "the limit is 20" },
		{ "{'urls':['https://a/'],'variants':[{'name':'a'},{'name':'b'}]}", "/variants",
			"2 variants: the limit is 1" },
		{ "{'urls':['https://a/'],'tag':'12345'}", "/tag", "5 bytes: the limit is 4" },
		{ "{'urls':['https://a/'],'metadata':{'a':'123456'}}", "/metadata", "limit is 12" },
		{ "{'urls':[{'url':'https://a/','ref':'1234'}]}", "/urls/0/ref", "limit is 3" },
		{ "{'urls':[{'url':'https://a/','ref':'1'},{'url':'https://a/','ref':'2'}]}",
			"/urls/1/ref", "2 refs for one URL: the limit is 1" },
		{ "{'urls':[{'url':'https://a/','headers':{'A':'1','B':'2'}}]}", "/urls/0/headers",
			"2 headers: the limit is 1" },
		{ "{'urls':[{'url':'https://a/','headers':{'A':'1234567890'}}]}",
			"/urls/0/headers/A", "11 bytes: the limit is 10" },
		{ "{'urls':[{'url':'https://a/','cache_key':'123456789012345678901'}]}",
			"/urls/0/cache_key", "the limit is 20" },
		{ "{'urls':[{'url':'https://a/','metadata':{'a':'123456'}}]}", "/urls/0/metadata",
			"the limit is 12" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_request_refused(cases[i].text, ERR_REQUEST_LIMIT, cases[i].pointer,
			cases[i].words);
}

static void a_server_of_presets_only_refuses_variants(void **state)
{
	(void)state;
	limits.only_presets = true;
	assert_request_refused("{'urls':['https://a/'],'variants':[{'name':'a'}]}",
		ERR_REQUEST_UNSUPPORTED, "/variants", "presets only");
	struct request *r = request_of("{'urls':['https://a/'],'preset':'web'}");
	request_free(r);
}

static void ten_thousand_wrong_urls_make_a_hundred_faults(void **state)
{
	(void)state;
	autojson *body = json_obj();
	json_t *urls = json_arr();
	for (int i = 0; i < 10000; i++)
		json_push(urls, json_string("ftp://a.example/"));
	json_put(body, "urls", urls);
	struct faults f = { 0 };
	struct request *r = NULL;
	assert_false(request_parse(body, &limits, presets, &r, &f));
	assert_int_equal(f.n, 10000);
	assert_int_equal(json_array_size(f.list), 100);
	assert_int_equal(f.code, ERR_REQUEST_INVALID);
	assert_string_equal(fault_pointer(&f, 99), "/urls/99");
	faults_done(&f);
}

static const struct CMUnitTest tests[] = {
	request_test(a_list_of_urls_is_enough),
	request_test(every_member_of_a_job_is_read),
	request_test(a_webhook_is_told_of_the_jobs_end_unless_it_says_of_what),
	request_test(a_webhook_that_can_never_be_right_is_refused),
	request_test(the_items_of_another_job_may_stand_in_place_of_urls),
	request_test(taken_items_become_a_set_under_the_new_options),
	request_test(a_typo_is_never_ignored),
	request_test(wrong_values_are_refused_with_their_place),
	request_test(each_limit_is_named_with_its_number),
	request_test(a_server_of_presets_only_refuses_variants),
	request_test(ten_thousand_wrong_urls_make_a_hundred_faults),
};
TEST_MAIN(tests)
