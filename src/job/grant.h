/* SPDX-License-Identifier: MIT
 *
 * What a token lets its bearer do, as POST /v1/tokens takes it: read one job, or submit some within
 * bounds. A token holds its grant as JSON, signed, so that nothing of it needs to be remembered but how
 * often it was used.
 */
#ifndef BULB_JOB_GRANT_H
#define BULB_JOB_GRANT_H

#include "base/json.h"
#include "job/job.h"
#include "job/recipe.h"
#include "job/request.h"

#define GRANT_NAMES_MAX 20 /* presets, sources */

struct grant {
	bool submit;       /* else it reads */
	const char *job;   /* that it reads */
	int64_t expires_s; /* seconds from now */
	int64_t max_jobs, max_urls;
	const char *presets
		[GRANT_NAMES_MAX]; /* one of them and no variants; none: whatever is asked for */
	size_t presets_n;
	bool background;
	int64_t max_cost;                     /* thousandths of a credit, a job */
	const char *sources[GRANT_NAMES_MAX]; /* that its URLs begin with; none: any */
	size_t sources_n;
	const char *origin; /* that requests come from; NULL: any */
};
/* Strings live as long as body. false: the faults say why. */
bool grant_parse(const json_t *body, struct grant *ret, struct faults *f);
json_t *grant_json(const struct grant *g); /* grant_parse() reads it back */
/* May this be submitted? body is what r was parsed from. A fault for each bound that it goes over
 * (ERR_AUTH_FORBIDDEN). */
bool grant_allows(const struct grant *g, const json_t *body, const struct request *r,
	struct faults *f);

#endif
