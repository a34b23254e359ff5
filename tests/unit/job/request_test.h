/* SPDX-License-Identifier: MIT
 *
 * Requests for tests: parsed against the built-in presets and the default limits.
 */
#ifndef BULB_TESTS_REQUEST_TEST_H
#define BULB_TESTS_REQUEST_TEST_H

#include "job_test.h"

static struct presets *presets;
static struct request_limits limits;

static inline int setup(void **state)
{
	(void)state;
	presets = presets_new();
	limits = request_limits_default;
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	presets_free(presets);
	return 0;
}

static inline struct request *request_of(const char *text)
{
	autojson *body = json_of(text);
	struct faults f = { 0 };
	struct request *r = NULL;
	if (!request_parse(body, &limits, presets, &r, &f))
		fail_msg("%s: %s", fault_pointer(&f, 0), fault_detail(&f, 0));
	return r;
}

/* Parsed, and so many items came of so many more URLs. */
static inline struct request *request_with(size_t items, size_t duplicates, const char *text)
{
	struct request *r = request_of(text);
	assert_int_equal(r->items_n, items);
	assert_int_equal(r->duplicates, duplicates);
	return r;
}

static inline void assert_request_refused(const char *text, enum err_code code, const char *pointer,
	const char *words)
{
	autojson *body = json_of(text);
	struct faults f = { 0 };
	struct request *r = NULL;
	assert_false(request_parse(body, &limits, presets, &r, &f));
	assert_null(r);
	assert_fault(&f, code, pointer, words);
}

#define request_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
