/* SPDX-License-Identifier: MIT */
#include "job_test.h"

#include "base/near.h"

/* How often a nearest name was looked for. */
static size_t searches;
const char *__real_near_find(const char *word, const char *const *names, size_t n);
const char *__wrap_near_find(const char *word, const char *const *names, size_t n);
const char *__wrap_near_find(const char *word, const char *const *names, size_t n)
{
	searches++;
	return __real_near_find(word, names, n);
}

static struct recipe recipe_of(const char *text)
{
	autojson *j = json_of(text);
	struct faults f = { 0 };
	struct recipe r = { 0 };
	if (!recipe_parse(j, "/variants", &r, &f))
		fail_msg("%s: %s", fault_pointer(&f, 0), fault_detail(&f, 0));
	return r;
}

static void assert_refused(const char *text, enum err_code code, const char *pointer,
	const char *words)
{
	autojson *j = json_of(text);
	struct faults f = { 0 };
	struct recipe r = { .n = 77 };
	assert_false(recipe_parse(j, "/variants", &r, &f));
	assert_int_equal(r.n, 77);
	assert_fault(&f, code, pointer, words);
}

/* What two variants have in common is done once. */
static bool same_work(const char *a, const char *b)
{
	struct recipe ra = recipe_of(a), rb = recipe_of(b);
	uint8_t da[VARIANT_DIGEST_LEN], db[VARIANT_DIGEST_LEN];
	variant_digest(&ra.variants[0], "codecs 1", da);
	variant_digest(&rb.variants[0], "codecs 1", db);
	recipe_done(&ra);
	recipe_done(&rb);
	return memcmp(da, db, sizeof(da)) == 0;
}

static void a_variant_gets_the_defaults_of_its_format(void **state)
{
	(void)state;
	struct recipe r = recipe_of("[{'name':'a'},{'name':'b','format':'webp'},"
				    "{'name':'c','format':'avif'},{'name':'d','format':'png'}]");
	assert_int_equal(r.n, 4);
	const struct variant *v = r.variants;
	assert_int_equal(v[0].format, FORMAT_JPEG);
	assert_int_equal(v[0].quality, 80);
	assert_int_equal(v[0].effort, -1);
	assert_int_equal(v[0].fit, FIT_COVER);
	assert_int_equal(v[0].position, POSITION_CENTRE);
	assert_int_equal(v[0].background.a, 255);
	assert_int_equal(v[1].quality, 80);
	assert_int_equal(v[1].effort, 4);
	assert_int_equal(v[2].quality, 50);
	assert_int_equal(v[2].effort, 2);
	assert_int_equal(v[3].quality, 100);
	assert_int_equal(v[3].effort, 7);
	recipe_done(&r);
}

static void every_option_is_read(void **state)
{
	(void)state;
	struct recipe r = recipe_of(
		"[{'name':'hero-1','width':640,'height':480.0,'fit':'contain',"
		"'position':'left top','without_enlargement':true,'format':'webp',"
		"'quality':91,'effort':6,'lossless':true,"
		"'background':{'r':1,'g':2,'b':3,'alpha':0.5}}]");
	const struct variant *v = &r.variants[0];
	assert_string_equal(v->name, "hero-1");
	assert_int_equal(v->width, 640);
	assert_int_equal(v->height, 480);
	assert_int_equal(v->fit, FIT_CONTAIN);
	assert_int_equal(v->position, POSITION_NORTHWEST);
	assert_true(v->without_enlargement);
	assert_int_equal(v->quality, 91);
	assert_int_equal(v->effort, 6);
	assert_true(v->lossless);
	assert_int_equal(v->background.b, 3);
	assert_int_equal(v->background.a, 128);
	recipe_done(&r);
}

