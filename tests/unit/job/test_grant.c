/* SPDX-License-Identifier: MIT
 *
 * What a token may be asked to allow, that it survives being written down, and each bound against
 * requests that keep it and that do not.
 */
#include "request_test.h"

#include "job/grant.h"

static const char
	*const kept = "{'allow':'submit','max_jobs':3,'max_urls':2,'presets':['web','icons'],"
		      "'background':true,'max_cost':1.5,'sources':['https://A.test:443/x'],"
		      "'origin':'https://app.test','expires_in':60}";

static struct grant grant_of(json_t *body)
{
	struct faults f = { 0 };
	struct grant g;

	if (!grant_parse(body, &g, &f))
		fail_msg("%s: %s", fault_pointer(&f, 0), fault_detail(&f, 0));
	return g;
}

static void a_grant_is_read_and_written(void **state)
{
	(void)state;
	autojson *body = json_of(kept);
	struct grant g = grant_of(body);
	autojson *again = grant_json(&g);
	struct grant h = grant_of(again);
	assert_true(h.submit);
	assert_int_equal(g.expires_s, 60);
	assert_int_equal(h.max_jobs, 3);
	assert_int_equal(h.max_urls, 2);
	assert_int_equal(h.presets_n, 2);
	assert_string_equal(h.presets[1], "icons");
	assert_true(h.background);
	assert_int_equal(h.max_cost, 1500);
	assert_int_equal(h.sources_n, 1);
	assert_string_equal(h.origin, "https://app.test");
}

static void what_is_not_said_allows_little(void **state)
{
	(void)state;
	autojson *body = json_of("{'allow':'submit'}");
	struct grant g = grant_of(body);
	assert_int_equal(g.max_jobs, 1);
	assert_int_equal(g.max_urls, 200);
	assert_false(g.background);
	assert_int_equal(g.max_cost, 0);
	assert_int_equal(g.expires_s, 900);
	autojson *read = json_of("{'allow':'read','job':'j'}");
	g = grant_of(read);
	assert_false(g.submit);
	assert_string_equal(g.job, "j");
	assert_int_equal(g.expires_s, 3600);
}

static void refused(const char *text, const char *pointer)
{
	autojson *body = json_of(text);
	struct faults f = { 0 };
	struct grant g;

	assert_false(grant_parse(body, &g, &f));
	assert_string_equal(fault_pointer(&f, 0), pointer);
	faults_done(&f);
}

static void what_makes_no_grant_is_refused(void **state)
{
	(void)state;
	refused("{}", "/allow");
	refused("{'allow':'all'}", "/allow");
	refused("{'allow':'read'}", "/job");
	refused("{'allow':'read','job':'../x'}", "/job");
	refused("{'allow':'read','job':'j','max_urls':1}", "/max_urls");
	refused("{'allow':'submit','job':'j'}", "/job");
	refused("{'allow':'submit','max_jobs':0}", "/max_jobs");
	refused("{'allow':'submit','presets':[]}", "/presets");
	refused("{'allow':'submit','presets':'web'}", "/presets");
	refused("{'allow':'submit','sources':['a.test']}", "/sources/0");
	refused("{'allow':'submit','sources':['https://a.test/?q']}", "/sources/0");
	refused("{'allow':'submit','max_cost':-1}", "/max_cost");
	refused("{'allow':'submit','expires_in':604801}", "/expires_in");
	refused("{'allow':'submit','preset':['web']}", "/preset");
}

/* Fits `kept` with these members in place of its own; *pointer of the first fault, NULL: allowed. */
static void holds(const char *grant, const char *request, const char *pointer)
{
	autojson *bounds = json_of(grant), *body = json_of(request);
	struct grant g = grant_of(bounds);
	CLEANUP(request_freep) struct request *r = request_of(request);
	struct faults f = { 0 };
	bool fine = grant_allows(&g, body, r, &f);

	if (fine != (pointer == NULL))
		fail_msg("%s: %s", request, fine ? "allowed" : fault_pointer(&f, 0));
	if (!fine) {
		assert_int_equal(f.code, ERR_AUTH_FORBIDDEN);
		assert_string_equal(fault_pointer(&f, 0), pointer);
	}
	faults_done(&f);
}

