/* SPDX-License-Identifier: MIT
 *
 * Fetches URLs one after the other on one lane and prints a JSON line for each, for the origin
 * tests. URLs are arguments, or lines of standard input where one is "-".
 *
 *   fetch_once [--allow CIDR] [--source S] [--header 'Name: value'] [--etag E] [--last-modified D]
 *              [--max BYTES] [--connect MS] [--total MS] [--low-speed BYTES/MS] [--cancel MS]
 *              [--scope N] [--files] URL...
 */
#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/mem.h"
#include "fetch/fetch.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LIST_MAX = 16 };

struct options {
	struct fetch_opts fetch;
	struct cidr allow[LIST_MAX];
	const char *sources[LIST_MAX];
	struct net_header headers[LIST_MAX];
	struct fetch_request request;
	int64_t cancel_ms;
};

static NORETURN void usage(const char *what)
{
	fprintf(stderr, "fetch_once: %s\n", what);
	exit(64);
}

static void take_header(struct options *o, char *text)
{
	char *colon = strstr(text, ": ");
	if (colon == NULL || o->request.headers_n == LIST_MAX)
		usage(text);
	*colon = '\0';
	o->headers[o->request.headers_n++] = (struct net_header){ text, colon + 2 };
}

static void take_option(struct options *o, const char *name, char *value)
{
	char *rest;
	if (strcmp(name, "--allow") == 0) {
		if (!cidr_parse(value, &o->allow[o->fetch.guard.allow_n++]))
			usage(value);
	} else if (strcmp(name, "--source") == 0) {
		o->sources[o->fetch.sources_n++] = value;
	} else if (strcmp(name, "--header") == 0) {
		take_header(o, value);
	} else if (strcmp(name, "--etag") == 0) {
		o->request.etag = value;
	} else if (strcmp(name, "--last-modified") == 0) {
		o->request.last_modified = value;
	} else if (strcmp(name, "--max") == 0) {
		o->fetch.max_bytes = strtoll(value, NULL, 10);
	} else if (strcmp(name, "--connect") == 0) {
		o->fetch.connect_ms = strtoll(value, NULL, 10);
	} else if (strcmp(name, "--total") == 0) {
		o->fetch.total_ms = strtoll(value, NULL, 10);
	} else if (strcmp(name, "--low-speed") == 0) {
		o->fetch.low_speed_bytes = strtoll(value, &rest, 10);
		o->fetch.low_speed_ms = strtoll(rest + (*rest == '/'), NULL, 10);
	} else if (strcmp(name, "--cancel") == 0) {
		o->cancel_ms = strtoll(value, NULL, 10);
	} else if (strcmp(name, "--scope") == 0) {
		o->request.scope = strtoll(value, NULL, 10);
	} else {
		usage(name);
	}
}

static int64_t rss_kb(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return r.ru_maxrss;
}

static void print(const struct fetch_request *q, enum err_code rc, const struct fetch_result *r,
	const struct err *e, int64_t ms)
{
	char sha[HEX_MAX(SHA256_LEN)] = "";
	autojson *o = json_obj();
	if (rc == OK && !r->not_modified)
		hex_format(r->sha256, SHA256_LEN, sha);
	json_put_str(o, "url", q->url);
	json_put_str(o, "code", rc == OK ? "ok" : err_name(rc));
	json_put_bool(o, "not_modified", r->not_modified);
	json_put_int(o, "status", r->status);
	json_put_int(o, "bytes", r->bytes);
	json_put_str(o, "sha256", sha);
	json_put_str(o, "etag", r->etag);
	json_put_str(o, "last_modified", r->last_modified);
	json_put_str(o, "final_url", r->final_url);
	json_put_int(o, "progress", atomic_load(q->bytes));
	json_put_int(o, "progress_total", atomic_load(q->bytes_total));
	json_put_int(o, "ms", ms);
	json_put_int(o, "rss_kb", rss_kb());
	if (rc != OK) {
		json_put_str(o, "text", e->text);
		json_put_int(o, "source_status", e->source_status);
		json_put_int(o, "retry_after_ms", e->retry_after_ms);
		json_put_bool(o, "may_pass", fetch_may_pass(e));
	}
	autofree char *text = json_text(o);
	puts(text);
	fflush(stdout);
}

struct alarm {
	atomic_bool *cancel;
	int64_t ms;
};

static void *cancel_later(void *arg)
{
	struct alarm *a = arg;
	usleep((useconds_t)a->ms * 1000);
	atomic_store(a->cancel, true);
	return NULL;
}

static void fetch_one(struct fetch_lane *l, const struct options *o, const char *url)
{
	_Atomic int64_t bytes = 0, total = 0;
	atomic_bool cancel = false;
	struct alarm alarm = { &cancel, o->cancel_ms };
	struct fetch_request q = o->request;
	q.url = url;
	q.headers = o->headers;
	q.bytes = &bytes;
	q.bytes_total = &total;
	q.cancel = &cancel;
	pthread_t t;
	if (o->cancel_ms > 0)
		pthread_create(&t, NULL, cancel_later, &alarm);
	struct fetch_result r;
	struct err e = { 0 };
	int64_t begun = clock_mono_ms();
	enum err_code rc = fetch_get(l, &q, &r, &e);
	print(&q, rc, &r, &e, clock_mono_ms() - begun);
	if (o->cancel_ms > 0)
		pthread_join(t, NULL);
	if (r.fd >= 0)
		close(r.fd);
}

static void fetch_lines(struct fetch_lane *l, const struct options *o)
{
	char *line = NULL;
	size_t cap = 0;
	for (ssize_t n; (n = getline(&line, &cap, stdin)) >= 0;) {
		if (n > 0 && line[n - 1] == '\n')
			line[n - 1] = '\0';
		fetch_one(l, o, line);
	}
	free(line);
}

int main(int argc, char **argv)
{
	struct options o = { .fetch = { .max_bytes = 50 << 20,
				     .connect_ms = 5000,
				     .total_ms = 15000,
				     .per_host = 8,
				     .user_agent = "bulb/" BULB_VERSION
						   " (+https://bulb.example)" } };
	struct err e;
	int i = 1;
	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strcmp(argv[i], "--files") == 0)
			o.fetch.allow_files = true;
		else if (i + 1 < argc)
			take_option(&o, argv[i], argv[i + 1]), i++;
	}
	o.fetch.guard.allow = o.allow;
	o.fetch.sources = o.sources;
	if (net_init(&e) != OK)
		usage(e.text);
	struct fetch *f = fetch_new(&o.fetch);
	struct fetch_lane *l = fetch_lane_new(f);
	for (; i < argc; i++) {
		if (strcmp(argv[i], "-") == 0)
			fetch_lines(l, &o);
		else
			fetch_one(l, &o, argv[i]);
	}
	fetch_lane_free(l);
	fetch_free(f);
	return 0;
}
