/* SPDX-License-Identifier: MIT
 *
 * The shapes that users see: member for member, in order.
 */
#include "lib/test.h"

#include "base/digest.h"
#include "base/mem.h"
#include "base/url.h"
#include "view/view.h"

static const uint8_t key[32] = { 1 };
static const struct view_links links = { .base_url = "http://h:1/p",
	.events_url = "http://e",
	.link_key = key,
	.link_ttl_ms = 1000,
	.token_ttl_ms = 1000,
	.now_ms = 1000 };

static struct job_row a_job(void)
{
	return (struct job_row){ .no = 3,
		.tenant = 1,
		.id = "j1",
		.state = JOB_RUNNING,
		.run = 1,
		.seq = 9,
		.tag = "spring",
		.metadata = "{\"a\":1}",
		.created_ms = 0,
		.expires_ms = 86400000,
		.counts = { .total = 3,
			.duplicates = 1,
			.queued = 0,
			.running = 1,
			.succeeded = 2,
			.cached = 1 },
		.savings = { .downloads = 1, .encodes = 5 } };
}

static const struct variant_row variants[] = {
	{ .name = "thumb",
		.product = { .key = "aa/t.jpg",
			.format = FORMAT_JPEG,
			.width = 150,
			.height = 150,
			.bytes = 5120,
			.sha256 = { 0xab } } },
};
static const struct original original = { .key = "bb/o.png",
	.bytes = 81234,
	.format = FORMAT_PNG,
	.width = 2725,
	.height = 2225,
	.thumbhash = "YWJj",
	.color = "#8a7b6c",
	.sha256 = { 0xcd } };

static struct item_row an_item(void)
{
	static const struct outcome good = { .code = OK,
		.download_ms = 120,
		.process_ms = 45,
		.store_ms = 8 };
	static const char *refs[] = { "sku-17" };
	return (struct item_row){ .n = 2,
		.url = "https://x/a.jpg",
		.refs = refs,
		.refs_n = 1,
		.state = ITEM_SUCCEEDED,
		.has_cache = true,
		.cache = CACHE_MISS,
		.source = &original,
		.variants = variants,
		.variants_n = 1,
		.outcome = &good,
		.queued_ms = 3,
		.run = 1,
		.tries = 1 };
}

/* Member names in order, one level. */
static void assert_members(const json_t *o, const char *names)
{
	struct buf b = BUF_INIT(4096);
	const char *name;
	json_t *v;
	json_object_foreach((json_t *)o, name, v) buf_printf(&b, "%s%s", b.len ? " " : "", name);
	assert_string_equal(buf_str(&b), names);
	buf_done(&b);
}

static void assert_value(const json_t *o, const char *name, const char *text)
{
	autofree char *got = json_text(json_object_get(o, name));
	assert_string_equal(got, text);
}

static void a_job_has_the_members_of_the_contract_in_order(void **state)
{
	(void)state;
	struct job_row j = a_job();
	autojson *o = view_job(&j, &links);
	assert_members(o,
		"id status created_at expires_at tag metadata counts savings events_url links");
	assert_value(o, "id", "\"j1\"");
	assert_value(o, "status", "\"running\"");
	assert_value(o, "created_at", "\"1970-01-01T00:00:00.000Z\"");
	assert_value(o, "expires_at", "\"1970-01-02T00:00:00.000Z\"");
	assert_value(o, "tag", "\"spring\"");
	assert_value(o, "metadata", "{\"a\":1}");
	assert_value(o, "counts",
		"{\"total\":3,\"duplicates\":1,\"queued\":0,\"running\":1,\"succeeded\":2,\"failed\":0,"
		"\"canceled\":0,\"cached\":1,\"cutouts\":{\"succeeded\":0,\"failed\":0,\"none\":0}}");
	assert_value(o, "savings", "{\"downloads\":1,\"encodes\":5,\"paid_calls\":0}");
	assert_value(o, "links",
		"{\"self\":\"http://h:1/p/v1/jobs/j1\",\"items\":\"http://h:1/p/v1/jobs/j1/items\","
		"\"events\":\"http://h:1/p/v1/jobs/j1/events\",\"cancel\":\"http://h:1/p/v1/jobs/j1/cancel\","
		"\"retry\":\"http://h:1/p/v1/jobs/j1/retry\"}");
}

