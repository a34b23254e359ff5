/* SPDX-License-Identifier: MIT
 *
 * The runtime, sessions and runs: what is wrong is said, blanks give no mask, and `fast` finds what
 * it must. TEST_MODELS names the folder of libonnxruntime.so and u2netp.onnx; without it (but never
 * in the build's own test run, which sets it) the tests that need them are skipped.
 */
#include "lib/test.h"

#include "lib/sanitized.h"

#include "base/io.h"
#include "base/mem.h"
#include "onnx.h"
#include "pictures.h"

#include <math.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char *model_path(const char *file)
{
	const char *dir = getenv("TEST_MODELS");
	return dir ? mem_printf("%s/%s", dir, file) : NULL;
}

/* False: skip. */
static bool load_runtime(void)
{
	struct err e;
	const char *version;
	autofree char *path = model_path("libonnxruntime.so");
	if (!path)
		return false;
	assert_ok(matte_load_runtime(path, &version, &e));
	assert_non_null(strchr(version, '.'));
	return true;
}

static struct matte_model fast(void)
{
	struct err e;
	struct matte_model m;
	assert_ok(matte_model_parse(matte_fast_manifest, strlen(matte_fast_manifest), &m, &e));
	return m;
}

static struct buf fast_bytes(void)
{
	struct err e;
	struct buf b = BUF_INIT(16 << 20);
	autofree char *path = model_path("u2netp.onnx");
	assert_ok(io_read_file(path, 16 << 20, &b, &e));
	return b;
}

static struct matte *fast_session(void)
{
	struct err e;
	struct matte *m = NULL;
	struct matte_model model = fast();
	struct buf b = fast_bytes();
	assert_ok(matte_new(&model, b.data, b.len, 2, &m, &e));
	buf_done(&b);
	return m;
}

/* First, as a process loads one runtime only. */
static void a_runtime_that_is_none_is_named(void **state)
{
	(void)state;
	struct err e;
	const char *version = NULL;
	struct matte_model model = fast();
	struct matte *m = NULL;
	assert_err(matte_load_runtime("/nowhere/libonnxruntime.so", &version, &e),
		ERR_MATTE_UNAVAILABLE);
	assert_non_null(strstr(e.text, "/nowhere/libonnxruntime.so"));
	assert_err(matte_load_runtime("/dev/null", &version, &e), ERR_MATTE_UNAVAILABLE);
	assert_err(matte_load_runtime("libm.so.6", &version, &e), ERR_MATTE_UNAVAILABLE);
	assert_non_null(strstr(e.text, "libm.so.6: this library is not ONNX Runtime"));
	assert_null(version);
	model.bytes = 0;
	memset(model.sha256, 0, sizeof(model.sha256));
	assert_err(matte_new(&model, "", 0, 1, &m, &e), ERR_MATTE_UNAVAILABLE);
	assert_non_null(strstr(e.text, "no runtime"));
	assert_null(m);
}

static void refuses(const struct matte_model *model, const struct buf *b, const char *says)
{
	struct err e;
	struct matte *m = NULL;
	assert_err(matte_new(model, b->data, b->len, 1, &m, &e), ERR_MATTE_UNAVAILABLE);
	if (!strstr(e.text, says))
		fail_msg("'%s' does not say '%s'", e.text, says);
	assert_null(m);
}

static void a_damaged_model_is_named(void **state)
{
	(void)state;
	if (!load_runtime())
		skip();
	struct matte_model model = fast();
	struct buf b = fast_bytes();
	b.data[b.len / 2] ^= 1;
	refuses(&model, &b, "u2netp.onnx: the file is damaged");
	b.len -= 7;
	refuses(&model, &b, "instead of 4574861");
	model.bytes = 0; /* nothing is known of the file: the runtime says it */
	memset(model.sha256, 0, sizeof(model.sha256));
	b.len /= 2;
	refuses(&model, &b, "the runtime refuses the model");
	memset(b.data, 'x', b.len);
	refuses(&model, &b, "the runtime refuses the model");
	b.len = 0;
	refuses(&model, &b, "the runtime refuses the model");
	buf_done(&b);
}