static void sharps_words_for_positions_all_serve(void **state)
{
	(void)state;
	static const struct {
		const char *word;
		enum position position;
	} words[] = {
		{ "centre", POSITION_CENTRE },
		{ "center", POSITION_CENTRE },
		{ "north", POSITION_NORTH },
		{ "top", POSITION_NORTH },
		{ "right top", POSITION_NORTHEAST },
		{ "right", POSITION_EAST },
		{ "right bottom", POSITION_SOUTHEAST },
		{ "bottom", POSITION_SOUTH },
		{ "left bottom", POSITION_SOUTHWEST },
		{ "west", POSITION_WEST },
		{ "left", POSITION_WEST },
		{ "top left", POSITION_NORTHWEST },
		{ "entropy", POSITION_ENTROPY },
		{ "attention", POSITION_ATTENTION },
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		autofree char *text = mem_printf("[{'name':'a','position':'%s'}]", words[i].word);
		struct recipe r = recipe_of(text);
		assert_int_equal(r.variants[0].position, words[i].position);
		recipe_done(&r);
	}
}

static void colours_have_many_spellings(void **state)
{
	(void)state;
	static const char *const whites[] = { "'#fff'", "'#FFFFFF'", "'#ffff'", "'#ffffffff'",
		"'white'", "'White'", "{'r':255,'g':255,'b':255}",
		"{'r':255,'g':255,'b':255,'alpha':1}" };
	for (size_t i = 0; i < ARRAY_LEN(whites); i++) {
		autofree char *text = mem_printf("[{'name':'a','background':%s}]", whites[i]);
		assert_true(same_work(text, "[{'name':'b','background':'#ffffff'}]"));
	}
	assert_refused("[{'name':'a','background':'#ff'}]", ERR_REQUEST_INVALID,
		"/variants/0/background", "colour");
	assert_refused("[{'name':'a','background':'whitish'}]", ERR_REQUEST_INVALID,
		"/variants/0/background", "colour");
	assert_refused("[{'name':'a','background':{'r':256}}]", ERR_REQUEST_INVALID,
		"/variants/0/background/r", "0 to 255");
	assert_refused("[{'name':'a','background':{'red':1}}]", ERR_REQUEST_UNKNOWN_MEMBER,
		"/variants/0/background/red", "unknown member 'red'");
}

static void a_name_does_not_change_the_work(void **state)
{
	(void)state;
	assert_true(same_work("[{'name':'a','width':10}]", "[{'name':'b','width':10}]"));
	assert_false(same_work("[{'name':'a','width':10}]", "[{'name':'a','width':11}]"));
	assert_false(same_work("[{'name':'a','quality':80}]", "[{'name':'a','quality':81}]"));
}

static void what_has_no_effect_does_not_change_the_work(void **state)
{
	(void)state;
	/* a default spelled out; a position where nothing is cut */
	assert_true(same_work("[{'name':'a','quality':80,'format':'jpg'}]", "[{'name':'a'}]"));
	assert_true(
		same_work("[{'name':'a','width':9,'position':'top'}]", "[{'name':'a','width':9}]"));
	assert_true(
		same_work("[{'name':'a','width':9,'fit':'inside'}]", "[{'name':'a','width':9}]"));
	assert_true(same_work("[{'name':'a','width':9,'height':9,'fit':'fill','position':'top'}]",
		"[{'name':'a','width':9,'height':9,'fit':'fill'}]"));
	/* the background of what keeps its alpha and has no bars */
	assert_true(same_work("[{'name':'a','format':'webp','background':'red'}]",
		"[{'name':'a','format':'webp'}]"));
	assert_true(same_work("[{'name':'a','without_enlargement':true}]", "[{'name':'a'}]"));
	assert_true(same_work("[{'name':'a','format':'webp','progressive':false}]",
		"[{'name':'a','format':'webp'}]"));
	/* and what does have one */
	assert_false(same_work("[{'name':'a','background':'red'}]", "[{'name':'a'}]"));
	assert_false(same_work("[{'name':'a','width':9,'height':9,'position':'top'}]",
		"[{'name':'a','width':9,'height':9}]"));
	assert_false(
		same_work("[{'name':'a','width':9,'fit':'fill'}]", "[{'name':'a','width':9}]"));
	assert_false(same_work(/* a small picture gets bars up to the width */
		"[{'name':'a','width':9,'fit':'contain','without_enlargement':true}]",
		"[{'name':'a','width':9,'without_enlargement':true}]"));
	assert_false(same_work("[{'name':'a','format':'webp','effort':3}]",
		"[{'name':'a','format':'webp'}]"));
	assert_false(same_work("[{'name':'a','progressive':true}]", "[{'name':'a'}]"));
}