static void the_events_url_is_a_socket_with_a_token_for_that_job(void **state)
{
	(void)state;
	struct job_row j = a_job();
	autojson *o = view_job(&j, &links);
	const char *url = json_get_str(o, "events_url", "");
	const char *start = "ws://e/v1/jobs/j1/events?token=";
	struct view_token t;
	assert_true(strncmp(url, start, strlen(start)) == 0);
	assert_true(view_job_token_check(url + strlen(start), key, 1000, &t));
	assert_string_equal(t.job, "j1");
	assert_int_equal(t.tenant, 1);
	assert_int_equal(t.expires_ms, 3600000 + 1000);
}

static void tls_makes_a_secure_socket(void **state)
{
	(void)state;
	struct view_links l = links;
	struct job_row j = a_job();
	l.events_url = "https://e";
	autojson *o = view_job(&j, &l);
	assert_true(strncmp(json_get_str(o, "events_url", ""), "wss://e/v1/", 11) == 0);
}

static void a_job_without_tag_and_metadata_says_null_and_nothing(void **state)
{
	(void)state;
	struct job_row j = a_job();
	j.tag = j.metadata = NULL;
	autojson *o = view_job(&j, &links);
	assert_value(o, "tag", "null");
	assert_value(o, "metadata", "{}");
}

static void without_a_server_a_job_has_no_links(void **state)
{
	(void)state;
	struct view_links none = { .now_ms = 0 };
	struct job_row j = a_job();
	autojson *o = view_job(&j, &none);
	assert_members(o, "id status created_at expires_at tag metadata counts savings");
}

static void an_item_has_the_members_of_the_contract_in_order(void **state)
{
	(void)state;
	struct item_row it = an_item();
	autojson *o = view_item(&it, "j1", &links);
	assert_members(o,
		"id url refs status cache source placeholder variants cutout timing_ms run "
		"tries error");
	assert_value(o, "id", "\"j1.2\"");
	assert_value(o, "refs", "[\"sku-17\"]");
	assert_value(o, "status", "\"succeeded\"");
	assert_value(o, "cache", "\"miss\"");
	assert_value(o, "placeholder", "{\"thumbhash\":\"YWJj\",\"color\":\"#8a7b6c\"}");
	assert_value(o, "timing_ms", "{\"queued\":3,\"download\":120,\"process\":45,\"store\":8}");
	assert_value(o, "error", "null");
	assert_members(json_object_get(o, "source"), "key url sha256 bytes format width height");
	const json_t *v = json_array_get(json_object_get(o, "variants"), 0);
	assert_members(v, "name key url format width height bytes sha256");
	assert_value(v, "key", "\"aa/t.jpg\"");
	assert_value(v, "sha256",
		"\"ab00000000000000000000000000000000000000000000000000000000000000\"");
}

static void an_item_not_yet_begun_says_null_for_what_is_not_known(void **state)
{
	(void)state;
	struct item_row it = { .n = 1,
		.url = "https://x/a",
		.state = ITEM_FRESH,
		.queued_ms = -1,
		.run = 1 };
	autojson *o = view_item(&it, "j1", &links);
	assert_value(o, "status", "\"queued\"");
	assert_value(o, "cache", "null");
	assert_value(o, "source", "null");
	assert_value(o, "placeholder", "null");
	assert_value(o, "variants", "[]");
	assert_value(o, "timing_ms",
		"{\"queued\":null,\"download\":null,\"process\":null,\"store\":null}");
}

static void an_items_own_metadata_stands_after_its_refs(void **state)
{
	(void)state;
	struct item_row it = an_item();
	it.metadata = "{\"k\":true}";
	autojson *o = view_item(&it, "j1", &links);
	assert_value(o, "metadata", "{\"k\":true}");
}

static void an_original_that_was_dropped_has_no_key(void **state)
{
	(void)state;
	struct original dropped = original;
	struct item_row it = an_item();
	dropped.key[0] = '\0';
	it.source = &dropped;
	autojson *o = view_item(&it, "j1", &links);
	assert_value(json_object_get(o, "source"), "key", "null");
	assert_value(json_object_get(o, "source"), "url", "null");
}

