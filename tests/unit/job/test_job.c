/* SPDX-License-Identifier: MIT */
#include "lib/test.h"

#include "job/job.h"

static void every_job_state_is_read_back_from_its_name(void **state)
{
	(void)state;
	for (int i = JOB_QUEUED; i <= JOB_CANCELED; i++) {
		enum job_state s;
		assert_true(job_state_parse(job_state_name((enum job_state)i), &s));
		assert_int_equal(s, i);
	}
	enum job_state untouched = JOB_PARTIAL;
	assert_false(job_state_parse("done", &untouched));
	assert_int_equal(untouched, JOB_PARTIAL);
}

static void a_queued_or_running_job_has_not_ended(void **state)
{
	(void)state;
	assert_false(job_has_ended(JOB_QUEUED));
	assert_false(job_has_ended(JOB_RUNNING));
	assert_true(job_has_ended(JOB_SUCCEEDED));
	assert_true(job_has_ended(JOB_CANCELED));
}

static void priorities_weigh_1_4_and_16(void **state)
{
	(void)state;
	enum priority p;
	assert_true(priority_parse("interactive", &p));
	assert_int_equal(priority_weight(p), 1);
	assert_int_equal(priority_weight(PRIORITY_NORMAL), 4);
	assert_int_equal(priority_weight(PRIORITY_BULK), 16);
	assert_string_equal(priority_name(PRIORITY_BULK), "bulk");
	assert_false(priority_parse("high", &p));
}

static void an_open_items_status_is_its_tasks_step(void **state)
{
	(void)state;
	assert_string_equal(item_status_name(ITEM_FRESH, STEP_QUEUED), "queued");
	assert_string_equal(item_status_name(ITEM_OPEN, STEP_QUEUED), "queued");
	assert_string_equal(item_status_name(ITEM_OPEN, STEP_DOWNLOADING), "downloading");
	assert_string_equal(item_status_name(ITEM_OPEN, STEP_PROCESSING), "processing");
	assert_string_equal(item_status_name(ITEM_OPEN, STEP_STORING), "storing");
	assert_string_equal(item_status_name(ITEM_SUCCEEDED, STEP_STORING), "succeeded");
	assert_string_equal(item_status_name(ITEM_FAILED, STEP_QUEUED), "failed");
	assert_string_equal(item_status_name(ITEM_CANCELED, STEP_QUEUED), "canceled");
}

static void exactly_four_events_end_a_job(void **state)
{
	(void)state;
	int ends = 0, items = 0;
	for (int t = EVENT_JOB_CREATED; t <= EVENT_ITEM_CANCELED; t++) {
		ends += event_type_ends_job((enum event_type)t);
		items += event_type_is_item((enum event_type)t);
		const char *prefix = event_type_is_item((enum event_type)t) ? "item." : "job.";
		assert_memory_equal(event_type_name((enum event_type)t), prefix, strlen(prefix));
	}
	assert_int_equal(ends, 4);
	assert_int_equal(items, 5);
	assert_string_equal(event_type_name(EVENT_JOB_PARTIAL), "job.partial");
	assert_string_equal(item_cache_name(CACHE_COALESCED), "coalesced");
}

static void a_job_id_is_1_to_64_safe_characters(void **state)
{
	(void)state;
	char longest[JOB_ID_MAX + 2];
	memset(longest, 'a', sizeof(longest));
	longest[JOB_ID_MAX + 1] = '\0';
	assert_false(job_id_is_valid(longest));
	longest[JOB_ID_MAX] = '\0';
	assert_true(job_id_is_valid(longest));
	assert_true(job_id_is_valid("Order_17-b"));
	assert_false(job_id_is_valid(""));
	assert_false(job_id_is_valid("a/b"));
	assert_false(job_id_is_valid("a.1"));
	assert_false(job_id_is_valid("é"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_job_state_is_read_back_from_its_name),
	cmocka_unit_test(a_queued_or_running_job_has_not_ended),
	cmocka_unit_test(priorities_weigh_1_4_and_16),
	cmocka_unit_test(an_open_items_status_is_its_tasks_step),
	cmocka_unit_test(exactly_four_events_end_a_job),
	cmocka_unit_test(a_job_id_is_1_to_64_safe_characters),
};
TEST_MAIN(tests)
