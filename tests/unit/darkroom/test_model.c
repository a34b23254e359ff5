/* SPDX-License-Identifier: MIT
 *
 * Darkrooms with a model: what is wrong with runtime or model is said per item and touches nobody
 * else, processes come when they are needed, and memory stays within what was promised.
 */
#include "cutting.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "darkroom/jail.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define W 600
#define H 400

static struct darkroom_opts opts_of(const char *runtime, const char *manifest)
{
	struct darkroom_opts o = plain_room();
	o.runtime = runtime;
	o.model = manifest;
	o.threads = 2;
	return o;
}

/* Fails twice with the same words, the second time without a new try; flat ones in a plain room go on. */
static void assert_unavailable(const char *runtime, const char *manifest, const char *word)
{
	struct err e;
	struct darkroom_cut_result r;
	struct darkroom_stats s;
	const struct cut c = cut_usual();
	struct darkroom *d = room_with(opts_of(runtime, manifest)),
			*plain = room_with(plain_room());
	autofd fd = save(scene_of(ON_WHITE, W, H), ".jpg[Q=95]");
	for (int i = 0; i < 2; i++) {
		assert_err(cut_once(d, fd, -1, &c, CUT_DO_LOCAL, &r, &e), ERR_MATTE_UNAVAILABLE);
		if (!strstr(e.text, word))
			fail_msg("no '%s' in: %s", word, e.text);
		darkroom_stats(d, &s);
		assert_int_equal(s.keeper, -1);
		assert_int_equal(s.pids_n, 0);
		assert_int_equal(s.memory_used, 0);
	}
	print_message("# %s\n", e.text);
	assert_ok(cut_once(plain, fd, -1, &c, CUT_DO_FLAT, &r, &e));
	darkroom_cut_done(&r);
	darkroom_free(plain);
	darkroom_free(d);
}

static void a_library_that_is_not_there_or_another_is_named(void **state)
{
	(void)state;
	if (!model_folder())
		return;
	autofree char *manifest = manifest_path();
	assert_unavailable("/nonexistent/libonnxruntime.so", manifest, "/nonexistent/");
	assert_unavailable("libm.so.6", manifest, "libm.so.6");
	assert_unavailable("/etc/passwd", manifest, "/etc/passwd");
}

/* A manifest of our own and a model beside it. */
struct folder {
	char path[64], manifest[96], model[96];
};

static struct folder folder_with(const char *manifest, const void *model, size_t n)
{
	struct err e;
	struct folder f = { .path = "/tmp/bulb-test-model-XXXXXX" };
	assert_non_null(mkdtemp(f.path));
	snprintf(f.manifest, sizeof(f.manifest), "%s/m.json", f.path);
	snprintf(f.model, sizeof(f.model), "%s/u2netp.onnx", f.path);
	assert_ok(io_write_file(f.manifest, manifest, strlen(manifest), 0600, &e));
	if (model)
		assert_ok(io_write_file(f.model, model, n, 0600, &e));
	return f;
}

/* The manifest of a model that no one vouches for. */
static char *careless(void)
{
	struct err e;
	struct buf text = BUF_INIT(1 << 16);
	autojson *j = NULL;
	autofree char *path = manifest_path();
	assert_ok(io_read_file(path, text.max, &text, &e));
	assert_ok(json_parse(text.data, text.len, &j, &e));
	json_object_del(j, "sha256");
	json_object_del(j, "bytes");
	buf_done(&text);
	return json_text(j);
}

static void a_model_that_is_not_what_its_manifest_says_is_named(void **state)
{
	(void)state;
	struct err e;
	if (!model_folder())
		return;
	struct buf text = BUF_INIT(1 << 16), model = BUF_INIT(64 << 20);
	autofree char *path = manifest_path(), *real = mem_printf("%s/u2netp.onnx", model_folder());
	assert_unavailable(runtime_path(), "/nonexistent/fast.json", "/nonexistent/fast.json");
	assert_ok(io_read_file(path, text.max, &text, &e));
	assert_ok(io_read_file(real, model.max, &model, &e));
	struct folder f = folder_with(buf_str(&text), NULL, 0);
	assert_unavailable(runtime_path(), f.manifest, "u2netp.onnx");
	io_remove_tree(f.path);
	model.data[model.len / 2] ^= 1;
	f = folder_with(buf_str(&text), model.data, model.len);
	assert_unavailable(runtime_path(), f.manifest, "SHA-256");
	io_remove_tree(f.path);
	f = folder_with(buf_str(&text), model.data, model.len / 2);
	assert_unavailable(runtime_path(), f.manifest, "bytes");
	io_remove_tree(f.path);
	f = folder_with("{}", model.data, model.len);
	assert_unavailable(runtime_path(), f.manifest, "manifest");
	io_remove_tree(f.path);
	/* what only the runtime can see, in the jail */
	autofree char *any = careless();
	f = folder_with(any, model.data, model.len / 2);
	assert_unavailable(runtime_path(), f.manifest, "model");
	io_remove_tree(f.path);
	f = folder_with(any, "not a model", 11);
	assert_unavailable(runtime_path(), f.manifest, "model");
	io_remove_tree(f.path);
	buf_done(&text);
	buf_done(&model);
}

