/* SPDX-License-Identifier: MIT
 *
 * Tasks that cut out, for the tests.
 */
#ifndef BULB_TESTS_WORKER_CUTTING_H
#define BULB_TESTS_WORKER_CUTTING_H

#include "fixture.h"

static inline struct cut asked(enum cut_engine engine, int64_t max_cost)
{
	return (struct cut){ .remove = true,
		.engine = engine,
		.model = "fast",
		.format = FORMAT_PNG,
		.max_cost = max_cost };
}

static inline size_t add_cut(const char *text, enum cut_engine engine, int64_t max_cost)
{
	struct cut c = asked(engine, max_cost);
	struct original o = stored_original(text);
	return fake_add_cut(&o, &c);
}

static inline const struct fake_task *do_cut(const char *text, enum cut_engine engine,
	int64_t max_cost)
{
	size_t i = add_cut(text, engine, max_cost);
	return do_task(i, i);
}

#endif
