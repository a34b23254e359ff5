/* SPDX-License-Identifier: MIT
 *
 * Real pictures through real children: every format in, every format out, within the jail; and what
 * the kernel says about those children. REAL_BULB is set by the build.
 */
#include "lib/test.h"

#include "base/id.h"
#include "base/io.h"
#include "base/mem.h"
#include "darkroom/darkroom.h"
#include "darkroom/jail.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include <vips/vips.h>

#define EVERY                                                                                         \
	"[{\"name\":\"thumb\",\"width\":150,\"height\":150,\"fit\":\"cover\",\"format\":\"jpeg\"},"   \
	"{\"name\":\"small\",\"width\":320,\"format\":\"webp\"},"                                     \
	"{\"name\":\"attention\",\"width\":90,\"height\":200,\"fit\":\"cover\","                      \
	"\"position\":\"attention\",\"format\":\"png\"},"                                             \
	"{\"name\":\"entropy\",\"width\":200,\"height\":90,\"fit\":\"cover\","                        \
	"\"position\":\"entropy\",\"format\":\"jpeg\",\"progressive\":true},"                         \
	"{\"name\":\"contain\",\"width\":200,\"height\":200,\"fit\":\"contain\",\"format\":\"png\"}," \
	"{\"name\":\"lossless\",\"width\":100,\"format\":\"webp\",\"lossless\":true},"                \
	"{\"name\":\"avif\",\"width\":300,\"format\":\"avif\"},"                                      \
	"{\"name\":\"xl\",\"width\":700,\"format\":\"webp\"}]"

#define TWO                                                                                        \
	"[{\"name\":\"small\",\"width\":160,\"format\":\"webp\"},"                                 \
	"{\"name\":\"thumb\",\"width\":50,\"height\":50,\"fit\":\"cover\",\"format\":\"jpeg\"}]"

#if JAIL_SANITIZED
/* x265, which makes our HEIC picture, keeps two blocks for itself. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libx265\n";
}
#endif

static struct darkroom *room;
static struct recipe recipe, two;
static char reasons[400];

static void note(void *ctx, const char *reason)
{
	(void)ctx;
	size_t n = strlen(reasons);
	snprintf(reasons + n, sizeof(reasons) - n, "%s ", reason);
}

static struct recipe recipe_of(const char *text)
{
	struct err e;
	struct recipe r;
	autojson *j = NULL;
	assert_ok(json_parse(text, strlen(text), &j, &e));
	assert_ok(recipe_from_json(j, &r, &e));
	return r;
}

static int open_room(void **state)
{
	(void)state;
	struct err e;
	const struct darkroom_opts o = { .exe = REAL_BULB,
		.children = 2,
		.memory_bytes = 512 << 20,
		.item_ms = 60000,
		.max_pixels = 50000000,
		.max_frames = 1000,
		.max_bytes_out = 64 << 20,
		.pictures_per_child = 100,
		.on_died = note };
	if (vips_init("test") != 0)
		return -1;
	recipe = recipe_of(EVERY);
	two = recipe_of(TWO);
	assert_ok(darkroom_new(&o, &room, &e));
	return 0;
}

static int close_room(void **state)
{
	(void)state;
	darkroom_free(room);
	recipe_done(&recipe);
	recipe_done(&two);
	vips_shutdown();
	return 0;
}

/* WIDTH × HEIGHT with something to see, so that crops and encoders have work. */
#define WIDTH  480
#define HEIGHT 320
static VipsImage *scene(void)
{
	VipsImage *noise, *blurred, *bands[3], *rgb, *scene;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(vips_gaussnoise(&noise, WIDTH, HEIGHT, "mean", 100.0 + 20 * i,
					 "sigma", 200.0, NULL),
			0);
		assert_int_equal(vips_gaussblur(noise, &blurred, 5.0, NULL), 0);
		assert_int_equal(vips_cast_uchar(blurred, &bands[i], NULL), 0);
		g_object_unref(noise);
		g_object_unref(blurred);
	}
	assert_int_equal(vips_bandjoin(bands, &rgb, 3, NULL), 0);
	assert_int_equal(vips_copy(rgb, &scene, "interpretation", VIPS_INTERPRETATION_sRGB, NULL),
		0);
	for (int i = 0; i < 3; i++)
		g_object_unref(bands[i]);
	g_object_unref(rgb);
	return scene;
}

