/* SPDX-License-Identifier: MIT
 *
 * Keys, limits, the grants of tokens and tokens themselves, from the same bytes: what is taken is
 * written and read back as it was, and nothing is a token that was not signed.
 */
#include "base/mem.h"
#include "job/grant.h"
#include "job/key.h"
#include "job/limits.h"
#include "view/view.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void try_limits(const char *text)
{
	struct limits l, back;
	struct err e = { 0 };

	limits_none(&l);
	limits_none(&back);
	if (limits_parse(text, &l, &e) != OK) {
		must(e.code == ERR_USAGE && *e.text);
		return;
	}
	autofree char *written = limits_text(&l);
	must(limits_parse(written, &back, &e) == OK);
	must(memcmp(&l, &back, sizeof(l)) == 0);
}

static void try_grant(const char *text, size_t n)
{
	struct faults f = { 0 };
	struct grant g, back;
	autojson *doc = NULL;

	if (json_parse(text, n, &doc, NULL) != OK)
		return;
	if (grant_parse(doc, &g, &f)) {
		autojson *written = grant_json(&g);
		must(grant_parse(written, &back, &f));
		must(back.submit == g.submit && back.max_jobs == g.max_jobs &&
			back.max_urls == g.max_urls && back.max_cost == g.max_cost &&
			back.presets_n == g.presets_n && back.sources_n == g.sources_n);
	} else {
		must(f.n > 0);
	}
	faults_done(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[32] = { 7 };
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const char *text = arena_strndup(a, (const char *)data, size);
	struct view_token token;
	struct key k;

	if (key_parse(text, &k))
		must(strcmp(k.text, text) == 0 && strlen(k.id) == KEY_ID_LEN);
	must(!view_job_token_check(text, key, 0, &token));
	try_limits(text);
	try_grant(text, strlen(text));
	return 0;
}
