/* SPDX-License-Identifier: MIT
 *
 * Counters, gauges and histograms under one mutex: a metric is touched a few times an item, so a
 * lock of some nanoseconds is no cost and atomics would buy nothing. Series are lists per metric;
 * label values come from our own tables, so the lists are short, and SERIES_MAX keeps a mistake
 * there from growing without end.
 */
#include "base/metrics.h"

#include "base/mem.h"

#include <pthread.h>
#include <string.h>

#define LABELS_MAX 3
#define SERIES_MAX 1000

enum type { COUNTER, GAUGE, HISTOGRAM };
static const double bounds[] = { .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300 };
#define BUCKETS ARRAY_LEN(bounds)

static const struct row {
	const char *name, *labels, *help;
	enum type type;
} rows[METRIC_COUNT] = {
#define METRIC(name, type, public_name, labels, help)                                              \
	[METRIC_##name] = { public_name, labels, help, type },
#include "base/metrics.def"
#undef METRIC
};

struct series {
	struct series *next;
	char *label[LABELS_MAX];
	double value;             /* a histogram's sum */
	uint64_t bucket[BUCKETS]; /* observations of at most that bound, not cumulated */
	uint64_t count;
};
static struct series *all[METRIC_COUNT];
static size_t counts[METRIC_COUNT];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Under the lock; NULL when it is not there. */
static struct series *series_find(enum metric m, const char *const label[LABELS_MAX])
{
	for (struct series *s = all[m]; s; s = s->next)
		if (same(s->label[0], label[0]) && same(s->label[1], label[1]) &&
			same(s->label[2], label[2]))
			return s;
	return NULL;
}

/* Under the lock; NULL when the metric has too many series already. */
static struct series *series_get(enum metric m, const char *const label[LABELS_MAX])
{
	struct series *s = series_find(m, label);
	if (s || counts[m] >= SERIES_MAX)
		return s;
	s = mem_new(struct series);
	for (size_t i = 0; i < LABELS_MAX; i++)
		s->label[i] = mem_strdup(label[i]);
	struct series **end = &all[m];
	while (*end)
		end = &(*end)->next;
	*end = s;
	counts[m]++;
	return s;
}

void metric_add(enum metric m, double v, const char *l1, const char *l2, const char *l3)
{
	pthread_mutex_lock(&lock);
	struct series *s = series_get(m, (const char *const[]){ l1, l2, l3 });
	if (s)
		s->value += v;
	pthread_mutex_unlock(&lock);
}

void metric_set(enum metric m, double v, const char *l1, const char *l2, const char *l3)
{
	pthread_mutex_lock(&lock);
	struct series *s = series_get(m, (const char *const[]){ l1, l2, l3 });
	if (s)
		s->value = v;
	pthread_mutex_unlock(&lock);
}

void metric_observe(enum metric m, double seconds, const char *l1)
{
	pthread_mutex_lock(&lock);
	struct series *s = series_get(m, (const char *const[]){ l1, NULL, NULL });
	if (s) {
		size_t i = 0;
		while (i < BUCKETS && seconds > bounds[i])
			i++;
		if (i < BUCKETS)
			s->bucket[i]++;
		s->count++;
		s->value += seconds;
	}
	pthread_mutex_unlock(&lock);
}

double metric_get(enum metric m, const char *l1, const char *l2, const char *l3)
{
	pthread_mutex_lock(&lock);
	const struct series *s = series_find(m, (const char *const[]){ l1, l2, l3 });
	double v = !s ? 0 : rows[m].type == HISTOGRAM ? (double)s->count : s->value;
	pthread_mutex_unlock(&lock);
	return v;
}

/* ---- rendering ---- */

static void put_label_value(struct buf *out, const char *v)
{
	for (; *v; v++) {
		if (*v == '\n')
			buf_puts(out, "\\n");
		else if (*v == '"' || *v == '\\')
			buf_printf(out, "\\%c", *v);
		else
			buf_putc(out, *v);
	}
}

/* {a="x",b="y"} with an le for buckets; nothing when there is neither. */
static void put_labels(struct buf *out, const char *names, const struct series *s, const char *le)
{
	const char *sep = "{";
	for (size_t i = 0; i < LABELS_MAX && *names; i++) {
		size_t n = strcspn(names, ",");
		buf_printf(out, "%s%.*s=\"", sep, (int)n, names);
		put_label_value(out, s->label[i] ? s->label[i] : "");
		buf_putc(out, '"');
		sep = ",";
		names += n + (names[n] == ',');
	}
	if (le)
		buf_printf(out, "%sle=\"%s\"", sep, le);
	if (le || *sep == ',')
		buf_putc(out, '}');
}

static void put_value(struct buf *out, const struct row *r, const struct series *s)
{
	buf_puts(out, r->name);
	put_labels(out, r->labels, s, NULL);
	buf_printf(out, " %.15g\n", s->value);
}

static void put_histogram(struct buf *out, const struct row *r, const struct series *s)
{
	uint64_t below = 0;
	for (size_t i = 0; i <= BUCKETS; i++) {
		struct buf le = BUF_INIT(32);
		if (i < BUCKETS)
			buf_printf(&le, "%g", bounds[i]);
		else
			buf_puts(&le, "+Inf");
		below = i < BUCKETS ? below + s->bucket[i] : s->count;
		buf_printf(out, "%s_bucket", r->name);
		put_labels(out, r->labels, s, buf_str(&le));
		buf_printf(out, " %llu\n", (unsigned long long)below);
		buf_done(&le);
	}
	buf_printf(out, "%s_sum", r->name);
	put_labels(out, r->labels, s, NULL);
	buf_printf(out, " %.15g\n%s_count", s->value, r->name);
	put_labels(out, r->labels, s, NULL);
	buf_printf(out, " %llu\n", (unsigned long long)s->count);
}

static void put_metric(struct buf *out, enum metric m)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };
	static const struct series none;
	const struct row *r = &rows[m];
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", r->name, r->help, r->name, types[r->type]);
	const struct series *s = all[m];
	if (!s && *r->labels == '\0')
		s = &none; /* a metric without labels is there from the start, as 0 */
	for (; s; s = s->next)
		(r->type == HISTOGRAM ? put_histogram : put_value)(out, r, s);
}

void metrics_render(struct buf *out)
{
	pthread_mutex_lock(&lock);
	for (int m = 0; m < METRIC_COUNT; m++)
		put_metric(out, (enum metric)m);
	pthread_mutex_unlock(&lock);
	metrics_render_process(out);
}
