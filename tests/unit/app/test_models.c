/* SPDX-License-Identifier: MIT
 *
 * What is found in a folder of models, and which of it is wrong.
 */
#include "app/models.h"
#include "base/io.h"
#include "base/mem.h"
#include "lib/test.h"

#include <stdlib.h>
#include <unistd.h>

#define MANIFEST(name, rest)                                                                       \
	"{\"name\":\"" name "\",\"id\":\"isnet\",\"file\":\"" name                                 \
	".onnx\",\"input\":{\"width\":64,"                                                         \
	"\"height\":64,\"mean\":[0,0,0],\"std\":[1,1,1]}" rest "}"
#define SHA_OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/bulb-test-models-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	(void)state;
	io_remove_tree(dir);
	return 0;
}

static void put(const char *name, const char *text)
{
	struct err e = { 0 };
	autofree char *path = mem_printf("%s/%s", dir, name);
	assert_ok(io_write_file(path, text, strlen(text), 0600, &e));
}

static void models_and_the_runtime_are_found_by_name(void **state)
{
	(void)state;
	CLEANUP(models_done) struct models m = { 0 };
	put("b.json", MANIFEST("b", ""));
	put("a.json", MANIFEST("a", ""));
	put(MODELS_RUNTIME, "");
	models_find(dir, &m);
	autofree char *runtime = mem_printf("%s/" MODELS_RUNTIME, dir);
	autofree char *file = mem_printf("%s/a.onnx", dir);
	assert_string_equal(m.runtime, runtime);
	assert_non_null(models_get(&m, "b"));
	assert_string_equal(models_get(&m, "a")->file, file);
	assert_null(models_get(&m, "c"));
	assert_null(m.fault);
}

static void a_folder_that_is_not_there_has_nothing_in_it(void **state)
{
	(void)state;
	CLEANUP(models_done) struct models m = { 0 };
	models_find("/nonexistent", &m);
	assert_null(models_get(&m, "fast"));
	assert_null(m.fault);
}

static void a_manifest_that_cannot_be_read_spoils_no_other(void **state)
{
	(void)state;
	CLEANUP(models_done) struct models m = { 0 };
	put("a.json", "{\"name\":");
	put("b.json", MANIFEST("b", ""));
	models_find(dir, &m);
	assert_non_null(models_get(&m, "b"));
	assert_non_null(strstr(m.fault, "a.json: "));
}

static void of_two_with_one_name_the_first_counts(void **state)
{
	(void)state;
	CLEANUP(models_done) struct models m = { 0 };
	put("1.json", MANIFEST("same", ",\"licence\":\"one\""));
	put("2.json", MANIFEST("same", ",\"licence\":\"two\""));
	models_find(dir, &m);
	assert_string_equal(models_get(&m, "same")->model.licence, "one");
}

static void a_file_is_what_its_manifest_says_or_is_refused(void **state)
{
	(void)state;
	CLEANUP(models_done) struct models m = { 0 };
	struct err e = { 0 };
	put("good.json", MANIFEST("good", ",\"bytes\":3,\"sha256\":\"" SHA_OF_ABC "\""));
	put("good.onnx", "abc");
	put("long.json", MANIFEST("long", ",\"bytes\":4"));
	put("long.onnx", "abc");
	put("other.json", MANIFEST("other", ",\"sha256\":\"" SHA_OF_ABC "\""));
	put("other.onnx", "abd");
	put("gone.json", MANIFEST("gone", ""));
	models_find(dir, &m);
	assert_ok(models_check(models_get(&m, "good"), &e));
	assert_err(models_check(models_get(&m, "long"), &e), ERR_MATTE_UNAVAILABLE);
	assert_err(models_check(models_get(&m, "other"), &e), ERR_MATTE_UNAVAILABLE);
	assert_non_null(strstr(e.text, "SHA-256"));
	assert_err(models_check(models_get(&m, "gone"), &e), ERR_MATTE_UNAVAILABLE);
}

static void results_are_remembered_under_the_model_and_its_bytes(void **state)
{
	(void)state;
	CLEANUP(models_done) struct models m = { 0 };
	char ident[64];
	put("good.json", MANIFEST("good", ",\"sha256\":\"" SHA_OF_ABC "\""));
	models_find(dir, &m);
	models_ident(&models_get(&m, "good")->model, ident, sizeof(ident));
	assert_string_equal(ident, "isnet@ba7816bf8f01");
}

#define in_dir(fn) cmocka_unit_test_setup_teardown(fn, make_dir, drop_dir)
static const struct CMUnitTest tests[] = {
	in_dir(models_and_the_runtime_are_found_by_name),
	cmocka_unit_test(a_folder_that_is_not_there_has_nothing_in_it),
	in_dir(a_manifest_that_cannot_be_read_spoils_no_other),
	in_dir(of_two_with_one_name_the_first_counts),
	in_dir(a_file_is_what_its_manifest_says_or_is_refused),
	in_dir(results_are_remembered_under_the_model_and_its_bytes),
};
TEST_MAIN(tests)
