/* SPDX-License-Identifier: MIT */
#include "request_test.h"

#include "job/cut.h"

static const struct cut_site site = {
	.codecs = "codecs 1",
	.models = { { "fast", "u2netp@309c8469258d" }, { "fine", "isnet@b6e8497ba978" } },
	.models_n = 2,
	.provider = "api.remove.bg",
	.call_cost = CREDIT,
	.threshold = 0.6,
};

static struct cut cut_of(const char *text)
{
	autojson *doc = json_of(text);
	struct faults f = { 0 };
	struct cut c = { 0 };
	if (!cut_parse(doc, "/background", &c, &f))
		fail_msg("%s: %s", fault_pointer(&f, 0), fault_detail(&f, 0));
	return c;
}

static void assert_cut_refused(const char *text, enum err_code code, const char *pointer,
	const char *words)
{
	autojson *doc = json_of(text);
	struct faults f = { 0 };
	struct cut c = { 0 };
	assert_false(cut_parse(doc, "/background", &c, &f));
	assert_fault(&f, code, pointer, words);
}

static void what_is_not_said_has_a_default(void **state)
{
	(void)state;
	struct cut c = cut_of("{'remove':true}");
	assert_true(c.remove);
	assert_int_equal(c.engine, CUT_LOCAL);
	assert_string_equal(c.model, "fast");
	assert_int_equal(c.apply, CUT_APPLY_CUTOUT);
	assert_int_equal(c.format, FORMAT_PNG);
	assert_false(c.has_fill);
	assert_false(c.crop);
	assert_int_equal(c.margin, 0);
	assert_int_equal(c.max_cost, 0);
	assert_false(c.confirm_charge);
}

static void every_member_is_read_and_written_back(void **state)
{
	(void)state;
	static const char *const texts[] = {
		("{'remove':true,'engine':'auto','model':'my-model_2','apply':'both','format':'webp',"
		 "'fill':'#fff','crop':true,'margin':'10%','max_cost':2.5,'confirm_charge':true}"),
		"{'remove':true,'engine':'remote','crop':true,'margin':20,'max_cost':3}",
		"{'remove':true,'engine':'flat'}",
		"{'remove':false}",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct cut c = cut_of(texts[i]), back = { 0 };
		struct err e = { 0 };
		autojson *doc = cut_json(&c);
		assert_ok(cut_from_json(doc, &back, &e));
		autojson *again = cut_json(&back);
		assert_true(json_equal(doc, again));
	}
	struct cut c = cut_of(texts[0]);
	assert_int_equal(c.engine, CUT_AUTO);
	assert_string_equal(c.model, "my-model_2");
	assert_int_equal(c.apply, CUT_APPLY_BOTH);
	assert_int_equal(c.format, FORMAT_WEBP);
	assert_true(c.has_fill && c.fill.r == 255 && c.fill.a == 255);
	assert_true(c.crop && c.margin == 10 && c.margin_percent);
	assert_int_equal(c.max_cost, 2500);
	assert_true(c.confirm_charge);
}

static void variants_are_made_from_a_file_that_lost_nothing(void **state)
{
	(void)state;
	struct cut c = cut_of("{'remove':true,'apply':'variants','format':'webp'}");
	assert_int_equal(c.format, FORMAT_PNG);
}

