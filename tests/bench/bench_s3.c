/* SPDX-License-Identifier: MIT
 *
 * How fast small objects are put, one after the other over one kept-alive connection: by our client,
 * and by libcurl with nothing around it, which sends to links that were signed before the clock ran.
 * They take turns, so that both meet the same moods of the machine.
 *
 *   bench_s3 URL N BYTES     prints "OURS BARE": microseconds for N puts each
 */
#include "base/clock.h"
#include "base/id.h"
#include "base/io.h"
#include "blob/s3.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

extern char **environ;

enum { ROUNDS = 10 };

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bench_s3: %s\n", what);
	exit(1);
}

static int64_t ours(struct s3 *s, long n, int fd, size_t bytes, long *serial)
{
	struct err e;
	int64_t began = clock_mono_us();
	for (long i = 0; i < n; i++) {
		char key[32];
		snprintf(key, sizeof(key), "ours/%ld", (*serial)++);
		check(s3_put(s, key, fd, (int64_t)bytes, "image/webp", false, &e) == OK, "a put failed");
	}
	return clock_mono_us() - began;
}

struct source {
	const char *data;
	size_t at, bytes;
};

static size_t read_data(char *to, size_t size, size_t n, void *ctx)
{
	struct source *from = ctx;
	size_t want = size * n, left = from->bytes - from->at;
	size_t take = want < left ? want : left;
	memcpy(to, from->data + from->at, take);
	from->at += take;
	return take;
}

static size_t drop(char *data, size_t size, size_t n, void *ctx)
{
	(void)data, (void)ctx;
	return size * n;
}

static int64_t bare(struct s3 *s, CURL *h, long n, const char *data, size_t bytes, long *serial)
{
	struct err e;
	char **urls = mem_array((size_t)n, sizeof(*urls));
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	for (long i = 0; i < n; i++) {
		autofree char *key = mem_printf("bare/%ld", (*serial)++);
		check(s3_link(s, "PUT", key, clock_wall_ms(), 3600, &urls[i], &e) == OK, "no link");
	}
	curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h, CURLOPT_READFUNCTION, read_data);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, drop);
	int64_t began = clock_mono_us();
	for (long i = 0; i < n; i++) {
		long status = 0;
		struct source from = { .data = data, .bytes = bytes };
		curl_easy_setopt(h, CURLOPT_URL, urls[i]);
		curl_easy_setopt(h, CURLOPT_READDATA, &from);
		curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)bytes);
		check(curl_easy_perform(h) == CURLE_OK, "curl failed");
		curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
		check(status == 200, "the server refused a link");
	}
	int64_t took = clock_mono_us() - began;
	for (long i = 0; i < n; i++)
		free(urls[i]);
	free(urls);
	curl_slist_free_all(headers);
	return took;
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	struct s3 s = { 0 };
	struct blob_opts o = { .environment = environ };
	check(argc == 4, "URL N BYTES");
	long n = strtol(argv[2], NULL, 10), serial = 0;
	size_t bytes = (size_t)strtol(argv[3], NULL, 10);
	char *data = mem_zalloc(bytes);
	int fd = -1;
	random_bytes(data, bytes);
	check(net_init(&e) == OK && s3_open(argv[1], &o, &s, &e) == OK, e.text);
	check(io_memfd("bench", &fd, &e) == OK && io_write_all(fd, data, bytes, &e) == OK, e.text);
	CURL *h = curl_easy_init();
	(void)ours(&s, 10, fd, bytes, &serial); /* connections, and what the server does not know */
	(void)bare(&s, h, 10, data, bytes, &serial);
	int64_t sum_ours = 0, sum_bare = 0;
	for (int i = 0; i < ROUNDS; i++) {
		sum_ours += ours(&s, n / ROUNDS, fd, bytes, &serial);
		sum_bare += bare(&s, h, n / ROUNDS, data, bytes, &serial);
	}
	printf("%" PRId64 " %" PRId64 "\n", sum_ours, sum_bare);
	curl_easy_cleanup(h);
	s3_close(&s);
	fd_close(&fd);
	free(data);
	return 0;
}