/* The scene in the format of this suffix, which may hold options, as a sealed memfd. */
static int picture(const char *suffix)
{
	struct err e;
	void *data;
	size_t n;
	int fd = -1;
	VipsImage *s = scene();
	if (vips_image_write_to_buffer(s, suffix, &data, &n, NULL) != 0)
		fail_msg("%s: %s", suffix, vips_error_buffer());
	g_object_unref(s);
	assert_ok(io_memfd("picture", &fd, &e));
	assert_ok(io_write_all(fd, data, n, &e));
	assert_ok(io_seal(fd, &e));
	g_free(data);
	return fd;
}

static void assert_decodes(const struct darkroom_output *o)
{
	struct err e;
	size_t n;
	autofree void *data = mem_zalloc((size_t)o->bytes);
	assert_ok(io_pread(o->fd, data, (size_t)o->bytes, 0, &n, &e));
	VipsImage *image = vips_image_new_from_buffer(data, n, "", NULL);
	assert_non_null(image);
	assert_int_equal(vips_image_get_width(image), o->width);
	assert_int_equal(vips_image_get_height(image), o->height);
	double mean;
	assert_int_equal(vips_avg(image, &mean, NULL), 0);
	g_object_unref(image);
}

static void assert_goes_through(const char *suffix, enum format format)
{
	struct err e;
	struct darkroom_result r;
	autofd fd = picture(suffix);
	enum err_code code = darkroom_process(room, 1, fd, &recipe, NULL, &r, &e);
	if (code != OK)
		fail_msg("%s: %s: %s", suffix, err_name(code), e.text);
	assert_int_equal(r.format, format);
	assert_int_equal(r.n, recipe.n);
	assert_int_equal(r.width, WIDTH);
	assert_int_equal(r.height, HEIGHT);
	assert_int_not_equal(r.thumbhash[0], '\0');
	for (size_t i = 0; i < r.n; i++)
		assert_decodes(&r.outputs[i]);
	darkroom_result_done(&r);
	assert_string_equal(reasons, ""); /* and no child was lost over it */
}

static void every_format_goes_through_the_jail(void **state)
{
	(void)state;
	assert_goes_through(".jpg", FORMAT_JPEG);
	assert_goes_through(".jpg[interlace]", FORMAT_JPEG);
	assert_goes_through(".png", FORMAT_PNG);
	assert_goes_through(".png[interlace]", FORMAT_PNG);
	assert_goes_through(".png[palette]", FORMAT_PNG);
	assert_goes_through(".webp", FORMAT_WEBP);
	assert_goes_through(".webp[lossless]", FORMAT_WEBP);
	assert_goes_through(".gif", FORMAT_GIF);
	assert_goes_through(".tif", FORMAT_TIFF);
	assert_goes_through(".tif[compression=jpeg]", FORMAT_TIFF);
	assert_goes_through(".tif[compression=lzw,tile,pyramid]", FORMAT_TIFF);
	assert_goes_through(".tif[compression=deflate,predictor=horizontal]", FORMAT_TIFF);
	assert_goes_through(".avif[effort=0]", FORMAT_AVIF);
	assert_goes_through(".heic", FORMAT_HEIF);
}

/* The same damage in every run. */
static size_t next_random(size_t below)
{
	static uint32_t x = 1;
	x = x * 1664525 + 1013904223;
	return (x >> 8) % below;
}

