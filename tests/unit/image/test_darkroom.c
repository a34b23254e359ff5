/* SPDX-License-Identifier: MIT
 *
 * What the darkroom relies on: preparing the libraries runs no thread, children forked after it
 * work, and a picture never takes more memory than its header made the darkroom set aside.
 */
#include "pictures.h"

#include "lib/sanitized.h"

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

static void preparing_runs_no_thread_and_children_work(void **state)
{
	(void)state;
	assert_int_equal(status_number("Threads:"), 1);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct file f = gif_frames(3);
		struct made m = make(f, small);
		_exit(m.code == OK ? 0 : 5);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* libvips would put what it must hold whole into a temporary file once it is large. */
static void nothing_is_written_to_a_disc(void **state)
{
	(void)state;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		setenv("TMPDIR", "/nonexistent", 1);
		struct file f = encode(scene(8000, 5000), ".png[compression=1,interlace]");
		struct made m = make(f, small);
		_exit(m.code == OK ? 0 : 5);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#if !SANITIZED
/* Encoded by a child, so that this process stays one that has run no picture. */
static struct file encode_apart(int w, int h, const char *suffix)
{
	FILE *shared = tmpfile();
	assert_non_null(shared);
	pid_t child = fork();
	if (child == 0) {
		struct file f = encode(scene(w, h), suffix);
		bool done = fwrite(f.data, 1, f.n, shared) == f.n && fflush(shared) == 0;
		_exit(done ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	fseek(shared, 0, SEEK_END);
	struct file f = { .n = (size_t)ftell(shared) };
	rewind(shared);
	f.data = malloc(f.n);
	assert_int_equal(fread(f.data, 1, f.n, shared), f.n);
	fclose(shared);
	return f;
}

/* In a child of its own, forked after the libraries were prepared, as the darkroom does. */
static void check_memory(const char *kind, struct file f, const char *variants)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int64_t before = status_number("VmRSS:");
		struct made m = make(f, variants);
		int64_t used = (status_number("VmHWM:") - before) * 1024;
		if (m.code != OK || used > m.header.decode_bytes) {
			fprintf(stderr, "%s: %s %s: %lld of %lld\n%s\n", kind, err_name(m.code),
				m.code ? m.e.text : "", (long long)used,
				(long long)m.header.decode_bytes, variants);
			_exit(1);
		}
		if (getenv("SHOW_MEMORY"))
			fprintf(stderr, "%s: %lld of %lld MiB\n", kind, (long long)used >> 20,
				(long long)m.header.decode_bytes >> 20);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void memory_is_never_more_than_was_asked_for(void **state)
{
	(void)state;
	static const char *const kinds[] = { ".jpg", ".jpg[interlace]",
		".jpg[interlace,subsample-mode=off]", ".png[compression=1]",
		".png[compression=1,interlace]", ".webp[lossless,effort=0]", ".webp[effort=0]",
		".tif", ".tif[compression=lzw]", ".tif[tile]", ".gif[effort=1]", ".avif[effort=0]",
		".heic[compression=hevc,effort=0]" };
	static const char web[] =
		"[{\"name\":\"a\",\"width\":150,\"height\":150,\"format\":\"jpeg\"},"
		"{\"name\":\"b\",\"width\":1280,\"format\":\"webp\",\"effort\":1}]";
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
		struct file f = encode_apart(2400, 1800, kinds[i]);
		for (size_t k = 0; k < (i < 2 ? ARRAY_LEN(recipes) : 1); k++)
			check_memory(kinds[i], f, recipes[k]);
		file_done(&f);
	}
	struct file wide = encode_apart(30000, 500, ".png[compression=1]");
	check_memory("wide", wide, web);
	file_done(&wide);
}
#endif

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(preparing_runs_no_thread_and_children_work),
	cmocka_unit_test(nothing_is_written_to_a_disc),
#if !SANITIZED
	cmocka_unit_test(memory_is_never_more_than_was_asked_for),
#endif
};

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, pictures_start, NULL);
}
