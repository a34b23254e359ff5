/* SPDX-License-Identifier: MIT
 *
 * What a tenant is held to: rates and quotas from the table limits.def. Their text is the same on a
 * command line and in the store: "urls_per_day=5000,jobs_per_second=0.5".
 */
#ifndef BULB_JOB_LIMITS_H
#define BULB_JOB_LIMITS_H

#include "base/err.h"
#include "base/json.h"

#include <stdint.h>

enum limit {
#define LIMIT(id, ...) LIMIT_##id,
#include "job/limits.def"
#undef LIMIT
	LIMIT_COUNT
};
enum limit_unit { LIMIT_UNIT_COUNT, LIMIT_UNIT_BYTES, LIMIT_UNIT_DECIMAL };
enum limit_window {
	LIMIT_WINDOW_SECOND,
	LIMIT_WINDOW_DAY,
	LIMIT_WINDOW_MONTH,
	LIMIT_WINDOW_STANDING
};
struct limit_row {
	const char *name, *what;
	enum limit_unit unit;
	enum limit_window window;
};
extern const struct limit_row limit_rows[LIMIT_COUNT];

struct limits {
	int64_t most[LIMIT_COUNT]; /* -1: not limited */
};
void limits_none(struct limits *l);
/* Adds what text says to *l. ERR_USAGE names what is wrong; *l is untouched then. */
enum err_code limits_parse(const char *text, struct limits *l, struct err *e) MUST_CHECK;
json_t *limit_amount_json(enum limit which, int64_t amount); /* thousandths as a fraction */
char *limits_text(const struct limits *l); /* "" where nothing is limited; the caller frees */
json_t *limits_json(const struct limits *l);

#endif
