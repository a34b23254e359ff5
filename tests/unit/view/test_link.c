/* SPDX-License-Identifier: MIT
 *
 * Signed links and job tokens: what they say is what was signed, until they end.
 */
#include "lib/test.h"

#include "base/digest.h"
#include "base/mem.h"
#include "base/url.h"
#include "view/view.h"

#define HOUR (60 * 60 * 1000LL)
static const uint8_t key[32] = { 1, 2, 3 }, other_key[32] = { 9 };
static const char blob[] = "ab/cdefgh.jpg";

static struct view_links links_at(int64_t now_ms)
{
	return (struct view_links){ .base_url = "https://api.example/prod",
		.events_url = "https://bytes.example",
		.link_key = key,
		.link_ttl_ms = 24 * HOUR,
		.token_ttl_ms = 24 * HOUR,
		.now_ms = now_ms };
}

/* The parts of a link that the server gets. */
static void parts(const char *url, struct arena *a, char **exp, char **sig)
{
	const char *query = strchr(url, '?') + 1;

	*exp = url_query_get(query, "exp", a);
	*sig = url_query_get(query, "sig", a);
}

static void a_link_starts_with_the_events_url_and_names_the_key(void **state)
{
	(void)state;
	struct view_links l = links_at(10 * HOUR);
	autofree char *url = view_blob_link(blob, &l);
	assert_true(strncmp(url, "https://bytes.example/v1/blobs/ab/cdefgh.jpg?exp=", 49) == 0);
}

static void a_link_is_good_until_the_end_of_its_hour_plus_the_ttl(void **state)
{
	(void)state;
	struct err e = { 0 };
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct view_links l = links_at(10 * HOUR + 5);
	autofree char *url = view_blob_link(blob, &l);
	char *exp, *sig;
	parts(url, a, &exp, &sig);
	assert_ok(view_blob_check(blob, exp, sig, key, 10 * HOUR + 5, &e));
	assert_ok(view_blob_check(blob, exp, sig, key, 35 * HOUR - 1, &e));
	assert_err(view_blob_check(blob, exp, sig, key, 35 * HOUR, &e), ERR_BLOB_EXPIRED);
}

static void links_of_one_hour_are_equal_and_those_of_the_next_are_not(void **state)
{
	(void)state;
	struct view_links first = links_at(10 * HOUR), last = links_at(11 * HOUR - 1),
			  next = links_at(11 * HOUR);
	autofree char *a = view_blob_link(blob, &first), *b = view_blob_link(blob, &last),
		      *c = view_blob_link(blob, &next);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
}

static void a_changed_link_is_refused(void **state)
{
	(void)state;
	struct err e = { 0 };
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct view_links l = links_at(HOUR);
	autofree char *url = view_blob_link(blob, &l);
	char *exp, *sig;
	parts(url, a, &exp, &sig);
	assert_err(view_blob_check("ab/other.jpg", exp, sig, key, 0, &e), ERR_BLOB_SIGNATURE);
	assert_err(view_blob_check(blob, "999999", sig, key, 0, &e), ERR_BLOB_SIGNATURE);
	assert_err(view_blob_check(blob, "", sig, key, 0, &e), ERR_BLOB_SIGNATURE);
	assert_err(view_blob_check(blob, "+1", sig, key, 0, &e), ERR_BLOB_SIGNATURE);
	assert_err(view_blob_check(blob, exp, "", key, 0, &e), ERR_BLOB_SIGNATURE);
	assert_err(view_blob_check(blob, exp, NULL, key, 0, &e), ERR_BLOB_SIGNATURE);
	assert_err(view_blob_check(blob, NULL, sig, key, 0, &e), ERR_BLOB_SIGNATURE);
	assert_err(view_blob_check(blob, exp, sig, other_key, 0, &e), ERR_BLOB_SIGNATURE);
	sig[5] ^= 1;
	assert_err(view_blob_check(blob, exp, sig, key, 0, &e), ERR_BLOB_SIGNATURE);
}

