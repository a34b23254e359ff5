/* SPDX-License-Identifier: MIT
 *
 * The bar goes to standard error, so that standard output stays clean for results; failures are
 * printed above it as they come. A retry opens an ended job again, so "ended" is what the last job
 * event said.
 */
#include "app/show.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_WIDTH 30
#define BAR_MS    100

struct show {
	enum show_kind kind;
	bool color;
	int64_t sequence;
	int64_t total, ended, running, failed, cached;
	int64_t started_ms, drawn_ms;
	bool job_ended;
	char status[16];
};

struct show *show_new(bool json, bool no_color)
{
	struct show *s = mem_new(struct show);
	bool terminal = isatty(STDERR_FILENO) && isatty(STDOUT_FILENO);
	s->kind = json ? SHOW_JSON : terminal ? SHOW_BAR : SHOW_LINES;
	s->color = !no_color && s->kind == SHOW_BAR;
	s->started_ms = clock_mono_ms();
	return s;
}

void show_free(struct show *s)
{
	free(s);
}

static void bar_clear(const struct show *s)
{
	if (s->kind == SHOW_BAR)
		fputs("\r\033[K", stderr);
}

static void bar_draw(struct show *s, bool now)
{
	int64_t ms = clock_mono_ms();
	if (s->kind != SHOW_BAR || (!now && ms - s->drawn_ms < BAR_MS))
		return;
	s->drawn_ms = ms;
	int full = s->total ? (int)(s->ended * BAR_WIDTH / s->total) : 0;
	char bar[BAR_WIDTH + 1];
	memset(bar, '-', BAR_WIDTH);
	memset(bar, '#', (size_t)full);
	bar[BAR_WIDTH] = 0;
	double seconds = (double)(ms - s->started_ms) / 1000;
	fprintf(stderr, "\r\033[K[%s] %lld/%lld  %lld running, %lld cached, %lld failed  %.1f/s",
		bar, (long long)s->ended, (long long)s->total, (long long)s->running,
		(long long)s->cached, (long long)s->failed,
		seconds > 0 ? (double)s->ended / seconds : 0);
	fflush(stderr);
}

static void take_counts(struct show *s, const json_t *data)
{
	const json_t *c = json_object_get(data, "counts");
	if (!c)
		return;
	s->total = json_get_int(c, "total", s->total);
	s->running = json_get_int(c, "running", 0);
	s->failed = json_get_int(c, "failed", 0) + json_get_int(c, "canceled", 0);
	s->cached = json_get_int(c, "cached", 0);
	s->ended = json_get_int(c, "succeeded", 0) + s->failed;
}

static void take_item(struct show *s, const char *type)
{
	/* Counts of a job's event may hold items whose own events are still to come. */
	s->running += strcmp(type, "item.started") == 0 && s->running < s->total - s->ended;
	if (strcmp(type, "item.started") == 0 || strcmp(type, "item.progress") == 0)
		return;
	s->ended++;
	s->running -= s->running > 0;
	s->failed += strcmp(type, "item.succeeded") != 0;
}

/* ", cut out (local:u2netp, 93 %)": what came of the cut-out, if one was asked for. */
static char *cutout_text(const json_t *item)
{
	const json_t *cut = json_object_get(item, "cutout");
	const char *status = json_get_str(cut, "status", "");
	if (strcmp(status, "succeeded") == 0) {
		double sure = json_get_num(cut, "confidence", -1);
		autofree char *percent = sure < 0 ? mem_strdup("")
						  : mem_printf(", %.0f %%", sure * 100);
		return mem_printf(", cut out (%s%s)", json_get_str(cut, "engine", "?"), percent);
	}
	if (strcmp(status, "none") == 0)
		return mem_strdup(", no subject to cut out");
	if (strcmp(status, "failed") == 0)
		return mem_printf(", cut-out failed: %s",
			json_get_str(json_object_get(cut, "error"), "code", "?"));
	return mem_strdup("");
}

static void print_item(const struct show *s, const char *type, const json_t *item)
{
	FILE *out = s->kind == SHOW_BAR ? stderr : stdout;
	const json_t *error = json_object_get(item, "error");
	const char *url = json_get_str(item, "url", "?");
	if (strcmp(type, "item.failed") == 0) {
		fprintf(out, "%sfailed%s     %s  %s: %s\n", s->color ? "\033[31m" : "",
			s->color ? "\033[0m" : "", url, json_get_str(error, "code", "?"),
			json_get_str(error, "detail", ""));
	} else if (s->kind == SHOW_LINES && strcmp(type, "item.succeeded") == 0) {
		const json_t *t = json_object_get(item, "timing_ms");
		int64_t ms = json_get_int(t, "download", 0) + json_get_int(t, "process", 0) +
			json_get_int(t, "store", 0);
		autofree char *cutout = cutout_text(item);
		fprintf(out, "succeeded  %s  %zu variants%s, cache %s, %lld ms\n", url,
			json_array_size(json_object_get(item, "variants")), cutout,
			json_get_str(item, "cache", "?"), (long long)ms);
	} else if (strcmp(type, "item.canceled") == 0) {
		fprintf(out, "canceled   %s\n", url);
	}
}

static void print_end(const struct show *s, const json_t *data)
{
	FILE *out = s->kind == SHOW_BAR ? stderr : stdout;
	const json_t *saved = json_object_get(data, "savings");
	fprintf(out,
		"%s: %lld of %lld done, %lld failed, %lld cached; saved %lld downloads, %lld encodes; "
		"%.2f s\n",
		s->status, (long long)(s->ended - s->failed), (long long)s->total,
		(long long)s->failed, (long long)s->cached,
		(long long)json_get_int(saved, "downloads", 0),
		(long long)json_get_int(saved, "encodes", 0),
		(double)(clock_mono_ms() - s->started_ms) / 1000);
	fflush(out);
}

static void take_job(struct show *s, const json_t *data)
{
	take_counts(s, data);
	snprintf(s->status, sizeof(s->status), "%s", json_get_str(data, "status", ""));
	s->job_ended = strcmp(s->status, "queued") != 0 && strcmp(s->status, "running") != 0;
	if (!s->job_ended)
		return;
	bar_draw(s, true);
	if (s->kind == SHOW_BAR)
		fputc('\n', stderr);
	if (s->kind != SHOW_JSON)
		print_end(s, data);
}

void show_event(struct show *s, const char *text, size_t n)
{
	autojson *ev = NULL;
	if (json_parse(text, n, &ev, NULL) != OK)
		return;
	const char *type = json_get_str(ev, "type", "");
	const char *sequence = json_get_str(ev, "sequence", NULL);
	if (!sequence)
		return;
	s->sequence = strtoll(sequence, NULL, 10);
	if (s->kind == SHOW_JSON) {
		fwrite(text, 1, n, stdout);
		fputc('\n', stdout);
		fflush(stdout);
	}
	const json_t *data = json_object_get(ev, "data");
	if (strncmp(type, "job.", 4) == 0) {
		take_job(s, data);
		bar_draw(s, false);
		return;
	}
	take_item(s, type);
	if (s->kind != SHOW_JSON) {
		bar_clear(s);
		print_item(s, type, data);
		bar_draw(s, s->kind == SHOW_BAR);
	}
}

bool show_ended(const struct show *s)
{
	return s->job_ended;
}

int64_t show_sequence(const struct show *s)
{
	return s->sequence;
}

int show_exit_code(const struct show *s)
{
	if (!s->job_ended)
		return 1;
	return strcmp(s->status, "succeeded") == 0 ? 0 : 2;
}