static void a_manifest_of_another_model_is_named(void **state)
{
	(void)state;
	if (!load_runtime())
		skip();
	struct matte_model model = fast();
	struct buf b = fast_bytes();
	model.w = 512;
	refuses(&model, &b, "input is 1×3×320×320, where the manifest wants 1×3×320×512");
	model = fast();
	snprintf(model.input, sizeof(model.input), "picture");
	refuses(&model, &b, "the model has no input 'picture'");
	model = fast();
	snprintf(model.output, sizeof(model.output), "alpha");
	refuses(&model, &b, "the model has no output 'alpha'");
	buf_done(&b);
}

static void a_model_of_other_shapes_or_types_is_named(void **state)
{
	(void)state;
	if (!load_runtime())
		skip();
	struct matte_model model = { .id = "tiny", .w = 32, .h = 16, .std = { 1, 1, 1 } };
	static const struct {
		struct onnx_model m;
		const char *says;
	} faults[] = {
		{ { ONNX_FLOAT, { 1, 4, 16, 32 }, { 1, 1, 16, 32 }, 4, NULL },
			"input is 1×4×16×32" },
		{ { ONNX_FLOAT, { 2, 3, 16, 32 }, { 2, 1, 16, 32 }, 4, NULL },
			"input is 2×3×16×32" },
		{ { ONNX_FLOAT, { 1, 3, 32, 16 }, { 1, 1, 32, 16 }, 4, NULL },
			"input is 1×3×32×16" },
		{ { ONNX_FLOAT16, { 1, 3, 16, 32 }, { 1, 1, 16, 32 }, 4, NULL },
			"not of 32-bit floats" },
	};
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct buf b = BUF_INIT(1 << 20);
		onnx_write(&faults[i].m, &b);
		refuses(&model, &b, faults[i].says);
		buf_done(&b);
	}
}

/* A session of a written model; the caller frees. */
static struct matte *tiny(const struct matte_model *model, const struct onnx_model *m)
{
	struct err e;
	struct matte *ret = NULL;
	struct buf b = BUF_INIT(1 << 20);
	onnx_write(m, &b);
	assert_ok(matte_new(model, b.data, b.len, 1, &ret, &e));
	buf_done(&b);
	return ret;
}

static uint8_t *ramp(int w, int h)
{
	uint8_t *rgb = mem_array((size_t)w * (size_t)h, 3);
	for (int i = 0; i < w * h; i++)
		for (int c = 0; c < 3; c++)
			rgb[3 * i + c] = (uint8_t)((i % w * 3 + i / w * 5 + c * 20) % 200);
	return rgb;
}

static double mean_of(const uint8_t *p)
{
	return (p[0] + p[1] + p[2]) / 3.0;
}

static void pixels_go_in_and_come_out_as_the_manifest_says(void **state)
{
	(void)state;
	if (!load_runtime())
		skip();
	static const struct onnx_model kinds[] = {
		{ ONNX_FLOAT, { 1, 3, 16, 32 }, { 1, 1, 16, 32 }, 4, NULL },
		{ ONNX_FLOAT, { 1, 3, 16, 32 }, { 1, 16, 32 }, 3, NULL },
		{ ONNX_FLOAT, { 1, 3, -1, -1 }, { 1, 1, -1, -1 }, 4, NULL },
	};
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		for (int how = 0; how < 4; how++) {
			struct err e;
			struct matte_model model = { .id = "tiny",
				.w = 32,
				.h = 16,
				.mean = { 0.5f, 0.5f, 0.5f },
				.std = { 0.5f, 0.5f, 0.5f },
				.divide_by_max = how & 1,
				.normalise = MATTE_CLAMP,
				.activation = how & 2 ? MATTE_SIGMOID : MATTE_AS_IS };
			struct matte_mask mask;
			struct matte *m = tiny(&model, &kinds[k]);
			autofree uint8_t *rgb = ramp(32, 16);
			assert_ok(matte_run(m, rgb, 32, 16, &mask, &e));
			for (int i = 0; i < 32 * 16; i++) {
				double v = mean_of(rgb + 3 * i) / (how & 1 ? 199 : 255) * 2 - 1;
				v = how & 2 ? 1 / (1 + exp(-v)) : fmax(0, v);
				assert_true(fabs((double)mask.v[i] - v) < 1e-5);
			}
			matte_mask_done(&mask);
			matte_free(m);
		}
}

