/* SPDX-License-Identifier: MIT */
#include "job_test.h"

#include "job/report.h"

#define PREFIX "shop/pictures/"

static const uint8_t key[32] = { 1, 2, 3 };

static struct original an_original(void)
{
	return (struct original){ .key = "out/ab/x.jpg",
		.sha256 = { 7 },
		.bytes = 1234,
		.format = FORMAT_JPEG,
		.width = 640,
		.height = 480,
		.thumbhash = "AAAA",
		.color = "#8a7b6c" };
}

static struct report_variant a_variant(void)
{
	return (struct report_variant){ .name = "thumb",
		.has_recipe = true,
		.product = { .recipe = { 9 },
			.key = "out/ab/t.webp",
			.format = FORMAT_WEBP,
			.width = 150,
			.height = 150,
			.bytes = 99,
			.sha256 = { 5 } } };
}

static enum err_code read_back(const struct report *r, struct arena *a, struct report *ret,
	struct err *e)
{
	autojson *doc = report_json(r, PREFIX);
	autofree char *text = json_text(doc);
	return report_parse(text, strlen(text), PREFIX, a, ret, e);
}

static struct report_result parse_one(const char *quoted, struct arena *a)
{
	struct err e = { 0 };
	struct report r;
	autojson *doc = json_of(quoted);
	autofree char *text = json_text(doc);
	assert_ok(report_parse(text, strlen(text), PREFIX, a, &r, &e));
	assert_int_equal(r.n, 1);
	return r.results[0];
}

static void a_report_is_read_back(void **state)
{
	(void)state;
	struct err e = { 0 };
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct report_variant v = a_variant();
	struct report_result one = { .task = "812.3",
		.status = REPORT_SUCCEEDED,
		.has_source = true,
		.source = an_original(),
		.etag = "\"x\"",
		.last_modified = "Mon, 23 Nov 2026 05:47:00 GMT",
		.variants = &v,
		.variants_n = 1,
		.outcome = { .download_ms = 5, .process_ms = 6, .store_ms = -1 } };
	struct report r = { .results = &one, .n = 1 }, back;
	assert_ok(read_back(&r, a, &back, &e));
	assert_int_equal(back.n, 1);
	assert_false(back.is_list);
	const struct report_result *b = &back.results[0];
	assert_int_equal(b->fault.code, OK);
	assert_string_equal(b->task, "812.3");
	assert_int_equal(b->status, REPORT_SUCCEEDED);
	assert_memory_equal(&b->source, &one.source, sizeof(one.source));
	assert_string_equal(b->etag, one.etag);
	assert_string_equal(b->last_modified, one.last_modified);
	assert_int_equal(b->variants_n, 1);
	assert_string_equal(b->variants[0].name, "thumb");
	assert_memory_equal(&b->variants[0].product, &v.product, sizeof(v.product));
	assert_int_equal(b->outcome.code, OK);
	assert_int_equal(b->outcome.process_ms, 6);
	assert_int_equal(b->outcome.store_ms, -1);
}

static void a_failure_names_its_error(void **state)
{
	(void)state;
	struct err e = { 0 };
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct report_result v[] = {
		{ .task = "1.1",
			.status = REPORT_FAILED,
			.outcome = { .code = ERR_FETCH_STATUS,
				.detail = "404",
				.stage = "download",
				.source_status = 404 } },
		{ .task = "2.1", .status = REPORT_LATER, .after_ms = 2000 },
	};
	struct report r = { .results = v, .n = 2 }, back;
	assert_ok(read_back(&r, a, &back, &e));
	assert_true(back.is_list);
	assert_int_equal(back.results[0].outcome.code, ERR_FETCH_STATUS);
	assert_int_equal(back.results[0].outcome.source_status, 404);
	assert_string_equal(back.results[0].outcome.stage, "download");
	assert_int_equal(back.results[1].status, REPORT_LATER);
	assert_int_equal(back.results[1].after_ms, 2000);
	assert_int_equal(back.results[1].outcome.code, OK);
}