static void children_come_when_they_are_needed(void **state)
{
	(void)state;
	struct err e;
	struct darkroom_stats s;
	struct darkroom_cut_result r;
	const struct cut c = cut_usual();
	struct darkroom *d = matte_room();
	if (!d)
		return;
	darkroom_stats(d, &s);
	assert_int_equal(s.keeper, -1);
	assert_int_equal(s.pids_n, 0);
	autofd fd = save(scene_of(ON_BLUR, W, H), ".jpg");
	assert_ok(cut_once(d, fd, -1, &c, CUT_DO_LOCAL, &r, &e));
	darkroom_cut_done(&r);
	darkroom_stats(d, &s);
	assert_int_equal(s.pids_n, 1);
	/* another scope's picture needs another child */
	pid_t first = s.pids[0];
	assert_ok(darkroom_cut(d, 2, fd, -1, &c, CUT_DO_LOCAL, NULL, &r, &e));
	darkroom_cut_done(&r);
	darkroom_stats(d, &s);
	assert_int_not_equal(s.pids[0], first);
	/* and one that rests gives its memory back */
	darkroom_rest(d, 60000);
	darkroom_stats(d, &s);
	assert_int_equal(s.pids_n, 1);
	darkroom_rest(d, 0);
	darkroom_stats(d, &s);
	assert_int_equal(s.pids_n, 0);
	assert_ok(cut_once(d, fd, -1, &c, CUT_DO_LOCAL, &r, &e));
	darkroom_cut_done(&r);
	darkroom_free(d);
}

/* ---- processes that vanish -------------------------------------------------------------------- */

struct lane {
	struct darkroom *d;
	int fd;
	enum err_code code;
	struct darkroom_cut_result r;
	_Atomic bool ended;
	pthread_t thread;
};

static void *work(void *arg)
{
	struct lane *l = arg;
	struct err e;
	const struct cut c = cut_usual();
	l->code = cut_once(l->d, l->fd, -1, &c, CUT_DO_LOCAL, &l->r, &e);
	l->ended = true;
	return NULL;
}

/* Begin a picture, and see it at work. On a busy machine it may be done before we get to look: again then. */
static void catch_at_work(struct lane *l, struct darkroom_stats *ret)
{
	for (;;) {
		l->ended = false;
		assert_int_equal(pthread_create(&l->thread, NULL, work, l), 0);
		do {
			sched_yield();
			darkroom_stats(l->d, ret);
		} while (ret->memory_used == 0 && !l->ended);
		if (ret->memory_used)
			return;
		pthread_join(l->thread, NULL);
		darkroom_cut_done(&l->r);
	}
}

static void a_model_killed_in_mid_run_ends_one_picture(void **state)
{
	(void)state;
	struct err e;
	struct darkroom_stats s;
	struct darkroom_cut_result r;
	const struct cut c = cut_usual();
	struct darkroom *d = matte_room();
	if (!d)
		return;
	/* large enough to be at work for seconds */
	autofd large = save(scene_of(ON_BLUR, 6000, 4000), ".jpg");
	autofd small = save(scene_of(ON_BLUR, W, H), ".jpg");
	struct lane l = { .d = d, .fd = large };
	catch_at_work(&l, &s);
	kill(s.pids[0], SIGKILL);
	pthread_join(l.thread, NULL);
	assert_int_equal(l.code, ERR_DECODE_CRASHED);
	assert_true(l.r.crashed && !l.r.has_output);
	assert_ok(cut_once(d, small, -1, &c, CUT_DO_LOCAL, &r, &e));
	darkroom_cut_done(&r);
	darkroom_free(d);
}