static void an_upgrade_of_a_codec_changes_every_digest(void **state)
{
	(void)state;
	struct recipe r = recipe_of("[{'name':'a'}]");
	uint8_t a[VARIANT_DIGEST_LEN], b[VARIANT_DIGEST_LEN];
	variant_digest(&r.variants[0], "webp 1.2.4", a);
	variant_digest(&r.variants[0], "webp 1.3.0", b);
	assert_memory_not_equal(a, b, sizeof(a));
	recipe_done(&r);
}

static void the_canonical_form_is_sorted_and_american(void **state)
{
	(void)state;
	struct recipe r = recipe_of("[{'name':'a','width':150,'height':150,'position':'centre'}]");
	autofree char *text = variant_canonical(&r.variants[0]);
	assert_string_equal(text,
		"{\"background\":\"#000000\",\"fit\":\"cover\",\"format\":\"jpeg\","
		"\"height\":150,\"position\":\"center\",\"quality\":80,\"width\":150}");
	recipe_done(&r);
}

static void the_json_of_a_recipe_is_taken_back(void **state)
{
	(void)state;
	struct recipe r = recipe_of(
		"[{'name':'a','width':9,'height':8,'fit':'contain','background':'#12345678',"
		"'format':'png','effort':1,'progressive':true},"
		"{'name':'b','height':7,'format':'avif','lossless':true,'quality':3,'effort':9},"
		"{'name':'c','width':20,'height':20,'position':'attention','format':'webp'},"
		"{'name':'d','fit':'outside','without_enlargement':true,'format':'jpeg'}]");
	autojson *j = recipe_json(&r);
	struct faults f = { 0 };
	struct recipe again = { 0 };
	assert_true(recipe_parse(j, "", &again, &f));
	assert_int_equal(again.n, r.n);
	for (size_t i = 0; i < r.n; i++)
		assert_memory_equal(&again.variants[i], &r.variants[i], sizeof(r.variants[i]));
	recipe_done(&again);
	recipe_done(&r);
}

static void a_mistyped_member_is_named_with_the_nearest(void **state)
{
	(void)state;
	assert_refused("[{'name':'a'},{'name':'b','withoutEnlargement':true}]",
		ERR_REQUEST_UNKNOWN_MEMBER, "/variants/1/withoutEnlargement",
		"did you mean 'without_enlargement'?");
	assert_refused("[{'name':'a','qualty':1}]", ERR_REQUEST_UNKNOWN_MEMBER,
		"/variants/0/qualty", "did you mean 'quality'?");
	assert_refused("[{'name':'a','a/b~c':1}]", ERR_REQUEST_UNKNOWN_MEMBER,
		"/variants/0/a~1b~0c", "unknown member");
}

static void what_is_not_there_yet_is_refused_by_name(void **state)
{
	(void)state;
	static const char *const later[] = { "rotate", "flip", "flop", "trim", "extend", "extract",
		"blur", "sharpen", "grayscale", "greyscale", "tint", "gamma", "normalise",
		"normalize", "watermark", "keep_metadata", "max_bytes" };
	for (size_t i = 0; i < ARRAY_LEN(later); i++) {
		autofree char *text = mem_printf("[{'name':'a','%s':true}]", later[i]);
		autofree char *pointer = mem_printf("/variants/0/%s", later[i]);
		assert_refused(text, ERR_REQUEST_UNSUPPORTED, pointer, later[i]);
	}
	static const char *const formats[] = { "gif", "tiff", "jxl" };
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		autofree char *text = mem_printf("[{'name':'a','format':'%s'}]", formats[i]);
		assert_refused(text, ERR_REQUEST_UNSUPPORTED, "/variants/0/format", formats[i]);
	}
	struct recipe r = recipe_of("[{'name':'a','keep_metadata':false,'rotate':null}]");
	recipe_done(&r); /* asks for nothing */
}

