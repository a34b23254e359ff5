/* SPDX-License-Identifier: MIT
 *
 * What the tests of api share: a server per test, and checks of answers.
 */
#ifndef BULB_TESTS_UNIT_API_API_TEST_H
#define BULB_TESTS_UNIT_API_API_TEST_H

#include "lib/test.h"

#include "base/mem.h"
#include "lib/site.h"
#include "lib/wire.h"

#include <unistd.h>

#define ONE_URL "{\"urls\":[\"http://origin.example/a.jpg\"]}"

static inline int open_site(void **state)
{
	static struct site site;
	site_open(&site);
	*state = &site;
	return 0;
}
static inline int close_site(void **state)
{
	site_close(*state);
	return 0;
}
#define with_site(fn) cmocka_unit_test_setup_teardown(fn, open_site, close_site)

/* One whose options the test may change before site_start. */
static inline int bare_site(void **state)
{
	static struct site site;
	site_defaults(&site);
	*state = &site;
	return 0;
}
#define with_bare_site(fn) cmocka_unit_test_setup_teardown(fn, bare_site, close_site)

#define assert_status(r, wanted)                                                                   \
	do {                                                                                       \
		if ((r).status != (wanted))                                                        \
			fail_msg("%d instead of %d: %s\n%s", (r).status, (wanted), (r).head,       \
				(r).body);                                                         \
	} while (0)
/* A problem document with this code. */
#define assert_problem(r, wanted, name)                                                            \
	do {                                                                                       \
		assert_status(r, wanted);                                                          \
		assert_string_equal(reply_field(&(r), "Content-Type"),                             \
			"application/problem+json");                                               \
		assert_string_equal(json_get_str((r).json, "code", ""), name);                     \
		assert_int_equal(json_get_int((r).json, "status", 0), wanted);                     \
	} while (0)
#define assert_field(r, name, wanted)                                                              \
	do {                                                                                       \
		const char *value_ = reply_field(&(r), name);                                      \
		if (!value_)                                                                       \
			fail_msg("no %s in %s", name, (r).head);                                   \
		assert_string_equal(value_, wanted);                                               \
	} while (0)

static inline struct reply get(struct site *s, const char *target)
{
	return http_call(s->port, "GET", target, NULL, NULL);
}
static inline struct reply get_as(struct site *s, const char *target, const char *fields)
{
	return http_call(s->port, "GET", target, fields, NULL);
}
static inline struct reply post(struct site *s, const char *target, const char *body)
{
	return http_call(s->port, "POST", target, NULL, body);
}
/* GET /v1/jobs/{id}{rest} */
static inline struct reply get_job(struct site *s, const char *id, const char *rest)
{
	autofree char *target = mem_printf("/v1/jobs/%s%s", id, rest);
	return get(s, target);
}
static inline struct reply post_job(struct site *s, const char *id, const char *rest)
{
	autofree char *target = mem_printf("/v1/jobs/%s%s", id, rest);
	return post(s, target, NULL);
}
static inline const char *str(const json_t *o, const char *name)
{
	return json_get_str(o, name, "");
}

#endif
