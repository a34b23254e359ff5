/* SPDX-License-Identifier: MIT
 *
 * Sources that do what their URL ends in.
 */
#include "fakes.h"

#include "base/clock.h"
#include "base/io.h"

#include <stdio.h>
#include <unistd.h>

struct fake_sources fake_sources;

void fake_sources_reset(void)
{
	fake_sources = (struct fake_sources){ 0 };
}

struct fetch_lane *fetch_lane_new(struct fetch *f)
{
	(void)f;
	return NULL;
}

void fetch_lane_free(struct fetch_lane *l)
{
	(void)l;
}

bool fetch_host_enter(struct fetch *f, const char *host)
{
	(void)f, (void)host;
	if (atomic_load(&fake_sources.host_full))
		return false;
	atomic_fetch_add(&fake_sources.hosts, 1);
	return true;
}

void fetch_host_leave(struct fetch *f, const char *host, int64_t retry_after_ms)
{
	(void)f, (void)host, (void)retry_after_ms;
	atomic_fetch_sub(&fake_sources.hosts, 1);
}

size_t fetch_full_hosts(struct fetch *f, char ***ret)
{
	(void)f;
	*ret = mem_array(1, sizeof(**ret));
	(*ret)[0] = mem_strdup("full.example");
	return 1;
}

bool fetch_may_pass(const struct err *e)
{
	if (e->code == ERR_FETCH_STATUS)
		return e->source_status >= 500;
	return err_retryable(e->code);
}

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n >= m && strcmp(s + n - m, end) == 0;
}

static enum err_code status(struct err *e, int code)
{
	err_set(e, ERR_FETCH_STATUS, "the source answered %d", code);
	e->source_status = code;
	e->retry_after_ms = atomic_load(&fake_sources.retry_after_ms);
	return ERR_FETCH_STATUS;
}

static enum err_code wait_gate(const struct fetch_request *r, struct err *e)
{
	atomic_store(r->bytes, 7);
	atomic_store(r->bytes_total, 70);
	while (!atomic_load(&fake_sources.gate)) {
		if (atomic_load(r->cancel))
			return err_set(e, ERR_CANCELED, "canceled");
		usleep(500); /* as the real one, it looks at the flag from time to time */
	}
	return OK;
}

static enum err_code answer(const char *text, struct fetch_result *ret, struct err *e)
{
	autofd fd = -1;
	enum err_code code = io_memfd("source", &fd, e);
	if (code == OK)
		code = io_write_all(fd, text, strlen(text), e);
	if (code == OK)
		code = io_seal(fd, e);
	if (code != OK)
		return code;
	*ret = (struct fetch_result){ .fd = fd_take(&fd),
		.bytes = (int64_t)strlen(text),
		.etag = "\"new\"",
		.final_url = "https://cdn.example/final",
		.status = 200 };
	sha256_of(text, strlen(text), ret->sha256);
	return OK;
}

static void note_headers(const struct fetch_request *r)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < r->headers_n; i++) {
		if (strcmp(r->headers[i].name, "authorization") == 0)
			snprintf(fake_sources.authorization, sizeof(fake_sources.authorization),
				"%s", r->headers[i].value);
	}
	snprintf(fake_sources.if_none_match, sizeof(fake_sources.if_none_match), "%s",
		r->etag ? r->etag : "");
	pthread_mutex_unlock(&lock);
}

static enum err_code get(const struct fetch_request *r, struct fetch_result *ret, struct err *e)
{
	enum err_code code = OK;
	snprintf(ret->final_url, sizeof(ret->final_url), "https://cdn.example/final");
	note_headers(r);
	if (ends_in(r->url, "/dead"))
		return err_set(e, ERR_FETCH_TIMEOUT, "the source did not answer");
	if (ends_in(r->url, "/404"))
		return status(e, 404);
	if (ends_in(r->url, "/503") && atomic_load(&fake_sources.failures) != 0) {
		atomic_fetch_sub(&fake_sources.failures, 1);
		return status(e, 503);
	}
	if (ends_in(r->url, "/304")) {
		ret->not_modified = true;
		return OK;
	}
	if (ends_in(r->url, "/slow"))
		code = wait_gate(r, e);
	return code == OK ? answer(r->url, ret, e) : code;
}

enum err_code fetch_get(struct fetch_lane *l, const struct fetch_request *r,
	struct fetch_result *ret, struct err *e)
{
	(void)l;
	*ret = (struct fetch_result){ .fd = -1 };
	atomic_fetch_add(&fake_sources.asked, 1);
	int inside = atomic_fetch_add(&fake_sources.inside, 1) + 1;
	if (inside > atomic_load(&fake_sources.most_inside))
		atomic_store(&fake_sources.most_inside, inside);
	enum err_code code = get(r, ret, e);
	atomic_fetch_sub(&fake_sources.inside, 1);
	return code;
}