static void a_damaged_picture_ends_as_one(void **state)
{
	(void)state;
	static const char *const suffixes[] = { ".jpg", ".png", ".webp", ".gif", ".tif",
		".avif[effort=0]", ".heic" };
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		struct err e;
		struct darkroom_result r;
		autofd whole = picture(suffixes[i]);
		autofree char *data = mem_zalloc((size_t)io_size(whole));
		size_t n;
		assert_ok(io_pread(whole, data, (size_t)io_size(whole), 0, &n, &e));
		for (size_t round = 0; round < 6; round++) {
			autofd fd = -1;
			/* cut to a half, or with bytes changed all over */
			size_t keep = round == 0 ? n / 2 : n;
			for (size_t k = 0; round > 0 && k < 10; k++)
				data[next_random(n)] = (char)next_random(256);
			assert_ok(io_memfd("damaged", &fd, &e));
			assert_ok(io_write_all(fd, data, keep, &e));
			assert_ok(io_seal(fd, &e));
			enum err_code code = darkroom_process(room, 1, fd, &two, NULL, &r, &e);
			if (code != OK && err_retryable(code))
				fail_msg("%s: %s: %s", suffixes[i], err_name(code), e.text);
			if (code == ERR_DECODE_CRASHED)
				fail_msg("%s: %s: %s", suffixes[i], err_name(code), e.text);
			darkroom_result_done(&r);
		}
	}
	reasons[0] = '\0';
}

static void assert_status(pid_t pid, const char *line)
{
	struct err e;
	struct buf text = BUF_INIT(65536);
	autofree char *path = mem_printf("/proc/%d/status", (int)pid);
	assert_ok(io_read_file(path, text.max, &text, &e));
	if (!strstr(buf_str(&text), line))
		fail_msg("%s has no line %s", path, line);
	buf_done(&text);
}

static void the_kernel_says_that_the_children_are_jailed(void **state)
{
	(void)state;
	struct darkroom_stats s;
	assert_goes_through(".jpg", FORMAT_JPEG);
	darkroom_stats(room, &s);
	assert_int_equal(s.pids_n, 2);
	for (size_t i = 0; i < s.pids_n; i++) {
		assert_status(s.pids[i], "\nSeccomp:\t2\n");
		assert_status(s.pids[i], "\nNoNewPrivs:\t1\n");
		assert_status(s.pids[i], "\nCapEff:\t0000000000000000\n");
		assert_status(s.pids[i], "\nCapPrm:\t0000000000000000\n");
		if (geteuid() == 0)
			assert_status(s.pids[i], "\nUid:\t65534\t65534\t65534\t65534\n");
	}
	assert_status(s.keeper, "\nThreads:\t1\n");
}

/* A child is not dumpable, so only root may look into it. */
static bool may_look(void)
{
	if (geteuid() != 0)
		print_message("# skipped: only root may look into a child\n");
	return geteuid() == 0;
}

