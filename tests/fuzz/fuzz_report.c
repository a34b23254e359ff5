/* SPDX-License-Identifier: MIT
 *
 * A report, as a stranger may post it: it is refused as a whole, or each of its results is good or has
 * a fault; what is all good is read back as it was. The same bytes are also taken for a report that was
 * left as an object, and for an answer.
 */
#include "job/report.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PREFIX "p/"

static bool all_good(const struct report *r)
{
	bool good = true;
	for (size_t i = 0; i < r->n; i++) {
		assert(r->results[i].task);
		assert(r->results[i].variants_n <= REPORT_VARIANTS_MAX);
		good &= r->results[i].fault.code == OK;
	}
	return good;
}

static void as_report(const uint8_t *data, size_t size, struct arena *a)
{
	struct err e = { 0 };
	struct report r, again;
	if (report_parse(data, size, PREFIX, a, &r, &e) != OK) {
		assert(e.code != OK);
		return;
	}
	if (!all_good(&r))
		return;
	autojson *doc = report_json(&r, PREFIX);
	autofree char *text = json_text(doc);
	assert(report_parse(text, strlen(text), PREFIX, a, &again, &e) == OK);
	assert(all_good(&again));
	autojson *doc_again = report_json(&again, PREFIX);
	assert(json_equal(doc, doc_again));
}

static void as_letter(const uint8_t *data, size_t size, struct arena *a)
{
	static const uint8_t key[32];
	struct err e = { 0 };
	struct report_letter l;
	struct report r;
	if (report_left_parse(data, size, a, &l, &e) != OK)
		return;
	if (report_parse(l.body, l.body_n, PREFIX, a, &r, &e) != OK)
		return;
	for (size_t i = 0; i < r.n; i++)
		assert(!report_is_signed(&l, &r, i, key));
}

static void as_answer(const uint8_t *data, size_t size, struct arena *a)
{
	autojson *doc = NULL;
	struct err e = { 0 };
	struct report_answer *v;
	size_t n;
	if (json_parse((const char *)data, size, &doc, &e) != OK ||
		report_answers_parse(doc, PREFIX, a, &v, &n, &e) != OK)
		return;
	autojson *out = report_answers_json(v, n, PREFIX);
	assert(report_answers_parse(out, PREFIX, a, &v, &n, &e) == OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	as_report(data, size, a);
	as_letter(data, size, a);
	as_answer(data, size, a);
	return 0;
}
