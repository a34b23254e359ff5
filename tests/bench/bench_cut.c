/* SPDX-License-Identifier: MIT
 *
 * A cut-out without the darkroom around it, next to the model's bare run, in one process and in
 * turns: how much of a cut-out's time is the model's own. Calls into the rooms are timed by the linker's
 * --wrap, so what is measured is the code that ships. Prints one JSON line in milliseconds, medians of
 * wall and CPU time and the best wall time, and the peak memory. cutouts.mjs makes a table of it.
 *
 *   bench_cut MODELS PICTURE [RUNS [THREADS]]
 */
#include "base/io.h"
#include "base/mem.h"
#include "image/load.h"
#include "image/placeholder.h"
#include "inside/cut.h"
#include "inside/model.h"
#include "matte/ort.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS_MAX 200

enum part { BARE, WHOLE, RUN, ENCODE, DECODE, PLACEHOLDER, RGB, REFINE, COLOURS, PARTS };
static const char *const names[PARTS] = { "bare", "whole", "run", "encode", "decode", "placeholder",
	"rgb", "refine", "colours" };

struct spent {
	double wall, cpu;
};
static struct {
	struct spent of[PARTS]; /* of the cut-out at hand */
	double wall[PARTS][RUNS_MAX], cpu[PARTS][RUNS_MAX];
	bool bare;
} bench;