static void a_mask_is_stretched_to_all_of_its_range(void **state)
{
	(void)state;
	if (!load_runtime())
		skip();
	struct err e;
	struct matte_mask mask;
	struct matte_model model = { .id = "tiny",
		.w = 32,
		.h = 16,
		.std = { 2, 2, 2 },
		.no_subject_threshold = 0.2 };
	struct onnx_model kind = { ONNX_FLOAT, { 1, 3, 16, 32 }, { 1, 1, 16, 32 }, 4, NULL };
	struct matte *m = tiny(&model, &kind);
	autofree uint8_t *rgb = ramp(32, 16);
	assert_ok(matte_run(m, rgb, 32, 16, &mask, &e));
	float min = 1, max = 0;
	for (int i = 0; i < 32 * 16; i++) {
		min = fminf(min, mask.v[i]);
		max = fmaxf(max, mask.v[i]);
	}
	assert_true(min == 0 && max == 1);
	assert_true(mask.raw_max > 0.3 && mask.raw_max < 0.4);
	matte_mask_done(&mask);
	matte_free(m);
}

/* What the picture does not fill is the mean colour, and does not come back. */
static void a_letterbox_is_filled_up_and_cut_off(void **state)
{
	(void)state;
	if (!load_runtime())
		skip();
	struct err e;
	int w, h;
	struct matte_mask mask;
	struct matte_model model = { .id = "tiny",
		.w = 32,
		.h = 16,
		.letterbox = true,
		.std = { 1, 1, 1 },
		.normalise = MATTE_CLAMP };
	struct onnx_model kind = { ONNX_FLOAT, { 1, 3, 16, 32 }, { 1, 1, 16, 32 }, 4, NULL };
	static const int cases[][4] = { { 1000, 500, 32, 16 }, { 500, 500, 16, 16 },
		{ 90, 1000, 1, 16 }, { 1, 9000, 1, 16 }, { 9000, 2, 32, 1 } };
	struct matte *m = tiny(&model, &kind);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		matte_input_size(&model, cases[i][0], cases[i][1], &w, &h);
		assert_int_equal(w, cases[i][2]);
		assert_int_equal(h, cases[i][3]);
		autofree uint8_t *rgb = ramp(w, h);
		assert_ok(matte_run(m, rgb, w, h, &mask, &e));
		assert_true(mask.w == w && mask.h == h);
		for (int k = 0; k < w * h && !mask.no_subject; k++)
			assert_true(fabs((double)mask.v[k] - mean_of(rgb + 3 * k) / 255) < 1e-5);
		matte_mask_done(&mask);
	}
	model.letterbox = false;
	matte_input_size(&model, 1, 9000, &w, &h);
	assert_true(w == 32 && h == 16);
	matte_free(m);
}

static void what_is_no_number_is_an_error(void **state)
{
	(void)state;
	if (!load_runtime())
		skip();
	struct err e;
	struct matte_mask mask = { .w = 9 };
	struct matte_model model = { .id = "tiny",
		.w = 32,
		.h = 16,
		.std = { 1, 1, 1 },
		.mean = { 0.5f, 0.5f, 0.5f } };
	struct onnx_model kind = { ONNX_FLOAT, { 1, 3, 16, 32 }, { 1, 1, 16, 32 }, 4, "Log" };
	struct matte *m = tiny(&model, &kind);
	autofree uint8_t *rgb = ramp(32, 16);
	assert_err(matte_run(m, rgb, 32, 16, &mask, &e), ERR_MATTE_FAILED);
	assert_non_null(strstr(e.text, "not a number"));
	assert_err(matte_run(m, rgb, 33, 16, &mask, &e), ERR_MATTE_FAILED);
	assert_int_equal(mask.w, 9);
	matte_free(m);
}

