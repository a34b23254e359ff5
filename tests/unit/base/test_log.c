/* SPDX-License-Identifier: MIT
 *
 * Log lines as they arrive on standard error.
 */
#include "lib/test.h"

#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#include <unistd.h>

/* Standard error goes to a memfd while a test runs. */
static int saved = -1, captured = -1;

static int setup(void **state)
{
	(void)state;
	struct err e = { 0 };
	saved = dup(STDERR_FILENO);
	if (io_memfd("stderr", &captured, &e) != OK)
		return -1;
	return dup2(captured, STDERR_FILENO) < 0;
}

static int teardown(void **state)
{
	(void)state;
	dup2(saved, STDERR_FILENO);
	fd_close(&saved);
	fd_close(&captured);
	return 0;
}

static const char *lines(char *out, size_t size)
{
	struct err e = { 0 };
	size_t n = 0;
	if (io_pread(captured, out, size - 1, 0, &n, &e) != OK)
		n = 0;
	out[n] = '\0';
	return out;
}

static void a_text_line_names_time_level_event_and_job(void **state)
{
	(void)state;
	char out[1000];
	log_setup(LOG_LEVEL_INFO, false);
	log_event(LOG_JOB_ENDED, "j1", "status=%s", "succeeded");
	lines(out, sizeof(out));
	assert_string_equal(out + 24, " info  job_ended job=j1 status=succeeded\n");
	assert_int_equal(out[23], 'Z');
}

static void a_json_line_is_json(void **state)
{
	(void)state;
	char out[1000];
	struct err e = { 0 };
	autojson *j = NULL;
	log_setup(LOG_LEVEL_INFO, true);
	log_event(LOG_DARKROOM_DIED, NULL, "reason=\"%s\"", "a\nb");
	lines(out, sizeof(out));
	assert_ok(json_parse(out, strlen(out), &j, &e));
	assert_string_equal(json_get_str(j, "level", ""), "warn");
	assert_string_equal(json_get_str(j, "event", ""), "darkroom_died");
	assert_string_equal(json_get_str(j, "message", ""), "reason=\"a\nb\"");
	assert_null(json_object_get(j, "job"));
}

static void lines_below_the_level_are_not_written(void **state)
{
	(void)state;
	char out[1000];
	log_setup(LOG_LEVEL_WARN, false);
	log_event(LOG_JOB_ENDED, "j1", "x=1");
	assert_string_equal(lines(out, sizeof(out)), "");
	log_event(LOG_BLOB_FAILED, NULL, "x=1");
	assert_non_null(strstr(lines(out, sizeof(out)), " error blob_failed x=1\n"));
}

static void a_value_cannot_forge_a_line(void **state)
{
	(void)state;
	char out[1000];
	log_setup(LOG_LEVEL_INFO, false);
	log_event(LOG_JOB_ENDED, "j\n1", "a=%s", "x\r\ny\x1b[31m\xC2\x9B");
	lines(out, sizeof(out));
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
	assert_non_null(strstr(out, "job=j\\n1 a=x\\x0d\\ny\\x1b[31m\\xc2\\x9b\n"));
}

static void what_is_not_utf8_is_escaped(void **state)
{
	(void)state;
	static const struct {
		const char *value, *line;
	} cases[] = {
		{ "Straße € 🌷", "Straße € 🌷" },
		{ "a\x9Bm", "a\\x9bm" }, /* a control sequence in Latin-1 */
		{ "\xFF\xFE", "\\xff\\xfe" },
		{ "\xC0\x8A", "\\xc0\\x8a" },          /* a line break, overlong */
		{ "\xED\xA0\x80", "\\xed\\xa0\\x80" }, /* half a surrogate pair */
		{ "\xF4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
		{ "cut \xE2\x82", "cut \\xe2\\x82" },
	};
	log_setup(LOG_LEVEL_INFO, false);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char out[2000], wanted[200];
		log_event(LOG_JOB_ENDED, NULL, "i=%zu %s;", i, cases[i].value);
		snprintf(wanted, sizeof(wanted), " i=%zu %s;\n", i, cases[i].line);
		assert_non_null(strstr(lines(out, sizeof(out)), wanted));
	}
}

static void a_long_message_is_cut_to_one_line(void **state)
{
	(void)state;
	char big[9000], out[10000];
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_setup(LOG_LEVEL_INFO, false);
	log_event(LOG_JOB_ENDED, NULL, "%s", big);
	lines(out, sizeof(out));
	assert_in_range(strlen(out), 4000, 4300);
	assert_int_equal(out[strlen(out) - 1], '\n');
}

static void names_and_levels_come_from_the_table(void **state)
{
	(void)state;
	assert_string_equal(log_event_name(LOG_SERVE_START), "serve_start");
	assert_int_equal(log_event_level(LOG_HTTP_REQUEST), LOG_LEVEL_DEBUG);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
	T(a_text_line_names_time_level_event_and_job),
	T(a_json_line_is_json),
	T(lines_below_the_level_are_not_written),
	T(a_value_cannot_forge_a_line),
	T(what_is_not_utf8_is_escaped),
	T(a_long_message_is_cut_to_one_line),
	T(names_and_levels_come_from_the_table),
};
TEST_MAIN(tests)