static void each_fault_is_named_at_its_place(void **state)
{
	(void)state;
	static const struct {
		const char *members, *pointer, *words;
		enum err_code code;
	} cases[] = {
		{ "'engin':'auto'", "/background/engin", "did you mean 'engine'?",
			ERR_REQUEST_UNKNOWN_MEMBER },
		{ "'engine':'remot'", "/background/engine", "did you mean 'remote'?", 0 },
		{ "'engine':1", "/background/engine", "one of local, auto, remote, flat", 0 },
		{ "'model':''", "/background/model", "not empty", 0 },
		{ "'model':'Fast'", "/background/model", "only a-z", 0 },
		{ "'model':'abcdefghijklmnopqrstuvwxyz0123456'", "/background/model",
			"the limit is 32", ERR_REQUEST_LIMIT },
		{ "'apply':'variant'", "/background/apply", "did you mean 'variants'?", 0 },
		{ "'format':'jpeg'", "/background/format", "one of png, webp", 0 },
		{ "'fill':'whitish'", "/background/fill", "colour", 0 },
		{ "'fill':'#ffffff80'", "/background/fill", "opaque", 0 },
		{ "'fill':'transparent'", "/background/fill", "opaque", 0 },
		{ "'crop':1", "/background/crop", "true or false", 0 },
		{ "'margin':5", "/background/margin", "'crop': true", 0 },
		{ "'crop':true,'margin':501", "/background/margin", "0 to 500", 0 },
		{ "'crop':true,'margin':-1", "/background/margin", "0 to 500", 0 },
		{ "'crop':true,'margin':'51%'", "/background/margin", "'50%'", 0 },
		{ "'crop':true,'margin':'-1%'", "/background/margin", "'50%'", 0 },
		{ "'crop':true,'margin':'10'", "/background/margin", "'50%'", 0 },
		{ "'max_cost':'5'", "/background/max_cost", "must be a number", 0 },
		{ "'max_cost':-1", "/background/max_cost", "0 to 1000000", 0 },
		{ "'max_cost':1e9", "/background/max_cost", "0 to 1000000", 0 },
		{ "'max_cost':0.0001", "/background/max_cost", "thousandths", 0 },
		{ "'confirm_charge':'yes'", "/background/confirm_charge", "true or false", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autofree char *text = mem_printf("{'remove':true,%s}", cases[i].members);
		assert_cut_refused(text, cases[i].code ? cases[i].code : ERR_REQUEST_INVALID,
			cases[i].pointer, cases[i].words);
	}
	assert_cut_refused("{'remove':'yes'}", ERR_REQUEST_INVALID, "/background/remove",
		"true or false");
	assert_cut_refused("{'engine':'auto'}", ERR_REQUEST_INVALID, "/background/remove",
		"must say true");
	assert_cut_refused("{}", ERR_REQUEST_INVALID, "/background/remove", "must say true");
	assert_cut_refused("[]", ERR_REQUEST_INVALID, "/background", "must be an object");
	assert_cut_refused("true", ERR_REQUEST_INVALID, "/background", "must be an object");
}

static void text_of_our_own_that_is_wrong_is_an_error(void **state)
{
	(void)state;
	autojson *doc = json_of("{'remove':true,'engine':'none'}");
	struct cut c;
	struct err e = { 0 };
	assert_err(cut_from_json(doc, &c, &e), ERR_INTERNAL);
	assert_non_null(strstr(e.text, "/engine"));
	assert_err(cut_from_json(NULL, &c, &e), ERR_INTERNAL);
}

/* ---- digests ---- */

static bool same(const char *a, const char *b, enum cut_engine engine)
{
	struct cut ca = cut_of(a), cb = cut_of(b);
	uint8_t da[SHA256_LEN], db[SHA256_LEN];
	assert_true(cut_digest(&ca, engine, &site, da));
	assert_true(cut_digest(&cb, engine, &site, db));
	return memcmp(da, db, SHA256_LEN) == 0;
}

static void a_result_is_what_made_it_and_how_it_was_finished(void **state)
{
	(void)state;
	const char *plain = "{'remove':true}";
	assert_true(same(plain, "{'remove':true,'engine':'auto','max_cost':5}", CUT_LOCAL));
	assert_true(same(plain, "{'remove':true,'apply':'both'}", CUT_LOCAL));
	assert_true(same(plain, "{'remove':true,'confirm_charge':true}", CUT_REMOTE));
	assert_true(same(plain, "{'remove':true,'model':'fine'}", CUT_REMOTE));
	assert_false(same(plain, "{'remove':true,'model':'fine'}", CUT_LOCAL));
	assert_false(same(plain, "{'remove':true,'format':'webp'}", CUT_LOCAL));
	assert_false(same(plain, "{'remove':true,'fill':'white'}", CUT_FLAT));
	assert_false(same(plain, "{'remove':true,'crop':true}", CUT_FLAT));
	assert_true(same("{'remove':true,'crop':true}", "{'remove':true,'crop':true,'margin':'0%'}",
		CUT_FLAT));
	assert_false(same("{'remove':true,'crop':true,'margin':5}",
		"{'remove':true,'crop':true,'margin':'5%'}", CUT_FLAT));
}

static void engines_and_what_stands_behind_them_differ(void **state)
{
	(void)state;
	struct cut c = cut_of("{'remove':true}");
	struct cut_site other = site, bare = { .codecs = "codecs 1" };
	uint8_t a[SHA256_LEN], b[SHA256_LEN];
	assert_true(cut_digest(&c, CUT_LOCAL, &site, a));
	assert_true(cut_digest(&c, CUT_FLAT, &site, b));
	assert_memory_not_equal(a, b, SHA256_LEN);
	snprintf(other.models[0].ident, sizeof other.models[0].ident, "u2netp@other");
	assert_true(cut_digest(&c, CUT_LOCAL, &other, b));
	assert_memory_not_equal(a, b, SHA256_LEN);
	other = site;
	other.codecs = "codecs 2";
	assert_true(cut_digest(&c, CUT_LOCAL, &other, b));
	assert_memory_not_equal(a, b, SHA256_LEN);
	assert_false(cut_digest(&c, CUT_LOCAL, &bare, b));
	assert_false(cut_digest(&c, CUT_REMOTE, &bare, b));
	assert_true(cut_digest(&c, CUT_FLAT, &bare, b));
	assert_false(cut_digest(&c, CUT_LOCAL, NULL, b));
	assert_null(cut_model_ident(&site, "none"));
	assert_string_equal(cut_model_ident(&site, "fine"), "isnet@b6e8497ba978");
}

static void a_task_is_what_it_would_do(void **state)
{
	(void)state;
	struct cut a = cut_of("{'remove':true,'engine':'auto','max_cost':1}");
	struct cut b = cut_of("{'remove':true,'engine':'auto','max_cost':7,'apply':'both'}");
	struct cut c = cut_of("{'remove':true,'engine':'auto'}");
	uint8_t da[SHA256_LEN], db[SHA256_LEN];
	cut_task_digest(&a, &site, da);
	cut_task_digest(&b, &site, db);
	assert_memory_equal(da, db, SHA256_LEN); /* both may pay */
	cut_task_digest(&c, &site, db);
	assert_memory_not_equal(da, db, SHA256_LEN);
	a = cut_of("{'remove':true,'max_cost':1}");
	b = cut_of("{'remove':true}");
	cut_task_digest(&a, &site, da);
	cut_task_digest(&b, &site, db);
	assert_memory_equal(da, db, SHA256_LEN); /* the local engine never pays */
	b = cut_of("{'remove':true,'model':'fine'}");
	cut_task_digest(&b, &site, db);
	assert_memory_not_equal(da, db, SHA256_LEN);
	cut_task_digest(&b, NULL, db);
}

static void a_paid_answer_belongs_to_its_provider(void **state)
{
	(void)state;
	struct cut_site other = site;
	uint8_t a[SHA256_LEN], b[SHA256_LEN];
	cut_charge_digest(&site, a);
	other.threshold = 1;
	cut_charge_digest(&other, b);
	assert_memory_equal(a, b, SHA256_LEN);
	other.provider = "cut.example";
	cut_charge_digest(&other, b);
	assert_memory_not_equal(a, b, SHA256_LEN);
}

static void a_product_is_read_back(void **state)
{
	(void)state;
	struct cut_product p = { .key = "cut/1",
		.sha256 = { 9 },
		.bytes = 77,
		.format = FORMAT_WEBP,
		.width = 30,
		.height = 20,
		.left = 4,
		.top = 5,
		.engine = CUT_REMOTE,
		.ident = "api.remove.bg",
		.confidence = -1,
		.cost = 250 };
	struct cut_product back;
	struct err e = { 0 };
	autojson *doc = cut_product_json(&p);
	autofree char *text = json_text(doc);
	assert_ok(cut_product_parse(text, &back, &e));
	assert_string_equal(back.key, p.key);
	assert_memory_equal(back.sha256, p.sha256, SHA256_LEN);
	assert_int_equal(back.format, FORMAT_WEBP);
	assert_int_equal(back.width, 30);
	assert_int_equal(back.left, 4);
	assert_int_equal(back.top, 5);
	assert_int_equal(back.engine, CUT_REMOTE);
	assert_string_equal(back.ident, "api.remove.bg");
	assert_true(back.confidence < 0);
	assert_int_equal(back.cost, 250);
	assert_err(cut_product_parse("{}", &back, &e), ERR_INTERNAL);
}

static void every_word_has_its_public_name(void **state)
{
	(void)state;
	assert_string_equal(cut_engine_name(CUT_FLAT), "flat");
	assert_string_equal(cut_state_name(CUT_WANTED), "pending");
	assert_string_equal(cut_state_name(CUT_NONE), "none");
	assert_string_equal(cut_reason_name(CUT_REASON_ASKED), "requested");
	assert_string_equal(cut_reason_name(CUT_REASON_NO_MODEL), "no_model");
}

/* ---- in a request ---- */

static void a_job_and_its_items_may_have_a_background(void **state)
{
	(void)state;
	struct request *r = request_of(
		"{'background':{'remove':true,'max_cost':4},'dry_run':true,'urls':['https://a/1',"
		"{'url':'https://a/2','background':{'remove':false}},"
		"{'url':'https://a/3','background':{'remove':true,'max_cost':4}},"
		"{'url':'https://a/4','background':null},"
		"{'url':'https://a/5','background':{'remove':true,'engine':'flat'}}]}");
	assert_true(r->dry_run);
	assert_true(r->cut.remove);
	assert_int_equal(r->cut.max_cost, 4000);
	assert_null(r->items[0].cut);
	assert_non_null(r->items[1].cut);
	assert_false(r->items[1].cut->remove);
	assert_null(r->items[2].cut); /* the job's */
	assert_null(r->items[3].cut);
	assert_int_equal(r->items[4].cut->engine, CUT_FLAT);
	request_free(r);
	r = request_of("{'urls':['https://a/'],'background':{'remove':false}}");
	assert_false(r->cut.remove);
	request_free(r);
	assert_request_refused("{'urls':['https://a/'],'background':{'remove':true,'modle':'x'}}",
		ERR_REQUEST_UNKNOWN_MEMBER, "/background/modle", "did you mean 'model'?");
	assert_request_refused(
		"{'urls':['https://a/',{'url':'https://b/','background':{'remove':1}}]}",
		ERR_REQUEST_INVALID, "/urls/1/background/remove", "true or false");
}

static void another_background_makes_another_item_with_the_same_source(void **state)
{
	(void)state;
	struct request *r = request_of(
		"{'urls':['https://a/',"
		"{'url':'https://a/','background':{'remove':true}},"
		"{'url':'https://a/','background':{'remove':true,'fill':'red'}},"
		"{'url':'https://a/','background':{'remove':false}},"
		"{'url':'https://a/','background':{'remove':true}}]}");
	assert_int_equal(r->items_n, 3);
	assert_int_equal(r->duplicates, 2);
	assert_memory_equal(r->items[0].source_key, r->items[1].source_key, SHA256_LEN);
	assert_memory_equal(r->items[0].source_key, r->items[2].source_key, SHA256_LEN);
	request_free(r);
}

static void the_store_keeps_what_was_asked_for(void **state)
{
	(void)state;
	static const uint8_t seal_key[32] = { 1 };
	struct err e = { 0 };
	struct request *r = request_of(
		"{'background':{'remove':true,'engine':'auto','max_cost':1},'urls':['https://a/',"
		"{'url':'https://b/','background':{'remove':false}}]}");
	autofree char *settings = request_settings_text(r);
	autofree char *extra = request_item_extra_text(&r->items[1], seal_key);
	struct job_settings s;
	struct item_extra x;
	assert_null(request_item_extra_text(&r->items[0], seal_key));
	assert_ok(job_settings_parse(settings, &s, &e));
	assert_true(s.cut.remove);
	assert_int_equal(s.cut.engine, CUT_AUTO);
	assert_int_equal(s.cut.max_cost, 1000);
	assert_ok(item_extra_parse(extra, &x, &e));
	assert_true(x.has_cut);
	assert_false(x.cut.remove);
	item_extra_done(&x);
	job_settings_done(&s);
	request_free(r);
	r = request_of("{'urls':['https://a/']}");
	autofree char *plain = request_settings_text(r);
	assert_null(strstr(plain, "background\":{"));
	assert_ok(job_settings_parse(plain, &s, &e));
	assert_false(s.cut.remove);
	job_settings_done(&s);
	request_free(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_is_not_said_has_a_default),
	cmocka_unit_test(every_member_is_read_and_written_back),
	cmocka_unit_test(variants_are_made_from_a_file_that_lost_nothing),
	cmocka_unit_test(each_fault_is_named_at_its_place),
	cmocka_unit_test(text_of_our_own_that_is_wrong_is_an_error),
	cmocka_unit_test(a_result_is_what_made_it_and_how_it_was_finished),
	cmocka_unit_test(engines_and_what_stands_behind_them_differ),
	cmocka_unit_test(a_task_is_what_it_would_do),
	cmocka_unit_test(a_paid_answer_belongs_to_its_provider),
	cmocka_unit_test(a_product_is_read_back),
	cmocka_unit_test(every_word_has_its_public_name),
	request_test(a_job_and_its_items_may_have_a_background),
	request_test(another_background_makes_another_item_with_the_same_source),
	request_test(the_store_keeps_what_was_asked_for),
};
TEST_MAIN(tests)
