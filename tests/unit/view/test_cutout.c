/* SPDX-License-Identifier: MIT
 *
 * An item's cut-out as users see it, in each of its states, and costs as numbers.
 */
#include "lib/test.h"

#include "base/mem.h"
#include "view/view.h"

static const uint8_t key[32] = { 1 };
static const struct view_links links = { .base_url = "http://h:1",
	.events_url = "http://h:1",
	.blob_url = "http://cdn",
	.link_key = key };
static const struct cut_product made = { .key = "ab/cut.png",
	.sha256 = { 0xab },
	.bytes = 500,
	.format = FORMAT_PNG,
	.width = 60,
	.height = 40,
	.left = 7,
	.top = 9,
	.engine = CUT_LOCAL,
	.ident = "u2netp",
	.confidence = 0.5 };

static struct item_row an_item(enum item_state state, enum cut_state cut)
{
	return (struct item_row){ .n = 2,
		.url = "https://x/a.jpg",
		.state = state,
		.cut = cut,
		.cutout = cut == CUT_SUCCEEDED ? &made : NULL,
		.run = 1 };
}

static void assert_cutout(const struct item_row *it, const char *wanted)
{
	autojson *o = view_item(it, "j1", &links);
	autofree char *text = json_text(json_object_get(o, "cutout"));
	assert_string_equal(text, wanted);
}

static void a_cut_out_that_was_made_names_its_file_its_place_and_its_maker(void **state)
{
	(void)state;
	struct item_row it = an_item(ITEM_SUCCEEDED, CUT_SUCCEEDED);
	assert_cutout(&it,
		"{\"status\":\"succeeded\",\"key\":\"ab/cut.png\",\"url\":\"http://cdn/ab/cut.png\","
		"\"format\":\"png\",\"width\":60,\"height\":40,\"left\":7,\"top\":9,\"bytes\":500,"
		"\"sha256\":\"ab00000000000000000000000000000000000000000000000000000000000000\","
		"\"engine\":\"local:u2netp\",\"confidence\":0.5,\"cost\":0,\"reason\":\"requested\","
		"\"error\":null}");
}

static void a_paid_cut_out_has_a_cost_and_no_confidence(void **state)
{
	(void)state;
	struct cut_product paid = made;
	struct item_row it = an_item(ITEM_SUCCEEDED, CUT_SUCCEEDED);
	paid.engine = CUT_REMOTE;
	paid.confidence = -1;
	paid.cost = 250;
	snprintf(paid.ident, sizeof(paid.ident), "api.remove.bg");
	it.cutout = &paid;
	it.cut_reason = CUT_REASON_UNSURE;
	autojson *o = view_item(&it, "j1", &links);
	const json_t *cut = json_object_get(o, "cutout");
	assert_string_equal(json_get_str(cut, "engine", ""), "remote:api.remove.bg");
	assert_string_equal(json_get_str(cut, "reason", ""), "low_confidence");
	assert_true(json_is_null(json_object_get(cut, "confidence")));
	assert_true(json_get_num(cut, "cost", 0) == 0.25);
}

static void an_engine_without_a_name_of_its_own_stands_alone(void **state)
{
	(void)state;
	struct cut_product flat = made;
	struct item_row it = an_item(ITEM_SUCCEEDED, CUT_SUCCEEDED);
	flat.engine = CUT_FLAT;
	flat.ident[0] = '\0';
	it.cutout = &flat;
	autojson *o = view_item(&it, "j1", &links);
	assert_string_equal(json_get_str(json_object_get(o, "cutout"), "engine", ""), "flat");
}

static void where_only_variants_were_asked_for_the_file_is_not_shown(void **state)
{
	(void)state;
	struct item_row it = an_item(ITEM_SUCCEEDED, CUT_SUCCEEDED);
	it.cut_hidden = true;
	assert_cutout(&it,
		"{\"status\":\"succeeded\",\"width\":60,\"height\":40,\"left\":7,\"top\":9,"
		"\"engine\":\"local:u2netp\",\"confidence\":0.5,\"cost\":0,\"reason\":\"requested\","
		"\"error\":null}");
}

static void one_that_is_awaited_is_pending(void **state)
{
	(void)state;
	struct item_row open = an_item(ITEM_OPEN, CUT_WANTED), off = an_item(ITEM_OPEN, CUT_OFF);
	assert_cutout(&open, "{\"status\":\"pending\",\"error\":null}");
	assert_cutout(&off, "null");
}

static void an_item_that_ended_without_it_waits_for_none(void **state)
{
	(void)state;
	struct item_row it = an_item(ITEM_CANCELED, CUT_WANTED);
	assert_cutout(&it, "null");
}

static void a_failed_one_tells_why_while_the_item_has_no_error(void **state)
{
	(void)state;
	struct outcome why = { .code = ERR_MATTE_BUDGET, .detail = "nothing is left" };
	struct item_row it = an_item(ITEM_SUCCEEDED, CUT_FAILED);
	it.cut_outcome = &why;
	autojson *o = view_item(&it, "j1", &links);
	const json_t *cut = json_object_get(o, "cutout"), *error = json_object_get(cut, "error");
	assert_true(json_is_null(json_object_get(o, "error")));
	assert_string_equal(json_get_str(cut, "status", ""), "failed");
	assert_string_equal(json_get_str(error, "code", ""), "matte_budget");
	assert_string_equal(json_get_str(error, "detail", ""), "nothing is left");
	assert_string_equal(json_get_str(error, "instance", ""), "/v1/jobs/j1/items/j1.2");
}

static void a_job_counts_its_cut_outs(void **state)
{
	(void)state;
	struct job_row j = { .id = "j1", .counts = { .cutouts = { 3, 2, 1 } } };
	autojson *o = view_job(&j, &links);
	autofree char *text = json_text(json_object_get(json_object_get(o, "counts"), "cutouts"));
	assert_string_equal(text, "{\"succeeded\":3,\"failed\":2,\"none\":1}");
}

static void credits_are_whole_where_they_can_be(void **state)
{
	(void)state;
	autojson *o = json_obj();
	view_credits(o, "a", 0);
	view_credits(o, "b", 3000);
	view_credits(o, "c", 1250);
	autofree char *text = json_text(o);
	assert_string_equal(text, "{\"a\":0,\"b\":3,\"c\":1.25}");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_cut_out_that_was_made_names_its_file_its_place_and_its_maker),
	cmocka_unit_test(a_paid_cut_out_has_a_cost_and_no_confidence),
	cmocka_unit_test(an_engine_without_a_name_of_its_own_stands_alone),
	cmocka_unit_test(where_only_variants_were_asked_for_the_file_is_not_shown),
	cmocka_unit_test(one_that_is_awaited_is_pending),
	cmocka_unit_test(an_item_that_ended_without_it_waits_for_none),
	cmocka_unit_test(a_failed_one_tells_why_while_the_item_has_no_error),
	cmocka_unit_test(a_job_counts_its_cut_outs),
	cmocka_unit_test(credits_are_whole_where_they_can_be),
};
TEST_MAIN(tests)
