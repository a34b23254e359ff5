/* SPDX-License-Identifier: MIT
 *
 * What the darkroom relies on: preparing the libraries runs no thread, children forked after it
 * work, and a picture never takes more memory than its header made the darkroom set aside.
 */
#include "pictures.h"

#include "base/mem.h"
#include "lib/sanitized.h"

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

static const char small[] = "[{\"name\":\"a\",\"width\":40,\"format\":\"webp\"}]";

static int64_t status_number(const char *field)
{
	char line[256];
	long number = 0;
	FILE *f = fopen("/proc/self/status", "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, field, strlen(field)) == 0)
			number = strtol(line + strlen(field) + 1, NULL, 10);
	fclose(f);
	return number;
}

/* A child that starts with as little as this process holds: what tests before freed is given back to
 * the kernel first, or a child would take it up again and not be seen to. */
static pid_t fork_clean(void)
{
	malloc_trim(0);
	pid_t child = fork();
	assert_true(child >= 0);
	return child;
}

static void assert_ends_well(pid_t child)
{
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void preparing_runs_no_thread_and_children_work(void **state)
{
	(void)state;
	assert_int_equal(status_number("Threads:"), 1);
	pid_t child = fork_clean();
	if (child == 0) {
		struct file f = gif_frames(3);
		struct made m = make(f, small);
		_exit(m.code == OK ? 0 : 5);
	}
	assert_ends_well(child);
}

/* libvips would put what it must hold whole into a temporary file once it is large. */
static void nothing_is_written_to_a_disc(void **state)
{
	(void)state;
	pid_t child = fork_clean();
	if (child == 0) {
		setenv("TMPDIR", "/nonexistent", 1);
		struct file f = encode(scene(8000, 5000), ".png[compression=1,interlace]");
		struct made m = make(f, small);
		_exit(m.code == OK ? 0 : 5);
	}
	assert_ends_well(child);
}

#if !SANITIZED
static VipsImage *wide_scene(int w, int h)
{
	VipsImage *im = scene(w, h), *wide = NULL;
	assert_int_equal(vips_colourspace(im, &wide, VIPS_INTERPRETATION_RGB16, NULL), 0);
	g_object_unref(im);
	return wide;
}

/* Encoded by a child, so that this process stays one that has run no picture. */
static struct file encode_apart(int w, int h, const char *suffix, int bits)
{
	FILE *shared = tmpfile();
	assert_non_null(shared);
	pid_t child = fork_clean();
	if (child == 0) {
		struct file f = encode(bits == 16 ? wide_scene(w, h) : scene(w, h), suffix);
		bool done = fwrite(f.data, 1, f.n, shared) == f.n && fflush(shared) == 0;
		_exit(done ? 0 : 1);
	}
	assert_ends_well(child);
	fseek(shared, 0, SEEK_END);
	struct file f = { .n = (size_t)ftell(shared) };
	rewind(shared);
	f.data = malloc(f.n);
	assert_int_equal(fread(f.data, 1, f.n, shared), f.n);
	fclose(shared);
	return f;
}

/* In a child of its own, forked after the libraries were prepared, as the darkroom does. It takes no
 * more than was asked for, and `most` times that is no less than what was asked for; 0: not looked at. */
static void check_memory(const char *kind, struct file f, const char *variants, double most)
{
	pid_t child = fork_clean();
	if (child == 0) {
		int64_t before = status_number("VmRSS:");
		struct made m = make(f, variants);
		int64_t used = (status_number("VmHWM:") - before) * 1024;
		int64_t asked = m.header.decode_bytes;
		bool wrong = m.code != OK || used > asked ||
			(most > 0 && (double)asked > most * (double)used);
		if (wrong || getenv("SHOW_MEMORY"))
			fprintf(stderr, "%s: %s %s: %lld of %lld KiB\n%s\n", kind, err_name(m.code),
				m.code ? m.e.text : "", (long long)used >> 10,
				(long long)asked >> 10, variants);
		_exit(wrong);
	}
	assert_ends_well(child);
}

static const char web[] = "[{\"name\":\"a\",\"width\":150,\"height\":150,\"format\":\"jpeg\"},"
			  "{\"name\":\"b\",\"width\":1280,\"format\":\"webp\",\"effort\":1}]";

static void memory_is_never_more_than_was_asked_for(void **state)
{
	(void)state;
	static const char *const kinds[] = { ".jpg", ".jpg[interlace]",
		".jpg[interlace,subsample-mode=off]", ".png[compression=1]",
		".png[compression=1,interlace]", ".webp[lossless,effort=0]", ".webp[effort=0]",
		".tif", ".tif[compression=lzw]", ".tif[tile]", ".gif[effort=1]", ".avif[effort=0]",
		".heic[compression=hevc,effort=0]" };
	static const char avif[] =
		"[{\"name\":\"a\",\"width\":1000,\"format\":\"avif\",\"effort\":0}]";
	static const char lossless[] =
		"[{\"name\":\"a\",\"width\":1000,\"format\":\"webp\",\"lossless\":true,\"effort\":1},"
		"{\"name\":\"b\",\"width\":900,\"format\":\"png\",\"effort\":1}]";
	static const char bars[] =
		"[{\"name\":\"a\",\"width\":1500,\"height\":1500,\"fit\":\"contain\","
		"\"format\":\"jpeg\"},{\"name\":\"b\",\"width\":1400,\"height\":1400,"
		"\"position\":\"attention\",\"format\":\"jpeg\"}]";
	const char *const recipes[] = { web, avif, lossless, bars };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct file f = encode_apart(2400, 1800, kinds[i], 8);
		for (size_t k = 0; k < (i < 2 ? ARRAY_LEN(recipes) : 1); k++)
			check_memory(kinds[i], f, recipes[k], 0);
		file_done(&f);
	}
	struct file wide = encode_apart(30000, 500, ".png[compression=1]", 8);
	check_memory("wide", wide, web, 0);
	file_done(&wide);
	struct file deep = encode_apart(2400, 1800,
		".avif[effort=0,bitdepth=12,subsample-mode=off]", 16);
	check_memory("deep", deep, web, 0);
	file_done(&deep);
}

static void put_le(uint8_t *at, uint32_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

/* Red, green and blue apart, each in one strip of its own, which no encoder at hand writes. */
static struct file tiff_of_planes(uint32_t w, uint32_t h)
{
	enum { ENTRIES = 9, ARRAYS = 8 + 2 + 12 * ENTRIES + 4, PIXELS = ARRAYS + 6 + 12 + 12 };
	const uint32_t entries[ENTRIES][4] = { { 256, 4, 1, w }, { 257, 4, 1, h },
		{ 258, 3, 3, ARRAYS }, { 259, 3, 1, 1 }, { 262, 3, 1, 2 },
		{ 273, 4, 3, ARRAYS + 6 }, { 277, 3, 1, 3 }, { 279, 4, 3, ARRAYS + 18 },
		{ 284, 3, 1, 2 } };
	size_t n = PIXELS + (size_t)3 * w * h;
	struct file f = { mem_array(n, 1), n };
	memset(f.data, 0, PIXELS);
	memset(f.data + PIXELS, 100, f.n - PIXELS);
	memcpy(f.data, "II*\0\10\0\0\0\11\0", 10);
	for (int i = 0; i < ENTRIES; i++)
		for (int k = 0; k < 4; k++)
			put_le(f.data + 10 + 12 * i + (int[]){ 0, 2, 4, 8 }[k], entries[i][k],
				k < 2 ? 2 : 4);
	for (uint32_t i = 0; i < 3; i++) {
		put_le(f.data + ARRAYS + 2 * i, 8, 2);
		put_le(f.data + ARRAYS + 6 + 4 * i, PIXELS + i * w * h, 4);
		put_le(f.data + ARRAYS + 18 + 4 * i, w * h, 4);
	}
	return f;
}

/* A TIFF of any size streams; only what its strips or tiles make the decoder hold is asked for. */
static void a_large_tiff_is_weighed_closely(void **state)
{
	(void)state;
	static const struct {
		const char *suffix;
		int bits;
	} kinds[] = { { ".tif", 8 }, { ".tif", 16 }, { ".tif[compression=lzw]", 8 },
		{ ".tif[compression=deflate]", 16 }, { ".tif[compression=jpeg]", 8 },
		{ ".tif[tile]", 8 }, { ".tif[tile,tile-width=1024,tile-height=1024]", 8 },
		{ ".tif[tile,tile-width=256,tile-height=256,compression=lzw]", 16 } };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct file f = encode_apart(8000, 5000, kinds[i].suffix, kinds[i].bits);
		check_memory(kinds[i].suffix, f, web, 1.5);
		file_done(&f);
	}
	struct file planes = tiff_of_planes(8000, 5000);
	check_memory("planes", planes, web, 1.5);
	file_done(&planes);
}
#endif

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(preparing_runs_no_thread_and_children_work),
	cmocka_unit_test(nothing_is_written_to_a_disc),
#if !SANITIZED
	cmocka_unit_test(memory_is_never_more_than_was_asked_for),
	cmocka_unit_test(a_large_tiff_is_weighed_closely),
#endif
};
TEST_MAIN_WITH(tests, pictures_start)