static void a_failed_item_carries_a_problem_with_its_stage(void **state)
{
	(void)state;
	struct outcome bad = { .code = ERR_FETCH_STATUS,
		.detail = "status 404",
		.stage = "download",
		.source_status = 404,
		.final_url = "https://y/z",
		.download_ms = 5,
		.process_ms = -1,
		.store_ms = -1 };
	struct item_row it = { .n = 1,
		.url = "https://x/a",
		.state = ITEM_FAILED,
		.outcome = &bad,
		.queued_ms = 0,
		.run = 1,
		.tries = 3 };
	autojson *o = view_item(&it, "j1", &links);
	assert_value(o, "error",
		"{\"type\":\"http://h:1/p/errors/fetch_status\","
		"\"title\":\"the source answered with an error status\",\"status\":502,"
		"\"detail\":\"status 404\",\"instance\":\"/v1/jobs/j1/items/j1.1\","
		"\"code\":\"fetch_status\",\"stage\":\"download\",\"retryable\":false,"
		"\"source_status\":404,\"final_url\":\"https://y/z\"}");
}

static void an_item_that_is_tried_again_shows_no_error(void **state)
{
	(void)state;
	struct outcome bad = { .code = ERR_FETCH_TIMEOUT,
		.download_ms = -1,
		.process_ms = -1,
		.store_ms = -1 };
	struct item_row it = { .n = 1,
		.url = "https://x/a",
		.state = ITEM_OPEN,
		.step = STEP_DOWNLOADING,
		.outcome = &bad,
		.run = 1,
		.tries = 1 };
	autojson *o = view_item(&it, "j1", &links);
	assert_value(o, "status", "\"downloading\"");
	assert_value(o, "error", "null");
}

/* ---- events --------------------------------------------------------------------------------- */

static json_t *event_of(const struct event_row *ev, size_t *ret_n)
{
	struct job_row j = a_job();
	struct buf b = BUF_INIT(1 << 20);
	json_t *o = NULL;
	view_event(ev, "j1", &j, &links, &b);
	assert_int_equal(json_parse(buf_str(&b), b.len, &o, NULL), OK);
	if (ret_n)
		*ret_n = b.len;
	buf_done(&b);
	return o;
}

static void an_event_of_an_item_is_a_cloudevent_whose_data_is_the_item(void **state)
{
	(void)state;
	struct item_row it = an_item();
	struct event_row ev = { .seq = 7, .type = EVENT_ITEM_SUCCEEDED, .at_ms = 1, .item = &it };
	autojson *o = event_of(&ev, NULL);
	autojson *item = view_item(&it, "j1", &links);
	assert_members(o, "specversion id source type subject time sequence data");
	assert_value(o, "specversion", "\"1.0\"");
	assert_value(o, "id", "\"j1.000000000007\"");
	assert_value(o, "source", "\"/v1/jobs/j1\"");
	assert_value(o, "type", "\"item.succeeded\"");
	assert_value(o, "subject", "\"j1.2\"");
	assert_value(o, "time", "\"1970-01-01T00:00:00.001Z\"");
	assert_value(o, "sequence", "\"000000000007\"");
	autofree char *text = json_text(item);
	assert_value(o, "data", text);
}

static void an_event_of_a_job_shows_it_as_it_was_without_the_events_url(void **state)
{
	(void)state;
	struct event_row ev = { .seq = 1,
		.type = EVENT_JOB_CREATED,
		.state = JOB_QUEUED,
		.run = 1,
		.counts = { .total = 3, .queued = 3 } };
	autojson *o = event_of(&ev, NULL);
	assert_members(o, "specversion id source type time sequence data");
	const json_t *data = json_object_get(o, "data");
	assert_members(data, "id status created_at expires_at tag metadata counts savings links");
	assert_value(data, "status", "\"queued\"");
	assert_int_equal(json_get_int(json_object_get(data, "counts"), "queued", 0), 3);
	assert_int_equal(json_get_int(json_object_get(data, "savings"), "encodes", -1), 0);
}

/* The row may be from before the job's end, which may move its expiry, or from after it. */
static void an_event_of_a_job_says_when_it_was_to_expire_then(void **state)
{
	(void)state;
	struct event_row ev = { .seq = 9, .type = EVENT_JOB_SUCCEEDED, .state = JOB_SUCCEEDED };
	autojson *old = event_of(&ev, NULL);
	assert_value(json_object_get(old, "data"), "expires_at", "\"1970-01-02T00:00:00.000Z\"");
	ev.expires_ms = 1000;
	autojson *o = event_of(&ev, NULL);
	assert_value(json_object_get(o, "data"), "expires_at", "\"1970-01-01T00:00:01.000Z\"");
}