static double now_ms(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct spent spent_now(void)
{
	return (struct spent){ now_ms(CLOCK_MONOTONIC), now_ms(CLOCK_PROCESS_CPUTIME_ID) };
}

static void add(enum part part, struct spent began)
{
	struct spent now = spent_now();
	bench.of[part].wall += now.wall - began.wall;
	bench.of[part].cpu += now.cpu - began.cpu;
}

#define TIMED(PART, NAME, PARAMS, ARGS)                                                            \
	enum err_code __real_##NAME PARAMS;                                                        \
	enum err_code __wrap_##NAME PARAMS;                                                        \
	enum err_code __wrap_##NAME PARAMS                                                         \
	{                                                                                          \
		struct spent began = spent_now();                                                  \
		enum err_code code = __real_##NAME ARGS;                                           \
		add(PART, began);                                                                  \
		return code;                                                                       \
	}
TIMED(ENCODE, save_picture,
	(const struct picture *p, const struct variant *v, struct encoded *ret, struct err *e),
	(p, v, ret, e))
TIMED(DECODE, load_picture,
	(const void *data, size_t n, const struct image_header *h, double scale, struct loaded *ret,
		struct err *e),
	(data, n, h, scale, ret, e))
TIMED(PLACEHOLDER, placeholder_make,
	(const struct picture *p, struct image_summary *ret, struct err *e), (p, ret, e))
TIMED(RGB, picture_make_rgb, (struct picture * p, struct err *e), (p, e))
TIMED(REFINE, matte_refine,
	(const struct matte_model *m, const struct matte_mask *mask,
		const struct matte_planes *guide, const struct matte_planes *full,
		uint8_t *ret_alpha, struct err *e),
	(m, mask, guide, full, ret_alpha, e))
TIMED(COLOURS, matte_foreground,
	(uint8_t * r, uint8_t *g, uint8_t *b, const uint8_t *alpha, int w, int h,
		struct matte_box box, struct err *e),
	(r, g, b, alpha, w, h, box, e))

/* The model's run alone: the runtime's function, without what prepares its input. */
static const struct ort *theirs;

static struct ort_status *timed_run(struct ort_session *s, const struct ort_run_options *o,
	const char *const *in, const struct ort_value *const *values, size_t n,
	const char *const *out, size_t n_out, struct ort_value **ret)
{
	struct spent began = spent_now();
	struct ort_status *status = theirs->run(s, o, in, values, n, out, n_out, ret);
	add(bench.bare ? BARE : RUN, began);
	return status;
}

const struct ort *__real_ort_get(void);
const struct ort *__wrap_ort_get(void);
const struct ort *__wrap_ort_get(void)
{
	static struct ort ours;
	theirs = __real_ort_get();
	if (!theirs)
		return NULL;
	ours = *theirs;
	ours.run = timed_run;
	return &ours;
}

static void check(enum err_code code, const struct err *e)
{
	if (code == OK)
		return;
	fprintf(stderr, "bench_cut: %s\n", e->text);
	exit(1);
}

/* The picture as the model gets it, kept for the bare runs. */
static uint8_t *input;

enum err_code __real_matte_run(struct matte *m, const uint8_t *rgb, int w, int h,
	struct matte_mask *ret, struct err *e);
enum err_code __wrap_matte_run(struct matte *m, const uint8_t *rgb, int w, int h,
	struct matte_mask *ret, struct err *e);
enum err_code __wrap_matte_run(struct matte *m, const uint8_t *rgb, int w, int h,
	struct matte_mask *ret, struct err *e)
{
	size_t n = (size_t)w * (size_t)h * 3;
	if (!input)
		input = memcpy(mem_array(n, 1), rgb, n);
	return __real_matte_run(m, rgb, w, h, ret, e);
}

static void run_bare(struct matte *m, const struct matte_model *model)
{
	struct err e;
	struct matte_mask mask;
	bench.bare = true;
	check(__real_matte_run(m, input, model->w, model->h, &mask, &e), &e);
	bench.bare = false;
	matte_mask_done(&mask);
}

static void run_whole(const struct cut_job *proto)
{
	struct err e;
	struct cut_file file;
	struct cut_job job = *proto;
	struct spent began = spent_now();
	check(cut_probe(&job, &e), &e);
	check(cut_make(&job, &file, &e), &e);
	if (!file.has_file || file.engine != CUT_LOCAL) {
		fprintf(stderr, "bench_cut: the picture is not one that the model cuts\n");
		exit(1);
	}
	cut_file_done(&file);
	cut_job_done(&job);
	add(WHOLE, began);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Sorts the list: its first is then the fastest. */
static double median(double *list, int n)
{
	qsort(list, (size_t)n, sizeof(*list), by_value);
	return list[n / 2];
}

static long long peak_mb(void)
{
	struct buf status = BUF_INIT(1 << 16);
	struct err e;
	check(io_read_file("/proc/self/status", status.max, &status, &e), &e);
	const char *line = strstr(buf_str(&status), "VmHWM:");
	long long kib = line ? strtoll(line + strlen("VmHWM:"), NULL, 10) : 0;
	buf_done(&status);
	return kib / 1024;
}

static void measure(const struct cut_job *job, int runs)
{
	for (int run = -1; run < runs; run++) { /* the first does not count */
		memset(bench.of, 0, sizeof(bench.of));
		run_whole(job);
		run_bare(job->matte, job->model);
		for (int part = 0; run >= 0 && part < PARTS; part++) {
			bench.wall[part][run] = bench.of[part].wall;
			bench.cpu[part][run] = bench.of[part].cpu;
		}
	}
	printf("{\"runs\":%d,\"width\":%d,\"height\":%d", runs, job->header.width,
		job->header.height);
	for (int part = 0; part < PARTS; part++) {
		double wall = median(bench.wall[part], runs), cpu = median(bench.cpu[part], runs);
		printf(",\"%s\":{\"wall\":%.2f,\"cpu\":%.2f,\"best\":%.2f}", names[part], wall, cpu,
			bench.wall[part][0]);
	}
	printf(",\"peak_mb\":%lld}\n", peak_mb());
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: bench_cut MODELS PICTURE [RUNS [THREADS]]\n");
		return 64;
	}
	int runs = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 11;
	int threads = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 2;
	struct err e;
	struct held_model model;
	struct buf data = BUF_INIT(1 << 30);
	const struct image_limits limits = { 100000000, 1000, 1 << 28 };
	autofree char *runtime = mem_printf("%s/libonnxruntime.so", argv[1]);
	autofree char *manifest = mem_printf("%s/fast.json", argv[1]);
	struct cut_job job = { .action = CUT_DO_AUTO,
		.cut = { .format = FORMAT_PNG },
		.limits = &limits,
		.model = &model.manifest };
	check(image_init(&e), &e);
	check(held_model_load(runtime, manifest, &model, &e), &e);
	check(matte_new(job.model, model.bytes.data, model.bytes.len, threads, &job.matte, &e), &e);
	held_model_done(&model);
	check(io_read_file(argv[2], data.max, &data, &e), &e);
	job.data = buf_str(&data);
	job.n = data.len;
	check(cut_probe(&job, &e), &e);
	measure(&job, runs < 1 ? 1 : runs > RUNS_MAX ? RUNS_MAX : runs);
	matte_free(job.matte);
	free(input);
	buf_done(&data);
	return 0;
}
