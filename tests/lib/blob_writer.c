/* SPDX-License-Identifier: MIT
 *
 * Puts random blobs from four threads until it is killed, and prints "KEY BYTES SHA256" for each
 * once blob_sync has said that it is durable:  blob_writer URL
 */
#include "base/digest.h"
#include "base/id.h"
#include "base/io.h"
#include "blob/blob.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 4, BATCH = 3, BYTES_MAX = 100000 };

struct put {
	char key[BLOB_KEY_LEN_MAX + 1];
	int64_t bytes;
	uint8_t sha256[SHA256_LEN];
};

static void check(enum err_code rc, const struct err *e)
{
	if (rc == OK)
		return;
	fprintf(stderr, "blob_writer: %s\n", e->text);
	exit(1);
}

static void put_one(struct blob *b, struct put *p)
{
	static _Thread_local uint8_t data[BYTES_MAX];
	struct err e;
	autofd fd = -1;
	p->bytes = 1 + (int64_t)random_below(BYTES_MAX);
	random_bytes(data, (size_t)p->bytes);
	sha256_of(data, (size_t)p->bytes, p->sha256);
	blob_key_new("bin", p->key);
	check(io_memfd("put", &fd, &e), &e);
	check(io_write_all(fd, data, (size_t)p->bytes, &e), &e);
	check(blob_put(b, p->key, fd, p->bytes, "application/octet-stream", &e), &e);
}

static void *work(void *arg)
{
	struct blob *b = arg;
	struct err e;
	for (;;) {
		struct put puts[BATCH];
		char line[BLOB_KEY_LEN_MAX + 128], sha[HEX_MAX(SHA256_LEN)];
		for (int i = 0; i < BATCH; i++)
			put_one(b, &puts[i]);
		check(blob_sync(b, &e), &e);
		for (int i = 0; i < BATCH; i++) {
			hex_format(puts[i].sha256, SHA256_LEN, sha);
			int n = snprintf(line, sizeof(line), "%s %lld %s\n", puts[i].key,
				(long long)puts[i].bytes, sha);
			check(io_write_all(STDOUT_FILENO, line, (size_t)n, &e), &e);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct blob *b;
	struct err e;
	if (argc != 2)
		return 64;
	check(blob_open(argv[1], &b, &e), &e);
	pthread_t t[THREADS];
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, work, b) != 0)
			return 1;
	pthread_join(t[0], NULL);
	return 0;
}