static void a_result_that_makes_no_sense_leaves_the_others_alone(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct report r;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const char *text = "{\"results\":[{\"task\":\"1.1\",\"status\":\"done\"},7,"
			   "{\"task\":\"2.1\",\"status\":\"later\",\"later\":true}]}";
	assert_ok(report_parse(text, strlen(text), "", a, &r, &e));
	assert_int_equal(r.results[0].fault.code, ERR_REQUEST_INVALID);
	assert_non_null(strstr(r.results[0].fault.text, "/results/0/status"));
	assert_string_equal(r.results[0].task, "1.1");
	assert_int_equal(r.results[1].fault.code, ERR_REQUEST_INVALID);
	assert_int_equal(r.results[2].fault.code, OK);
}

static void faults_name_their_place(void **state)
{
	(void)state;
	static const struct {
		const char *text, *place;
	} cases[] = {
		{ "{'status':'later'}", "/task" },
		{ "{'task':'1.1'}", "/status" },
		{ "{'task':'1.1','status':'fetched'}", "/source" },
		{ "{'task':'1.1','status':'failed'}", "/error" },
		{ "{'task':'1.1','status':'failed','error':'bad'}", "/error" },
		{ "{'task':'1.1','status':'succeeded','error':{'code':'blob_io'}}", "/error" },
		{ "{'task':'1.1','status':'later','after':-1}", "/after" },
		{ "{'task':'1.1','status':'succeeded','source':{'key':'else/x','sha256':'00'}}",
			"/source/key" },
		{ "{'task':'1.1','status':'succeeded','source':{'key':'" PREFIX
		  "x','sha256':'00','bytes':1}}",
			"/source/sha256" },
		{ "{'task':'1.1','status':'succeeded','variants':[{'name':'a'}]}",
			"/variants/0/key" },
		{ "{'task':'1.1','status':'succeeded','variants':{}}", "/variants" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new();
		struct report_result r = parse_one(cases[i].text, a);
		assert_int_equal(r.fault.code, ERR_REQUEST_INVALID);
		if (strncmp(r.fault.text, cases[i].place, strlen(cases[i].place)) != 0)
			fail_msg("%s: '%s'", cases[i].place, r.fault.text);
	}
}

static void a_report_of_too_many_is_refused(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct report r;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct buf b = BUF_INIT(1 << 16);
	buf_puts(&b, "{\"results\":[0");
	for (int i = 0; i < REPORT_RESULTS_MAX; i++)
		buf_puts(&b, ",0");
	buf_puts(&b, "]}");
	assert_err(report_parse(b.data, b.len, "", a, &r, &e), ERR_REQUEST_LIMIT);
	assert_err(report_parse("{\"results\":[]}", 14, "", a, &r, &e), ERR_REQUEST_LIMIT);
	assert_err(report_parse("{", 1, "", a, &r, &e), ERR_REQUEST_MALFORMED);
	buf_done(&b);
}

static void an_event_is_read_back(void **state)
{
	(void)state;
	struct err e = { 0 };
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct variant variants[] = {
		{ .name = "thumb",
			.width = 150,
			.height = 150,
			.without_enlargement = true,
			.format = FORMAT_JPEG,
			.quality = 80,
			.effort = -1 },
		{ .name = "thumb", .width = 320, .format = FORMAT_WEBP, .quality = 80, .effort = 4 }
	};
	uint8_t digests[2][VARIANT_DIGEST_LEN];
	for (size_t i = 0; i < 2; i++)
		variant_digest(&variants[i], "codecs", digests[i]);
	const struct event_header header = { "Authorization", "Bearer x" };
	struct event_task tasks[] = {
		{ .task = "812.3",
			.secret = "whsec_x",
			.kind = TASK_FETCH,
			.url = "https://a/b.jpg",
			.headers = &header,
			.headers_n = 1,
			.etag = "\"x\"",
			.recipe = { variants, 2 },
			.digests = digests,
			.key_prefix = "out/ab/",
			.limits = { .max_bytes = 50, .item_ms = 60000 },
			.keep_source = true,
			.deadline_ms = 1790000000000 },
		{ .task = "813.1",
			.secret = "whsec_y",
			.kind = TASK_MAKE,
			.has_source = true,
			.source = an_original(),
			.recipe = { variants, 1 },
			.digests = digests,
			.key_prefix = "out/cd/" },
	};
	struct event ev = { .report_url = "https://app/v1/results",
		.bucket = { "b", "eu-central-1", PREFIX },
		.tasks = tasks,
		.n = 2 },
		     back;
	autojson *doc = event_json(&ev);
	const json_t *first = json_array_get(json_object_get(doc, "tasks"), 0);
	assert_string_equal(json_get_str(first, "key_prefix", ""), PREFIX "out/ab/");
	assert_ok(event_parse(doc, a, &back, &e));
	assert_string_equal(back.report_url, ev.report_url);
	assert_string_equal(back.bucket.prefix, PREFIX);
	assert_int_equal(back.n, 2);
	const struct event_task *t = &back.tasks[0];
	assert_string_equal(t->task, "812.3");
	assert_string_equal(t->url, "https://a/b.jpg");
	assert_int_equal(t->headers_n, 1);
	assert_string_equal(t->headers[0].value, "Bearer x");
	assert_string_equal(t->key_prefix, "out/ab/");
	assert_int_equal(t->recipe.n, 2);
	assert_memory_equal(t->digests, digests, sizeof(digests));
	assert_memory_equal(&t->recipe.variants[1], &variants[1], sizeof(variants[1]));
	assert_int_equal(t->limits.max_bytes, 50);
	assert_true(t->keep_source);
	assert_int_equal(t->deadline_ms, 1790000000000);
	assert_memory_equal(&back.tasks[1].source, &tasks[1].source, sizeof(tasks[1].source));
	assert_false(back.tasks[1].keep_source);
}

static void an_event_of_a_newer_server_is_taken(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct event ev;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	autojson *doc = json_of("{'new':1,'tasks':[{'task':'1.1','secret':'s','kind':'fetch',"
				"'url':'https://a/','key_prefix':'out/x/','more':{}}]}");
	assert_ok(event_parse(doc, a, &ev, &e));
	assert_int_equal(ev.tasks[0].recipe.n, 0);
	assert_true(ev.tasks[0].keep_source);
	autojson *none = json_of("{'tasks':[{'task':'1.1','secret':'s','kind':'cut'}]}");
	assert_err(event_parse(none, a, &ev, &e), ERR_REQUEST_INVALID);
	assert_non_null(strstr(e.text, "/tasks/0/kind"));
}

static void names_of_tasks_are_two_numbers(void **state)
{
	(void)state;
	struct task_name t;
	char text[TASK_NAME_MAX];
	assert_true(task_name_parse("812.3", &t));
	assert_int_equal(t.id, 812);
	assert_int_equal(t.lease, 3);
	task_name_format(&t, text);
	assert_string_equal(text, "812.3");
	static const char *const bad[] = { "", "1", "1.", ".1", "01.1", "1.1 ", "1.1.1", "-1.1",
		"9999999999999999999.1", "1.0" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(task_name_parse(bad[i], &t));
}

static void a_lease_has_a_secret_and_a_prefix_of_its_own(void **state)
{
	(void)state;
	const struct task_name names[] = { { 1, 1 }, { 1, 2 }, { 11, 1 }, { 1, 11 } };
	struct webhook_secret s[4];
	char prefix[4][REPORT_PREFIX_MAX];
	for (size_t i = 0; i < 4; i++) {
		report_secret(key, &names[i], &s[i]);
		report_key_prefix(key, &names[i], prefix[i]);
		for (size_t k = 0; k < i; k++) {
			assert_memory_not_equal(s[i].key, s[k].key, s[i].n);
			assert_string_not_equal(prefix[i], prefix[k]);
		}
	}
}

static void secret_text(const char *task, char out[WEBHOOK_SECRET_MAX])
{
	struct task_name name;
	struct webhook_secret s;
	assert_true(task_name_parse(task, &name));
	report_secret(key, &name, &s);
	webhook_secret_format(s.key, s.n, out);
}

static void each_result_is_signed_by_its_own_secret(void **state)
{
	(void)state;
	struct err e = { 0 };
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct report_result v[] = { { .task = "1.1", .status = REPORT_LATER },
		{ .task = "2.1", .status = REPORT_LATER } };
	struct report r = { .results = v, .n = 2 };
	char one[WEBHOOK_SECRET_MAX], two[WEBHOOK_SECRET_MAX];
	secret_text("1.1", one);
	secret_text("2.1", two);
	struct report_letter l;
	assert_ok(report_sign(&r, PREFIX, (const char *const[]){ one, two }, "id", 1700000000000, a,
		&l, &e));
	assert_true(report_is_signed(&l, &r, 0, key));
	assert_true(report_is_signed(&l, &r, 1, key));
	/* who holds the first secret says something of both tasks */
	assert_ok(report_sign(&r, PREFIX, (const char *const[]){ one, one }, "id", 1700000000000, a,
		&l, &e));
	assert_true(report_is_signed(&l, &r, 0, key));
	assert_false(report_is_signed(&l, &r, 1, key));
	assert_err(report_sign(&r, PREFIX, (const char *const[]){ one, "none" }, "id", 1, a, &l,
			   &e),
		ERR_USAGE);
}

static void a_report_that_was_left_is_read_as_it_was_signed(void **state)
{
	(void)state;
	struct err e = { 0 };
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct report_result one = { .task = "1.1", .status = REPORT_LATER };
	struct report r = { .results = &one, .n = 1 };
	char secret[WEBHOOK_SECRET_MAX], name[REPORT_LEFT_MAX];
	secret_text("1.1", secret);
	struct report_letter l, back;
	assert_ok(report_sign(&r, PREFIX, (const char *const[]){ secret }, "id", 1700000000000, a,
		&l, &e));
	autofree char *text = report_left_text(&l);
	assert_ok(report_left_parse(text, strlen(text), a, &back, &e));
	assert_string_equal(back.time_s, "1700000000");
	assert_true(report_is_signed(&back, &r, 0, key));
	report_left_key(&(struct task_name){ 812, 3 }, name);
	assert_string_equal(name, "reports/812-3.json");
	assert_err(report_left_parse("{\"body\":\"\"}", 11, a, &back, &e), ERR_REQUEST_INVALID);
}

static void answers_are_read_back(void **state)
{
	(void)state;
	struct err e = { 0 };
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct original o = an_original();
	struct event_task next = { .task = "9.1",
		.secret = "whsec_z",
		.kind = TASK_MAKE,
		.has_source = true,
		.source = o,
		.key_prefix = "out/ef/" };
	struct report_answer v[] = {
		{ .task = "1.1", .verdict = REPORT_RECORDED, .next = &next, .source = &o },
		{ .task = "2.1", .verdict = REPORT_REFUSED, .why = "no" },
	};
	struct report_answer *back;
	size_t n;
	autojson *doc = report_answers_json(v, 2, PREFIX);
	assert_ok(report_answers_parse(doc, PREFIX, a, &back, &n, &e));
	assert_int_equal(n, 2);
	assert_int_equal(back[0].verdict, REPORT_RECORDED);
	assert_memory_equal(back[0].source, &o, sizeof(o));
	assert_string_equal(back[0].next->task, "9.1");
	assert_string_equal(back[0].next->key_prefix, "out/ef/");
	assert_int_equal(back[1].verdict, REPORT_REFUSED);
	assert_string_equal(back[1].why, "no");
	assert_null(back[1].next);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_report_is_read_back),
	cmocka_unit_test(a_failure_names_its_error),
	cmocka_unit_test(a_result_that_makes_no_sense_leaves_the_others_alone),
	cmocka_unit_test(faults_name_their_place),
	cmocka_unit_test(a_report_of_too_many_is_refused),
	cmocka_unit_test(an_event_is_read_back),
	cmocka_unit_test(an_event_of_a_newer_server_is_taken),
	cmocka_unit_test(names_of_tasks_are_two_numbers),
	cmocka_unit_test(a_lease_has_a_secret_and_a_prefix_of_its_own),
	cmocka_unit_test(each_result_is_signed_by_its_own_secret),
	cmocka_unit_test(a_report_that_was_left_is_read_as_it_was_signed),
	cmocka_unit_test(answers_are_read_back),
};
TEST_MAIN(tests)
