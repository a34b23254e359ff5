/* SPDX-License-Identifier: MIT
 *
 * The matte room alone, on a picture of 1.5 MP: how much of a cut-out's time is the model's own run.
 * Prints one JSON line: medians in milliseconds of wall time, and the peak memory.
 *
 *   bench_matte MODELS [RUNS [THREADS]]
 */
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "unit/matte/pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define WIDTH    1462
#define HEIGHT   1080
#define GUIDE_W  1024
#define GUIDE_H  756
#define RUNS_MAX 200

enum part { MODEL, REFINE, FOREGROUND, FLAT, PARTS };
struct bench {
	struct matte_model model;
	struct matte *session;
	struct scene scene;
	uint8_t *input, *guide, *alpha;
	double ms[PARTS][RUNS_MAX];
};

static void die(const struct err *e)
{
	fprintf(stderr, "bench_matte: %s\n", e->text);
	exit(1);
}

static void open_model(struct bench *b, const char *folder, int threads)
{
	struct err e;
	const char *version;
	struct buf bytes = BUF_INIT(1 << 30);
	autofree char *runtime = mem_printf("%s/libonnxruntime.so", folder);
	if (matte_load_runtime(runtime, &version, &e) != OK ||
		matte_model_parse(matte_fast_manifest, strlen(matte_fast_manifest), &b->model,
			&e) != OK)
		die(&e);
	autofree char *model = mem_printf("%s/%s", folder, b->model.file);
	if (io_read_file(model, bytes.max, &bytes, &e) != OK ||
		matte_new(&b->model, bytes.data, bytes.len, threads, &b->session, &e) != OK)
		die(&e);
	buf_done(&bytes);
}

static double since_ms(struct timespec *then)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	double ms = (double)(now.tv_sec - then->tv_sec) * 1e3 +
		(double)(now.tv_nsec - then->tv_nsec) / 1e6;
	*then = now;
	return ms;
}

/* What is done to a picture that is not flat, in the order of the darkroom. */
static void cut(struct bench *b, int run)
{
	struct err e;
	bool flat;
	uint8_t ground[3];
	struct matte_mask mask;
	struct scene *s = &b->scene;
	struct matte_planes p = scene_planes(s);
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	if (matte_flat(&p, b->alpha, &flat, ground, &e) != OK)
		die(&e);
	b->ms[FLAT][run] = since_ms(&at);
	if (matte_run(b->session, b->input, b->model.w, b->model.h, &mask, &e) != OK)
		die(&e);
	b->ms[MODEL][run] = since_ms(&at);
	if (matte_refine(&b->model, &mask, b->guide, GUIDE_W, GUIDE_H, &p, b->alpha, &e) != OK)
		die(&e);
	b->ms[REFINE][run] = since_ms(&at);
	if (matte_foreground(s->px[0], s->px[1], s->px[2], b->alpha, WIDTH, HEIGHT,
		    matte_bounds(b->alpha, WIDTH, HEIGHT), &e) != OK)
		die(&e);
	b->ms[FOREGROUND][run] = since_ms(&at);
	matte_mask_done(&mask);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: bench_matte MODELS [RUNS [THREADS]]\n");
		return 64;
	}
	int runs = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 11;
	runs = runs < 1 ? 1 : runs > RUNS_MAX ? RUNS_MAX : runs;
	struct bench *b = mem_new(struct bench);
	open_model(b, argv[1], argc > 3 ? (int)strtol(argv[3], NULL, 10) : 2);
	b->scene = scene_new(WIDTH, HEIGHT, SUBJECT_FIGURE, 3, 1);
	b->input = scene_pack(&b->scene, b->model.w, b->model.h);
	b->guide = scene_pack(&b->scene, GUIDE_W, GUIDE_H);
	b->alpha = mem_array(WIDTH, HEIGHT);
	for (int run = -1; run < runs; run++) /* the first does not count */
		cut(b, run < 0 ? 0 : run);
	double sum = 0, median[PARTS];
	for (int part = 0; part < PARTS; part++) {
		qsort(b->ms[part], (size_t)runs, sizeof(double), by_value);
		sum += median[part] = b->ms[part][runs / 2];
	}
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	printf("{\"pixels\":%d,\"runs\":%d,\"flat_ms\":%.2f,\"model_ms\":%.1f,\"refine_ms\":%.1f,"
	       "\"foreground_ms\":%.1f,\"model_share\":%.3f,\"peak_mb\":%ld}\n",
		WIDTH * HEIGHT, runs, median[FLAT], median[MODEL], median[REFINE],
		median[FOREGROUND], median[MODEL] / sum, u.ru_maxrss / 1024);
	matte_free(b->session);
	scene_done(&b->scene);
	free(b->input);
	free(b->guide);
	free(b->alpha);
	free(b);
	return 0;
}