static void progress_names_the_items_at_work(void **state)
{
	(void)state;
	struct active_row active[] = {
		{ .n = 1, .step = STEP_DOWNLOADING, .bytes = 10, .bytes_total = -1 },
		{ .n = 2, .step = STEP_PROCESSING, .bytes = -1, .bytes_total = -1 },
	};
	struct event_row ev = { .seq = 2,
		.type = EVENT_JOB_PROGRESS,
		.state = JOB_RUNNING,
		.active = active,
		.active_n = 2 };
	autojson *o = event_of(&ev, NULL);
	assert_value(json_object_get(o, "data"), "active",
		"[{\"id\":\"j1.1\",\"stage\":\"downloading\",\"bytes\":10,\"bytes_total\":null},"
		"{\"id\":\"j1.2\",\"stage\":\"processing\",\"bytes\":null,\"bytes_total\":null}]");
}

/* refs of escapes make the text six times as long as the bytes that limits count */
static void an_event_over_32_kib_is_cut_and_says_so(void **state)
{
	(void)state;
	char ref[129], name[65];
	const char *refs[32];
	struct variant_row many[20];
	struct item_row it = an_item();
	struct event_row ev = { .seq = 7, .type = EVENT_ITEM_SUCCEEDED, .item = &it };
	size_t n;
	memset(ref, 1, 128);
	memset(name, 'n', 64);
	ref[128] = name[64] = '\0';
	for (size_t i = 0; i < 32; i++)
		refs[i] = ref;
	for (size_t i = 0; i < 20; i++) {
		many[i] = variants[0];
		many[i].name = name;
		memset(many[i].product.key, 'k', BLOB_KEY_MAX);
	}
	it.refs = refs;
	it.refs_n = 32;
	it.variants = many;
	it.variants_n = 20;
	autojson *o = event_of(&ev, &n);
	const json_t *data = json_object_get(o, "data");
	assert_true(n <= VIEW_EVENT_MAX);
	assert_value(data, "truncated", "true");
	assert_true(json_array_size(json_object_get(data, "refs")) < 32);
	assert_int_equal(json_array_size(json_object_get(data, "variants")), 20);
}

static void an_event_that_fits_is_whole(void **state)
{
	(void)state;
	struct item_row it = an_item();
	struct event_row ev = { .seq = 7, .type = EVENT_ITEM_SUCCEEDED, .item = &it };
	autojson *o = event_of(&ev, NULL);
	assert_null(json_object_get(json_object_get(o, "data"), "truncated"));
}

static void a_problem_has_the_members_of_rfc_9457_and_a_code(void **state)
{
	(void)state;
	autojson *o = view_problem(ERR_NOT_FOUND, "no job 'x'", "urn:request:1", "http://h");
	assert_members(o, "type title status detail instance code");
	assert_value(o, "type", "\"http://h/errors/not_found\"");
	assert_value(o, "status", "404");
	assert_value(o, "code", "\"not_found\"");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_job_has_the_members_of_the_contract_in_order),
	cmocka_unit_test(the_events_url_is_a_socket_with_a_token_for_that_job),
	cmocka_unit_test(tls_makes_a_secure_socket),
	cmocka_unit_test(a_job_without_tag_and_metadata_says_null_and_nothing),
	cmocka_unit_test(without_a_server_a_job_has_no_links),
	cmocka_unit_test(an_item_has_the_members_of_the_contract_in_order),
	cmocka_unit_test(an_item_not_yet_begun_says_null_for_what_is_not_known),
	cmocka_unit_test(an_items_own_metadata_stands_after_its_refs),
	cmocka_unit_test(an_original_that_was_dropped_has_no_key),
	cmocka_unit_test(a_failed_item_carries_a_problem_with_its_stage),
	cmocka_unit_test(an_item_that_is_tried_again_shows_no_error),
	cmocka_unit_test(an_event_of_an_item_is_a_cloudevent_whose_data_is_the_item),
	cmocka_unit_test(an_event_of_a_job_shows_it_as_it_was_without_the_events_url),
	cmocka_unit_test(an_event_of_a_job_says_when_it_was_to_expire_then),
	cmocka_unit_test(progress_names_the_items_at_work),
	cmocka_unit_test(an_event_over_32_kib_is_cut_and_says_so),
	cmocka_unit_test(an_event_that_fits_is_whole),
	cmocka_unit_test(a_problem_has_the_members_of_rfc_9457_and_a_code),
};
TEST_MAIN(tests)
