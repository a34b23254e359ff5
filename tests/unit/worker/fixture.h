/* SPDX-License-Identifier: MIT
 *
 * Each test starts with empty fakes and a blob folder of its own.
 */
#ifndef BULB_TESTS_WORKER_FIXTURE_H
#define BULB_TESTS_WORKER_FIXTURE_H

#include "fakes.h"

static struct blob *blob;

static inline int setup(void **state)
{
	(void)state;
	fake_reset();
	blob = fake_blob_open();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	fake_blob_close(blob);
	return 0;
}

/* The end of a task, as the feed has seen it. */
static inline const struct fake_task *ended(size_t i)
{
	fake_await(fake_feed.n > i &&
		(fake_feed.tasks[i].state == TASK_DONE || fake_feed.tasks[i].state == TASK_FAILED));
	return &fake_feed.tasks[i];
}

/* An original that is already in the blob store. */
static inline struct original stored_original(const char *text)
{
	struct original o = { .bytes = (int64_t)strlen(text) };
	struct err e = { 0 };
	FILE *f = tmpfile();
	assert_non_null(f);
	fputs(text, f);
	fflush(f);
	blob_key_new("jpg", o.key);
	sha256_of(text, strlen(text), o.sha256);
	assert_ok(blob_put(blob, o.key, fileno(f), o.bytes, "image/jpeg", &e));
	fclose(f);
	atomic_store(&fake_blobs.puts, 0);
	return o;
}

/* A task and what follows it until `last`, done by a worker of one lane. */
static inline const struct fake_task *do_task(size_t i, size_t last)
{
	struct worker *w = fake_worker(blob, 1);
	ended(last);
	worker_free(w);
	return ended(i);
}

static inline const struct fake_task *do_fetch(const char *url)
{
	size_t i = fake_add_fetch(url, NULL, NULL);
	return do_task(i, i);
}

static inline const struct fake_task *do_fetch_and_make(const char *url)
{
	size_t i = fake_add_fetch(url, NULL, NULL);
	return do_task(i, i + 1);
}

static inline const struct fake_task *do_make(const char *text)
{
	struct original o = stored_original(text);
	size_t i = fake_add_make(&o);
	return do_task(i, i);
}

static inline void assert_blob(const char *key, const char *text)
{
	autofree char *found = fake_blob_text(blob, key);
	assert_non_null(found);
	assert_string_equal(found, text);
}

#define worker_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