static void a_picture_that_takes_too_long_is_ended(void **state)
{
	(void)state;
	struct err e;
	struct darkroom_cut_result r;
	const struct cut c = cut_usual();
	if (!model_folder())
		return;
	autofree char *manifest = manifest_path();
	struct darkroom_opts o = opts_of(runtime_path(), manifest);
	o.item_ms = 20;
	struct darkroom *d = room_with(o);
	autofd fd = save(scene_of(ON_BLUR, 6000, 4000), ".jpg");
	assert_err(cut_once(d, fd, -1, &c, CUT_DO_LOCAL, &r, &e), ERR_LIMIT_TIME);
	assert_false(r.crashed);
	darkroom_free(d);
}

/* ---- jail and memory -------------------------------------------------------------------------- */

static void every_thread_of_the_model_is_jailed(void **state)
{
	(void)state;
	struct err e;
	struct buf text = BUF_INIT(4096);
	if (!model_folder())
		return;
	autofree char *manifest = manifest_path();
	assert_ok(darkroom_selftest_matte(REAL_BULB, runtime_path(), manifest, 2, &text, &e));
	if (!JAIL_SANITIZED)
		assert_non_null(strstr(buf_str(&text), "all 2 threads under the filter"));
	assert_non_null(strstr(buf_str(&text), "seccomp: filter in force"));
	for (char *line, *rest = text.data; (line = strsep(&rest, "\n")) && *line;)
		print_message("# %s\n", line);
	buf_done(&text);
	assert_err(darkroom_selftest_matte(REAL_BULB, "/nonexistent.so", manifest, 2, &text, &e),
		ERR_MATTE_UNAVAILABLE);
}

/* Kilobytes; -1 when there is no such line. */
static long status_of(pid_t pid, const char *name)
{
	struct err e;
	struct buf text = BUF_INIT(65536);
	autofree char *path = mem_printf("/proc/%d/status", (int)pid);
	autofree char *line = mem_printf("\n%s:", name);
	assert_ok(io_read_file(path, text.max, &text, &e));
	const char *at = strstr(buf_str(&text), line);
	long n = at ? strtol(at + strlen(line), NULL, 10) : -1;
	buf_done(&text);
	return n;
}

static void assert_peak(int w, int h, const char *suffix, enum format format, long most_mb)
{
	struct err e;
	struct darkroom_stats s;
	struct darkroom_cut_result r;
	struct cut c = cut_usual();
	c.format = format;
	struct darkroom *d = matte_room();
	autofd fd = save(scene_of(ON_BLUR, w, h), suffix);
	for (int i = 0; i < 2; i++) { /* the second meets what the first has left */
		assert_ok(cut_once(d, fd, -1, &c, CUT_DO_LOCAL, &r, &e));
		assert_true(r.has_output);
		darkroom_stats(d, &s);
		long peak = status_of(s.pids[0], "VmHWM") >> 10;
		print_message("# %d × %d %s to %s: peak %ld MB, then %ld MB, %lld ms, %lld bytes\n",
			w, h, suffix, format_name(format), peak,
			status_of(s.pids[0], "VmRSS") >> 10, (long long)r.process_ms,
			(long long)r.output.bytes);
		darkroom_cut_done(&r);
		if (!JAIL_SANITIZED)
			assert_in_range(peak, 1, most_mb);
	}
	assert_int_equal(status_of(s.keeper, "Threads"), 1);
	darkroom_free(d);
}

static void a_usual_picture_takes_at_most_450_mb(void **state)
{
	(void)state;
	if (!model_folder())
		return;
	assert_peak(1500, 1000, ".jpg[Q=90]", FORMAT_PNG, 450);
	assert_peak(1500, 1000, ".png", FORMAT_WEBP, 450);
}

static void a_hundred_megapixels_take_less_than_1_gb(void **state)
{
	(void)state;
	if (!model_folder())
		return;
	if (JAIL_SANITIZED) {
		print_message("# skipped: a sanitizer takes memory of its own\n");
		return;
	}
	assert_peak(10000, 10000, ".jpg[Q=90]", FORMAT_PNG, 1000);
}

static int begin(void **state)
{
	(void)state;
	return vips_init("test");
}

static int end(void **state)
{
	(void)state;
	vips_shutdown();
	return 0;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_library_that_is_not_there_or_another_is_named),
	cmocka_unit_test(a_model_that_is_not_what_its_manifest_says_is_named),
	cmocka_unit_test(children_come_when_they_are_needed),
	cmocka_unit_test(a_model_killed_in_mid_run_ends_one_picture),
	cmocka_unit_test(a_picture_that_takes_too_long_is_ended),
	cmocka_unit_test(every_thread_of_the_model_is_jailed),
	cmocka_unit_test(a_usual_picture_takes_at_most_450_mb),
	cmocka_unit_test(a_hundred_megapixels_take_less_than_1_gb),
};

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, begin, end);
}