#define SUBMIT(more) "{'allow':'submit'" more "}"
#define URLS(more)   "{'urls':['https://a.test/x/1.png','https://a.test/x?2']" more "}"

static void sources_are_beginnings_of_normalised_urls(void **state)
{
	(void)state;
	holds(SUBMIT(",'sources':['https://A.test:443/x']"), URLS(""), NULL);
	holds(SUBMIT(",'sources':['https://a.test/x/']"), URLS(""), "/urls");
	holds(SUBMIT(",'sources':['https://b.test/','https://a.test']"), URLS(""), NULL);
	holds(SUBMIT(",'sources':['http://a.test']"), URLS(""), "/urls");
	holds(SUBMIT(",'sources':['https://a.test/x']"), "{'urls':['https://a.test/xy']}", "/urls");
	holds(SUBMIT(",'sources':['https://a.test/x']"), "{'urls':['https://a.test/x/../y']}",
		"/urls");
	holds(SUBMIT(",'sources':['https://a.test/x']"), "{'urls':['https://a.test/x/%2e%2e/y']}",
		"/urls");
	holds(SUBMIT(",'sources':['https://a.test']"), "{'urls':['https://a.test.evil.test/']}",
		"/urls");
	holds(SUBMIT(",'sources':['https://a.test']"), "{'urls':['https://a.test:444/']}", "/urls");
}

static void urls_are_counted_with_their_duplicates(void **state)
{
	(void)state;
	holds(SUBMIT(",'max_urls':2"), URLS(""), NULL);
	holds(SUBMIT(",'max_urls':1"), URLS(""), "/urls");
	holds(SUBMIT(",'max_urls':1"), "{'urls':['https://a.test/','https://a.test/']}", "/urls");
}

static void presets_shut_out_variants_of_ones_own(void **state)
{
	(void)state;
	holds(SUBMIT(",'presets':['web']"), URLS(""), NULL);
	holds(SUBMIT(",'presets':['web']"), URLS(",'preset':'web'"), NULL);
	holds(SUBMIT(",'presets':['other']"), URLS(""), "/preset");
	holds(SUBMIT(",'presets':['web']"), URLS(",'variants':[{'name':'a','width':10}]"),
		"/variants");
	holds(SUBMIT(",'presets':['web']"),
		"{'urls':[{'url':'https://a.test/','variants':[{'name':'a','width':10}]}]}",
		"/urls");
	holds(SUBMIT(""), URLS(",'variants':[{'name':'a','width':10}]"), NULL);
}

static void background_and_money_must_be_granted(void **state)
{
	(void)state;
	holds(SUBMIT(""), URLS(",'background':{'remove':true}"), "/background");
	holds(SUBMIT(",'background':true"), URLS(",'background':{'remove':true}"), NULL);
	holds(SUBMIT(",'background':true"),
		URLS(",'background':{'remove':true,'engine':'remote','max_cost':1}"),
		"/background/max_cost");
	holds(SUBMIT(",'background':true,'max_cost':1"),
		URLS(",'background':{'remove':true,'engine':'remote','max_cost':1}"), NULL);
	holds(SUBMIT(""), "{'urls':[{'url':'https://a.test/','background':{'remove':true}}]}",
		"/background");
	holds(SUBMIT(",'background':true,'max_cost':1"),
		"{'urls':[{'url':'https://a.test/1','background':{'remove':true,'engine':'remote','max_cost':1}},"
		"{'url':'https://a.test/2','background':{'remove':true,'engine':'remote','max_cost':1}}]}",
		"/background/max_cost");
}

static void nothing_beyond_the_job_is_allowed(void **state)
{
	(void)state;
	holds(SUBMIT(""), "{'from':{'job':'j'}}", "/from");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_is_read_and_written),
		cmocka_unit_test(what_is_not_said_allows_little),
		cmocka_unit_test(what_makes_no_grant_is_refused),
		cmocka_unit_test(sources_are_beginnings_of_normalised_urls),
		cmocka_unit_test(urls_are_counted_with_their_duplicates),
		cmocka_unit_test(presets_shut_out_variants_of_ones_own),
		cmocka_unit_test(background_and_money_must_be_granted),
		cmocka_unit_test(nothing_beyond_the_job_is_allowed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