static void a_blob_url_makes_plain_links(void **state)
{
	(void)state;
	struct view_links l = links_at(HOUR);
	l.blob_url = "https://cdn.example/x";
	autofree char *url = view_blob_link(blob, &l);
	assert_string_equal(url, "https://cdn.example/x/ab/cdefgh.jpg");
}

static void without_a_server_there_is_no_link(void **state)
{
	(void)state;
	struct view_links l = { .now_ms = 0 };
	assert_null(view_blob_link(blob, &l));
}

static void a_token_says_what_was_signed(void **state)
{
	(void)state;
	autofree char *token = view_job_token(7, NULL, "my_job-1", 5000, key);
	struct view_token t;
	assert_true(view_job_token_check(token, key, 4999, &t));
	assert_int_equal(t.tenant, 7);
	assert_int_equal(t.expires_ms, 5000);
	assert_string_equal(t.job, "my_job-1");
	assert_string_equal(t.key, "");
	autofree char *with_key = view_job_token(7, "k1", "my_job-1", 5000, key);
	assert_true(view_job_token_check(with_key, key, 4999, &t));
	assert_string_equal(t.key, "k1");
	assert_string_equal(t.job, "my_job-1");
}

static void an_expired_token_is_refused(void **state)
{
	(void)state;
	autofree char *token = view_job_token(7, NULL, "j", 5000, key);
	struct view_token t;
	assert_false(view_job_token_check(token, key, 5000, &t));
}

static void no_byte_of_a_token_can_be_changed(void **state)
{
	(void)state;
	autofree char *token = view_job_token(1, NULL, "job", 5000, key);
	struct view_token t;
	for (size_t i = 0; token[i]; i++) {
		char was = token[i];
		token[i] = was == 'A' ? 'B' : 'A';
		assert_false(view_job_token_check(token, key, 0, &t));
		token[i] = was;
	}
	assert_false(view_job_token_check(token, other_key, 0, &t));
	assert_true(view_job_token_check(token, key, 0, &t));
}

static void what_is_no_token_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "", ".", "r2", "r2.", "r2..", "r2.1.2.-.j",
		"r2.1.2.-.j.", "a.b.c.d", "r2.1.99999999999999999999.-.j.x", "\xff\xfe" };
	struct view_token t;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(view_job_token_check(bad[i], key, 0, &t));
}

/* The two are signed over texts of different kinds. */
static void a_links_signature_makes_no_token(void **state)
{
	(void)state;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct view_links l = links_at(HOUR);
	autofree char *url = view_blob_link("r2.1.9.-.j", &l);
	char *exp, *sig;
	struct view_token t;
	parts(url, a, &exp, &sig);
	autofree char *forged = mem_printf("r2.1.9.-.j.%s", sig);
	assert_false(view_job_token_check(forged, key, 0, &t));
}

static void a_sequence_is_read_with_and_without_its_zeros(void **state)
{
	(void)state;
	char text[24];
	int64_t v;
	view_seq(42, text);
	assert_string_equal(text, "000000000042");
	assert_true(view_seq_parse(text, &v) && v == 42);
	assert_true(view_seq_parse("42", &v) && v == 42);
	assert_false(view_seq_parse("", &v));
	assert_false(view_seq_parse("-1", &v));
	assert_false(view_seq_parse("4 2", &v));
	assert_false(view_seq_parse("9999999999999999999", &v));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_link_starts_with_the_events_url_and_names_the_key),
	cmocka_unit_test(a_link_is_good_until_the_end_of_its_hour_plus_the_ttl),
	cmocka_unit_test(links_of_one_hour_are_equal_and_those_of_the_next_are_not),
	cmocka_unit_test(a_changed_link_is_refused),
	cmocka_unit_test(a_blob_url_makes_plain_links),
	cmocka_unit_test(without_a_server_there_is_no_link),
	cmocka_unit_test(a_token_says_what_was_signed),
	cmocka_unit_test(an_expired_token_is_refused),
	cmocka_unit_test(no_byte_of_a_token_can_be_changed),
	cmocka_unit_test(what_is_no_token_is_refused),
	cmocka_unit_test(a_links_signature_makes_no_token),
	cmocka_unit_test(a_sequence_is_read_with_and_without_its_zeros),
};
TEST_MAIN(tests)