static void values_out_of_range_are_refused(void **state)
{
	(void)state;
	static const struct refusal cases[] = {
		{ "[{'name':'a','width':0}]", ERR_REQUEST_INVALID, "/variants/0/width", "1 to" },
		{ "[{'name':'a','width':1.5}]", ERR_REQUEST_INVALID, "/variants/0/width", "whole" },
		{ "[{'name':'a','width':'9'}]", ERR_REQUEST_INVALID, "/variants/0/width", "whole" },
		{ "[{'name':'a','width':1e300}]", ERR_REQUEST_INVALID, "/variants/0/width",
			"1 to" },
		{ "[{'name':'a','width':16385}]", ERR_REQUEST_LIMIT, "/variants/0/width", "16384" },
		{ "[{'name':'a','height':16384,'format':'webp'}]", ERR_REQUEST_LIMIT,
			"/variants/0/height", "16383" },
		{ "[{'name':'a','width':9000,'height':9000}]", ERR_REQUEST_LIMIT, "/variants/0",
			"50000000" },
		{ "[{'name':'a','quality':0}]", ERR_REQUEST_INVALID, "/variants/0/quality",
			"1 to 100" },
		{ "[{'name':'a','quality':101}]", ERR_REQUEST_INVALID, "/variants/0/quality",
			"1 to 100" },
		{ "[{'name':'a','format':'webp','effort':7}]", ERR_REQUEST_INVALID,
			"/variants/0/effort", "0 to 6" },
		{ "[{'name':'a','effort':4}]", ERR_REQUEST_INVALID, "/variants/0/effort",
			"jpeg has no effort" },
		{ "[{'name':'a','format':'jpg','effort':0}]", ERR_REQUEST_INVALID,
			"/variants/0/effort", "jpeg has no effort" },
		{ "[{'name':'a','format':'png','quality':50}]", ERR_REQUEST_UNSUPPORTED,
			"/variants/0/quality", "png" },
		{ "[{'name':'a','lossless':true}]", ERR_REQUEST_INVALID, "/variants/0/lossless",
			"jpeg" },
		{ "[{'name':'a','fit':'covers'}]", ERR_REQUEST_INVALID, "/variants/0/fit",
			"did you mean 'cover'?" },
		{ "[{'name':'a','fit':'inside','position':'entropy'}]", ERR_REQUEST_INVALID,
			"/variants/0/position", "cover" },
		{ "[{'name':'a','format':'webp','progressive':true}]", ERR_REQUEST_INVALID,
			"/variants/0/progressive", "only jpeg and png" },
		{ "[{'name':'a','format':'avif','progressive':true}]", ERR_REQUEST_INVALID,
			"/variants/0/progressive", "only jpeg and png" },
		{ "[{'name':'a','progressive':1}]", ERR_REQUEST_INVALID, "/variants/0/progressive",
			"true or false" },
		{ "[{'name':'a b'}]", ERR_REQUEST_INVALID, "/variants/0/name", "A-Z" },
		{ "[{'name':'../a'}]", ERR_REQUEST_INVALID, "/variants/0/name", "A-Z" },
		{ "[{'width':5}]", ERR_REQUEST_INVALID, "/variants/0/name", "needs a name" },
		{ "[{'name':'a'},{'name':'b'},{'name':'a'}]", ERR_REQUEST_INVALID,
			"/variants/2/name", "two variants" },
		{ "['thumb']", ERR_REQUEST_INVALID, "/variants/0", "object" },
		{ "[]", ERR_REQUEST_INVALID, "/variants", "at least one" },
		{ "{'name':'a'}", ERR_REQUEST_INVALID, "/variants", "list" },
	};
	assert_each_refused(cases, ARRAY_LEN(cases), assert_refused);
}