static void blanks_give_no_mask(void **state)
{
	(void)state;
	if (!load_runtime())
		skip();
	struct err e;
	struct matte *m = fast_session();
	for (int kind = 0; kind < BLANKS; kind++) {
		const char *name;
		struct matte_mask mask;
		autofree uint8_t *rgb = blank_new(kind, 320, 320, &name);
		assert_ok(matte_run(m, rgb, 320, 320, &mask, &e));
		if (!mask.no_subject)
			fail_msg("%s: a mask of confidence %g", name, mask.confidence);
		matte_mask_done(&mask);
	}
	matte_free(m);
}

static double overlap(const struct scene *s, const uint8_t *alpha)
{
	double both = 0, either = 0;
	for (size_t i = 0; i < (size_t)s->w * (size_t)s->h; i++) {
		both += alpha[i] > 127 && s->alpha[i] > 127;
		either += alpha[i] > 127 || s->alpha[i] > 127;
	}
	return both / either;
}

static void fast_finds_the_subject(void **state)
{
	(void)state;
	if (!load_runtime())
		skip();
	struct err e;
	struct matte_model model = fast();
	struct matte *m = fast_session();
	for (int kind = 0; kind < SUBJECTS; kind++) {
		struct matte_mask mask;
		struct scene s = scene_new(960, 640, kind, 3, 50u + (unsigned)kind);
		struct matte_planes p = scene_planes(&s), guide;
		autofree uint8_t *in = scene_pack(&s, 320, 320),
				 *planes = scene_guide(&s, 960, 640, &guide),
				 *alpha = mem_array(960 * 640, 1);
		assert_non_null(planes);
		assert_ok(matte_run(m, in, 320, 320, &mask, &e));
		assert_false(mask.no_subject);
		assert_ok(matte_refine(&model, &mask, &guide, &p, alpha, &e));
		double iou = overlap(&s, alpha);
		print_message("# subject %d: IoU %.4f, confidence %.3f\n", kind, iou,
			mask.confidence);
		assert_true(iou >= 0.9);
		assert_true(mask.confidence >= 0.9);
		matte_mask_done(&mask);
		scene_done(&s);
	}
	matte_free(m);
}

/* Address space for `more` bytes than are taken. */
static void limit_memory(size_t more)
{
	struct err e;
	struct buf b = BUF_INIT(1 << 12);
	if (io_read_file("/proc/self/statm", b.max, &b, &e) != OK)
		_exit(99);
	rlim_t n = (rlim_t)strtoul(buf_str(&b), NULL, 10) * (rlim_t)sysconf(_SC_PAGESIZE) + more;
	buf_done(&b);
	if (setrlimit(RLIMIT_AS, &(struct rlimit){ n, n }) != 0)
		_exit(99);
}

/* In a child, as the limit cannot be taken back. Its exit status is the error's code. */
static void a_run_without_memory_says_so(void **state)
{
	(void)state;
	if (!load_runtime() || SANITIZED)
		skip();
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct err e;
		struct matte_mask mask;
		struct matte *m = fast_session();
		uint8_t *rgb = ramp(320, 320);
		limit_memory(16 << 20);
		_exit(matte_run(m, rgb, 320, 320, &mask, &e));
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_string_equal(err_name((enum err_code)WEXITSTATUS(status)),
		err_name(ERR_LIMIT_MEMORY));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_runtime_that_is_none_is_named),
	cmocka_unit_test(a_damaged_model_is_named),
	cmocka_unit_test(a_manifest_of_another_model_is_named),
	cmocka_unit_test(a_model_of_other_shapes_or_types_is_named),
	cmocka_unit_test(pixels_go_in_and_come_out_as_the_manifest_says),
	cmocka_unit_test(a_mask_is_stretched_to_all_of_its_range),
	cmocka_unit_test(a_letterbox_is_filled_up_and_cut_off),
	cmocka_unit_test(what_is_no_number_is_an_error),
	cmocka_unit_test(a_run_without_memory_says_so),
	cmocka_unit_test(blanks_give_no_mask),
	cmocka_unit_test(fast_finds_the_subject),
};
TEST_MAIN(tests)
