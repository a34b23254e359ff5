/* SPDX-License-Identifier: MIT
 *
 * The image room alone, over files: the five copies of each, written to a folder. Prints one JSON
 * line a file with the CPU seconds it took, and one at the end with the peak memory. images.mjs
 * runs it next to sharp.
 *
 *   bench_image [-r RECIPE.json] [-o OUT] FILE…
 */
#include "base/buf.h"
#include "base/io.h"
#include "image/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct sink {
	const char *folder, *stem;
	const struct recipe *recipe;
	size_t bytes;
};

static bool write_variant(void *ctx, const struct image_variant *v)
{
	struct sink *s = ctx;
	struct err e;
	s->bytes += v->bytes;
	if (!s->folder)
		return true;
	struct buf path = BUF_INIT(4096);
	buf_printf(&path, "%s/%s-%s.%s", s->folder, s->stem, s->recipe->variants[v->index].name,
		format_extension(v->format));
	FILE *f = fopen(buf_str(&path), "wb");
	bool done = f && fwrite(v->data, 1, v->bytes, f) == v->bytes && fclose(f) == 0;
	if (!done)
		(void)err_sys(&e, ERR_SYSTEM, 0, "%s", buf_str(&path));
	buf_done(&path);
	return done;
}

static double cpu_seconds(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Of this program alone: ru_maxrss remembers the size of who started it. */
static long long peak_bytes(void)
{
	struct buf status = BUF_INIT(1 << 16);
	struct err e;
	long long kib = 0;
	if (io_read_file("/proc/self/status", status.max, &status, &e) == OK) {
		const char *line = strstr(buf_str(&status), "VmHWM:");
		kib = line ? strtoll(line + strlen("VmHWM:"), NULL, 10) : 0;
	}
	buf_done(&status);
	return kib * 1024;
}

static enum err_code run(const char *path, struct sink *s, struct err *e)
{
	const struct image_limits lim = { 100000000, 1000, 1 << 28 };
	struct buf data = BUF_INIT(256 << 20);
	struct image_header h = { 0 };
	struct image_summary sum;
	double start = cpu_seconds();
	enum err_code code = io_read_file(path, data.max, &data, e);
	if (code == OK)
		code = image_probe(buf_str(&data), data.len, &lim, s->recipe, &h, e);
	if (code == OK)
		code = image_make(buf_str(&data), data.len, &h, &lim, s->recipe, write_variant, s,
			&sum, e);
	if (code == OK)
		printf("{\"file\":\"%s\",\"width\":%d,\"height\":%d,\"progressive\":%s,\"estimate\":%lld,"
		       "\"bytes\":%zu,\"thumbhash\":\"%s\",\"color\":\"%s\",\"cpu\":%.4f}\n",
			s->stem, sum.width, sum.height, h.progressive ? "true" : "false",
			(long long)h.decode_bytes, s->bytes, sum.thumbhash, sum.color,
			cpu_seconds() - start);
	buf_done(&data);
	return code;
}

static void stem_of(const char *path, char stem[256])
{
	const char *slash = strrchr(path, '/');
	snprintf(stem, 256, "%s", slash ? slash + 1 : path);
	char *dot = strrchr(stem, '.');
	if (dot)
		*dot = 0;
}

static bool read_recipe(const char *path, struct recipe *ret)
{
	struct buf text = BUF_INIT(1 << 20);
	struct faults faults = { 0 };
	struct err e;
	json_t *j = io_read_file(path, text.max, &text, &e) == OK
		? json_loads(buf_str(&text), 0, NULL)
		: NULL;
	bool done = j && recipe_parse(j, "", ret, &faults);
	faults_done(&faults);
	json_decref(j);
	buf_done(&text);
	return done;
}

int main(int argc, char **argv)
{
	struct presets *presets = presets_new();
	struct recipe own = { 0 };
	struct sink s = { .recipe = presets_find(presets, "web") };
	struct err e;
	int option, failed = 0;
	while ((option = getopt(argc, argv, "r:o:")) != -1) {
		if (option == 'r' && read_recipe(optarg, &own))
			s.recipe = &own;
		else if (option == 'o')
			s.folder = optarg;
		else
			return 64;
	}
	if (image_init(&e) != OK) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	for (int i = optind; i < argc; i++) {
		char stem[256];
		stem_of(argv[i], stem);
		s.stem = stem;
		s.bytes = 0;
		if (run(argv[i], &s, &e) == OK)
			continue;
		failed++;
		printf("{\"file\":\"%s\",\"error\":\"%s\"}\n", stem, err_name(e.code));
		fprintf(stderr, "%s: %s: %s\n", argv[i], err_name(e.code), e.text);
	}
	printf("{\"cpu_total\":%.4f,\"peak_bytes\":%lld}\n", cpu_seconds(), peak_bytes());
	recipe_done(&own);
	presets_free(presets);
	return failed > 0;
}