static void more_than_20_variants_are_refused(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(4096);
	for (int i = 0; i < VARIANTS_MAX + 1; i++)
		buf_printf(&b, "%s{'name':'v%d'}", i ? "," : "[", i);
	buf_puts(&b, "]");
	assert_refused(buf_str(&b), ERR_REQUEST_LIMIT, "/variants", "21 variants: the limit is 20");
	buf_done(&b);
}

static void all_faults_are_told_at_once_but_at_most_100(void **state)
{
	(void)state;
	autojson *j = json_of("[{'name':'a','width':-1,'quality':0,'fit':'x','wdth':1}]");
	struct faults f = { 0 };
	struct recipe r;
	assert_false(recipe_parse(j, "", &r, &f));
	assert_int_equal(f.n, 4);
	assert_int_equal(json_array_size(f.list), 4);
	for (int i = 0; i < 200; i++)
		faults_add(&f, ERR_REQUEST_INVALID, "/x", "wrong");
	assert_int_equal(f.n, 204);
	assert_int_equal(json_array_size(f.list), 100);
	faults_done(&f);
}

/* A request of 10 MiB can hold 600,000 of them. */
static void nothing_is_looked_up_for_a_fault_that_is_not_listed(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(1 << 20);
	buf_puts(&b, "[{'name':'a','fit':'covr'");
	for (int i = 0; i < 5000; i++)
		buf_printf(&b, ",'wdth%d':1", i);
	buf_puts(&b, "},{'name':'b','fit':'covr'}]");
	autojson *j = json_of(buf_str(&b));
	struct faults f = { 0 };
	struct recipe r;
	searches = 0;
	assert_false(recipe_parse(j, "", &r, &f));
	assert_int_equal(f.n, 5002);
	assert_int_equal(json_array_size(f.list), 100);
	assert_int_equal(searches, 100);
	faults_done(&f);
	buf_done(&b);
}

static void formats_have_names_extensions_and_types(void **state)
{
	(void)state;
	enum format f;
	for (int i = FORMAT_JPEG; i <= FORMAT_HEIF; i++) {
		assert_true(format_parse(format_name((enum format)i), &f));
		assert_int_equal(f, i);
	}
	assert_true(format_parse("jpg", &f));
	assert_int_equal(f, FORMAT_JPEG);
	assert_true(format_parse("tif", &f));
	assert_int_equal(f, FORMAT_TIFF);
	assert_false(format_parse("svg", &f));
	assert_string_equal(format_extension(FORMAT_JPEG), "jpg");
	assert_string_equal(format_media_type(FORMAT_WEBP), "image/webp");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_variant_gets_the_defaults_of_its_format),
	cmocka_unit_test(every_option_is_read),
	cmocka_unit_test(sharps_words_for_positions_all_serve),
	cmocka_unit_test(colours_have_many_spellings),
	cmocka_unit_test(a_name_does_not_change_the_work),
	cmocka_unit_test(what_has_no_effect_does_not_change_the_work),
	cmocka_unit_test(an_upgrade_of_a_codec_changes_every_digest),
	cmocka_unit_test(the_canonical_form_is_sorted_and_american),
	cmocka_unit_test(the_json_of_a_recipe_is_taken_back),
	cmocka_unit_test(a_mistyped_member_is_named_with_the_nearest),
	cmocka_unit_test(what_is_not_there_yet_is_refused_by_name),
	cmocka_unit_test(values_out_of_range_are_refused),
	cmocka_unit_test(more_than_20_variants_are_refused),
	cmocka_unit_test(all_faults_are_told_at_once_but_at_most_100),
	cmocka_unit_test(nothing_is_looked_up_for_a_fault_that_is_not_listed),
	cmocka_unit_test(formats_have_names_extensions_and_types),
};
TEST_MAIN(tests)