/* -1 when it has just ended. */
static int count_fds(pid_t pid)
{
	autofree char *path = mem_printf("/proc/%d/fd", (int)pid);
	DIR *d = opendir(path);
	int n = d ? 0 : -1;
	for (struct dirent *f; d && (f = readdir(d));)
		n += f->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static void a_child_has_no_environment_and_few_descriptors(void **state)
{
	(void)state;
	struct darkroom_stats s;
	struct err e;
	if (!may_look())
		return;
	setenv("BULB_KEY", "not for children", 1);
	assert_goes_through(".png", FORMAT_PNG);
	darkroom_stats(room, &s);
	for (size_t i = 0; i < s.pids_n; i++) {
		struct buf text = BUF_INIT(65536);
		autofree char *path = mem_printf("/proc/%d/environ", (int)s.pids[i]);
		assert_ok(io_read_file(path, text.max, &text, &e));
		assert_int_equal(text.len, 0);
		buf_done(&text);
		assert_int_equal(count_fds(s.pids[i]), 3);
	}
}

struct watch {
	atomic_bool over;
	int most;
	pthread_t thread;
};

static void *count_all_the_time(void *arg)
{
	struct watch *w = arg;
	struct darkroom_stats s;
	while (!atomic_load(&w->over)) {
		darkroom_stats(room, &s);
		for (size_t i = 0; i < s.pids_n; i++) {
			int n = count_fds(s.pids[i]);
			w->most = n > w->most ? n : w->most;
		}
		usleep(500);
	}
	return NULL;
}

static void a_working_child_has_at_most_five_descriptors(void **state)
{
	(void)state;
	if (!may_look())
		return;
	struct watch w = { 0 };
	assert_int_equal(pthread_create(&w.thread, NULL, count_all_the_time, &w), 0);
	for (int i = 0; i < 5; i++)
		assert_goes_through(".jpg", FORMAT_JPEG);
	atomic_store(&w.over, true);
	pthread_join(w.thread, NULL);
	assert_in_range(w.most, 3, 5);
}

/* Every readable byte of the process. */
static bool memory_has(pid_t pid, const char *what, size_t *ret_bytes)
{
	autofree char *maps_path = mem_printf("/proc/%d/maps", (int)pid);
	autofree char *mem_path = mem_printf("/proc/%d/mem", (int)pid);
	FILE *maps = fopen(maps_path, "re");
	autofd mem = open(mem_path, O_RDONLY | O_CLOEXEC);
	assert_non_null(maps);
	assert_true(mem >= 0);
	bool found = false;
	char line[500];
	*ret_bytes = 0;
	while (fgets(line, sizeof(line), maps)) {
		unsigned long from, to;
		char access;
		if (sscanf(line, "%lx-%lx %c", &from, &to, &access) != 3 || access != 'r' ||
			to - from > (1UL << 30))
			continue;
		autofree char *bytes = mem_zalloc(to - from);
		ssize_t n = pread(mem, bytes, to - from, (off_t)from);
		if (n <= 0)
			continue;
		*ret_bytes += (size_t)n;
		found |= memmem(bytes, (size_t)n, what, strlen(what)) != NULL;
	}
	fclose(maps);
	return found;
}

static void a_secret_of_the_worker_is_not_in_a_childs_memory(void **state)
{
	(void)state;
	if (JAIL_SANITIZED)
		print_message("# skipped: a sanitizer's memory is too large to search\n");
	if (JAIL_SANITIZED || !may_look())
		return;
	struct darkroom_stats s;
	struct err e;
	size_t bytes;
	/* Planted before the darkroom starts: in the environment and on the heap. */
	char secret[ID_LEN + 1];
	id_new(secret);
	setenv("BULB_SECRET", secret, 1);
	autofree char *copy = mem_printf("heap %s", secret);
	struct darkroom *d;
	const struct darkroom_opts o = { .exe = REAL_BULB,
		.children = 1,
		.memory_bytes = 512 << 20,
		.item_ms = 60000,
		.max_pixels = 50000000,
		.max_frames = 1000,
		.max_bytes_out = 64 << 20,
		.pictures_per_child = 100 };
	assert_ok(darkroom_new(&o, &d, &e));
	struct darkroom_result r;
	autofd fd = picture(".jpg");
	assert_ok(darkroom_process(d, 1, fd, &recipe, NULL, &r, &e));
	darkroom_result_done(&r);
	darkroom_stats(d, &s);
	assert_true(memory_has(getpid(), secret, &bytes)); /* the search finds what is there */
	assert_false(memory_has(s.pids[0], secret, &bytes));
	assert_true(bytes > 1 << 20);
	assert_false(memory_has(s.keeper, secret, &bytes));
	assert_true(bytes > 1 << 20);
	assert_non_null(copy);
	darkroom_free(d);
}

static void doctor_is_told_what_protects(void **state)
{
	(void)state;
	struct err e;
	struct buf text = BUF_INIT(4096);
	assert_ok(darkroom_selftest(REAL_BULB, &text, &e));
	assert_non_null(strstr(buf_str(&text), "seccomp: filter in force"));
	assert_non_null(strstr(buf_str(&text), "no_new_privs: yes"));
	for (char *line, *rest = text.data; (line = strsep(&rest, "\n")) && *line;)
		print_message("# %s\n", line);
	buf_done(&text);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_format_goes_through_the_jail),
	cmocka_unit_test(a_damaged_picture_ends_as_one),
	cmocka_unit_test(the_kernel_says_that_the_children_are_jailed),
	cmocka_unit_test(a_child_has_no_environment_and_few_descriptors),
	cmocka_unit_test(a_working_child_has_at_most_five_descriptors),
	cmocka_unit_test(a_secret_of_the_worker_is_not_in_a_childs_memory),
	cmocka_unit_test(doctor_is_told_what_protects),
};

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, open_room, close_room);
}
