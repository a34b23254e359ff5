/* SPDX-License-Identifier: MIT
 *
 * What the tests of this room share: JSON written with single quotes, and a look at faults.
 */
#ifndef BULB_TESTS_JOB_TEST_H
#define BULB_TESTS_JOB_TEST_H

#include "lib/test.h"

#include "job/request.h"

/* JSON in which ' stands for ". The test fails when it is none. */
static inline json_t *json_of(const char *text)
{
	struct err e = { 0 };
	json_t *j = NULL;
	autofree char *copy = mem_strdup(text);
	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	assert_ok(json_parse(copy, strlen(copy), &j, &e));
	return j;
}

static inline const char *fault_pointer(const struct faults *f, size_t i)
{
	return json_get_str(json_array_get(f->list, i), "pointer", "(none)");
}

static inline const char *fault_detail(const struct faults *f, size_t i)
{
	return json_get_str(json_array_get(f->list, i), "detail", "(none)");
}

/* Exactly one fault: this code, there, with these words. Empties f. */
static inline void assert_fault(struct faults *f, enum err_code code, const char *pointer,
	const char *words)
{
	if (f->n != 1)
		fail_msg("%zu faults, the first at '%s': %s", f->n, fault_pointer(f, 0),
			fault_detail(f, 0));
	assert_string_equal(err_name(f->code), err_name(code));
	assert_string_equal(fault_pointer(f, 0), pointer);
	if (!strstr(fault_detail(f, 0), words))
		fail_msg("'%s' does not say '%s'", fault_detail(f, 0), words);
	faults_done(f);
}

/* What is refused, and how: rows of a table. */
struct refusal {
	const char *text;
	enum err_code code;
	const char *pointer, *words;
};
typedef void refuse_fn(const char *text, enum err_code code, const char *pointer,
	const char *words);
static inline void assert_each_refused(const struct refusal *rows, size_t n, refuse_fn *refused)
{
	for (size_t i = 0; i < n; i++)
		refused(rows[i].text, rows[i].code, rows[i].pointer, rows[i].words);
}

#endif
