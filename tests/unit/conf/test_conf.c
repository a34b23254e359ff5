/* SPDX-License-Identifier: MIT
 *
 * Where settings come from, which source wins, and what is said about one that is wrong.
 */
#include "lib/test.h"

#include "base/io.h"
#include "conf/conf.h"

#include <stdlib.h>
#include <unistd.h>

static struct conf c;
static struct err e;
static char path[] = "/tmp/bulb-test-conf-XXXXXX";

static int setup(void **state)
{
	(void)state;
	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	int fd = mkstemp(path);
	fd_close(&fd);
	e = (struct err){ 0 };
	c = (struct conf){ 0 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	conf_done(&c);
	return unlink(path);
}

static void write_file(const char *text)
{
	assert_ok(io_write_file(path, text, strlen(text), 0600, &e));
}

/* argv and envp end with NULL. */
static enum err_code parse(enum command cmd, const char *const *argv, const char *const *envp)
{
	int argc = 0;
	while (argv[argc])
		argc++;
	conf_done(&c);
	return conf_parse(cmd, argc, (char *const *)argv, (char *const *)envp, &c, &e);
}
#define ARGV(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })
#define ENVP(...) ARGV(__VA_ARGS__)

static void refused(enum command cmd, const char *const *argv, const char *const *envp,
	const char *text)
{
	assert_err(parse(cmd, argv, envp), ERR_USAGE);
	if (!strstr(e.text, text))
		fail_msg("'%s' is not in: %s", text, e.text);
}

static void without_any_setting_the_defaults_hold(void **state)
{
	(void)state;
	assert_ok(parse(COMMAND_SERVE, ARGV(), ENVP()));
	assert_string_equal(c.listen, "127.0.0.1:8080");
	assert_string_equal(c.data, "bulb-data");
	assert_string_equal(c.store, "sqlite:bulb-data/bulb.db");
	assert_string_equal(c.blob, "file:bulb-data/blobs");
	assert_string_equal(c.bus, "local:");
	assert_true(c.workers >= 64 && c.darkrooms >= 1);
	assert_int_equal(c.keep_results_ms, -1);
	assert_int_equal(c.keep_ms, 30LL * 86400000);
	assert_int_equal(c.max_body_bytes, 10 << 20);
	assert_int_equal(c.max_pixels, 50000000);
	assert_false(c.open);
	assert_null(c.public_url);
	assert_int_equal(c.source[CONF_listen], CONF_DEFAULT);
	assert_int_equal(conf_log_level(&c), LOG_LEVEL_INFO);
}

static void every_default_is_a_value_its_setting_takes(void **state)
{
	(void)state;
	for (int cmd = 0; cmd < COMMAND_COUNT; cmd++) {
		bool job = cmd == COMMAND_WATCH || cmd == COMMAND_CANCEL || cmd == COMMAND_RETRY;
		bool one = job || cmd == COMMAND_MODEL || cmd == COMMAND_KEY;
		assert_ok(parse((enum command)cmd, one ? ARGV("J") : ARGV(), ENVP()));
		assert_int_equal(c.fresh_ms, 86400000);
	}
}

static void the_command_line_wins_over_the_environment_and_that_over_the_file(void **state)
{
	(void)state;
	write_file("workers = 3\nper-host = 3\nmax-tries = 3\n");
	char config[80];
	snprintf(config, sizeof(config), "BULB_CONFIG=%s", path);
	assert_ok(parse(COMMAND_SERVE, ARGV("--workers", "1"),
		ENVP("BULB_WORKERS=2", "BULB_PER_HOST=2", config)));
	assert_int_equal(c.workers, 1);
	assert_int_equal(c.per_host, 2);
	assert_int_equal(c.max_tries, 3);
	assert_int_equal(c.source[CONF_workers], CONF_FLAG);
	assert_int_equal(c.source[CONF_per_host], CONF_ENV);
	assert_int_equal(c.source[CONF_max_tries], CONF_FILE);
	assert_int_equal(c.source[CONF_threads], CONF_DEFAULT);
}

static void a_bad_value_is_refused_also_where_a_stronger_source_wins(void **state)
{
	(void)state;
	write_file("allow-address = nonsense\n");
	refused(COMMAND_SERVE, ARGV("--workers=1"), ENVP("BULB_WORKERS=many"), "BULB_WORKERS");
	refused(COMMAND_SERVE, ARGV("--allow-address=::1", "--config", path), ENVP(), "nonsense");
	write_file("allow-address = 10.0.0.0/8\n");
	assert_ok(parse(COMMAND_SERVE, ARGV("--allow-address=::1", "--config", path), ENVP()));
	assert_int_equal(c.allow_address.n, 1);
}

static void flags_have_two_spellings_and_arguments_stand_anywhere(void **state)
{
	(void)state;
	assert_ok(parse(COMMAND_RUN,
		ARGV("a.jpg", "--workers=5", "-o", "x", "-flist", "--json", "-", "--", "--workers"),
		ENVP()));
	assert_int_equal(c.workers, 5);
	assert_string_equal(c.output, "x");
	assert_string_equal(c.file, "list");
	assert_true(c.json);
	assert_int_equal(c.args.n, 3);
	assert_string_equal(c.args.v[0], "a.jpg");
	assert_string_equal(c.args.v[1], "-");
	assert_string_equal(c.args.v[2], "--workers");
}

static void credits_have_three_places_and_may_be_unlimited(void **state)
{
	(void)state;
	assert_ok(parse(COMMAND_SERVE, ARGV(), ENVP()));
	assert_int_equal(c.max_cost_month, -1);
	assert_int_equal(c.provider_cost, 1000);
	assert_int_equal(c.matte_threshold, 800);
	assert_ok(parse(COMMAND_SERVE,
		ARGV("--max-cost-month=12.5", "--provider-cost=0.25", "--matte-threshold=0"),
		ENVP()));
	assert_int_equal(c.max_cost_month, 12500);
	assert_int_equal(c.provider_cost, 250);
	assert_int_equal(c.matte_threshold, 0);
	assert_ok(parse(COMMAND_SERVE, ARGV("--max-cost-month=0"), ENVP()));
	assert_int_equal(c.max_cost_month, 0);
	static const char *const bad[] = { "-1", "1.", ".5", "1.2345", "1,5", "1e3", "", "many",
		"9999999999999", "1.5 " };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(COMMAND_SERVE, ARGV("--max-cost-month", bad[i]), ENVP(),
			"or 0.25, or unlimited");
	refused(COMMAND_SERVE, ARGV("--matte-threshold", "1.001"), ENVP(), "from 0 to 1");
	refused(COMMAND_SERVE, ARGV("--provider-cost", "unlimited"), ENVP(), "or 0.25");
}

static void models_are_where_xdg_says(void **state)
{
	(void)state;
	assert_ok(parse(COMMAND_SERVE, ARGV(), ENVP("XDG_DATA_HOME=/x", "HOME=/h")));
	assert_string_equal(c.models, "/x/bulb/models");
	assert_ok(parse(COMMAND_SERVE, ARGV(), ENVP("XDG_DATA_HOME=x", "HOME=/h")));
	assert_string_equal(c.models, "/h/.local/share/bulb/models");
	assert_ok(parse(COMMAND_SERVE, ARGV("--data=d"), ENVP()));
	assert_string_equal(c.models, "d/models");
	assert_ok(parse(COMMAND_SERVE, ARGV("--models=m"), ENVP("HOME=/h")));
	assert_string_equal(c.models, "m");
}

static void the_providers_key_is_on_no_command_line(void **state)
{
	(void)state;
	refused(COMMAND_SERVE, ARGV("--provider-key=SECRET"), ENVP(), "provider-key");
	assert_null(strstr(e.text, "SECRET"));
	assert_ok(parse(COMMAND_SERVE, ARGV(), ENVP("BULB_PROVIDER_KEY=SECRET")));
	assert_string_equal(c.provider_key, "SECRET");
	write_file("FILED\n");
	assert_ok(parse(COMMAND_SERVE, ARGV("--provider-key-file", path), ENVP()));
	assert_string_equal(c.provider_key, "FILED");
}

static void on_and_off_have_their_words(void **state)
{
	(void)state;
	assert_ok(parse(COMMAND_SERVE, ARGV("--open"), ENVP()));
	assert_true(c.open);
	assert_ok(parse(COMMAND_SERVE, ARGV("--open=no"), ENVP("BULB_OPEN=yes")));
	assert_false(c.open);
	assert_ok(parse(COMMAND_SERVE, ARGV(), ENVP("BULB_OPEN=1")));
	assert_true(c.open);
	refused(COMMAND_SERVE, ARGV("--open=maybe"), ENVP(), "--open: 'maybe' is not yes or no");
}

static void lists_grow_within_a_source_and_are_replaced_across(void **state)
{
	(void)state;
	assert_ok(parse(COMMAND_SERVE,
		ARGV("--allow-origin", "https://a", "--allow-origin", "https://b, https://c"),
		ENVP("BULB_ALLOW_ORIGIN=https://z", "BULB_ALLOW_HOST=x,y")));
	assert_int_equal(c.allow_origin.n, 3);
	assert_string_equal(c.allow_origin.v[2], "https://c");
	assert_int_equal(c.allow_host.n, 2);
	assert_ok(parse(COMMAND_RUN,
		ARGV("--allow-address", "10.0.0.0/8,::1", "--variant", "a width=1, x", "--variant",
			"b"),
		ENVP()));
	assert_int_equal(c.allow_address.n, 2);
	assert_int_equal(c.allow_address.v[0].bits, 104);
	assert_int_equal(c.variant.n, 2);
	assert_string_equal(c.variant.v[0], "a width=1, x");
	refused(COMMAND_SERVE, ARGV("--allow-host", "a,,b"), ENVP(), "empty");
	refused(COMMAND_SERVE, ARGV("--trusted-proxy", "10.0.0.0/99"), ENVP(), "10.0.0.0/99");
}

static void numbers_have_units(void **state)
{
	(void)state;
	assert_ok(parse(COMMAND_SERVE,
		ARGV("--max-body", "2m", "--fresh", "90s", "--drain=500ms", "--max-pixels", "20m",
			"--max-source=1K", "--keep-results", "7d", "--max-wait", "0"),
		ENVP()));
	assert_int_equal(c.max_body_bytes, 2 << 20);
	assert_int_equal(c.fresh_ms, 90000);
	assert_int_equal(c.drain_ms, 500);
	assert_int_equal(c.max_pixels, 20000000);
	assert_int_equal(c.max_source_bytes, 1024);
	assert_int_equal(c.keep_results_ms, 7 * 86400000);
	assert_int_equal(c.max_wait_ms, 0);
}

static void ill_formed_values_are_refused_by_name(void **state)
{
	(void)state;
	static const char *const bad[] = { "--workers=x", "--workers=-1", "--workers=1.5",
		"--workers=99999", "--workers=99999999999999999999", "--workers=", "--fresh=5",
		"--fresh=1y", "--fresh=forever", "--max-body=5t", "--max-body=99999999999g",
		"--max-url=8k", "--log-level=loud", "--public-url=ftp://x", "--public-url=x",
		"--public-url=http://a/?q", "--listen=", "--keep-results=-1" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char name[40];
		snprintf(name, sizeof(name), "%.*s:", (int)strcspn(bad[i], "="), bad[i]);
		refused(COMMAND_SERVE, ARGV(bad[i]), ENVP(), name);
	}
	refused(COMMAND_SERVE, ARGV("--workers=99999"), ENVP(), "from 0 to 4096");
	refused(COMMAND_SERVE, ARGV("--max-url=8k"), ENVP(), "from 64 to 4k");
	refused(COMMAND_SERVE, ARGV("--log-level=loud"), ENVP(), "debug|info|warn|error");
}

static void a_typo_is_refused_with_the_nearest_name(void **state)
{
	(void)state;
	refused(COMMAND_SERVE, ARGV("--lisen", "x"), ENVP(), "did you mean --listen?");
	refused(COMMAND_SERVE, ARGV("--max_pixels=1"), ENVP(), "did you mean --max-pixels?");
	refused(COMMAND_SERVE, ARGV("--zebra"), ENVP(), "see bulb serve --help");
	refused(COMMAND_SERVE, ARGV("-q"), ENVP(), "unknown option -q");
	refused(COMMAND_SERVE, ARGV(), ENVP("BULB_MAX_PIXLES=1"), "did you mean BULB_MAX_PIXELS?");
	refused(COMMAND_SERVE, ARGV(), ENVP("BULB_XYZZY=1"), "BULB_XYZZY");
	const char *near;
	assert_int_equal(command_find("serv", &near), COMMAND_COUNT);
	assert_string_equal(near, "serve");
	assert_int_equal(command_find("gc", &near), COMMAND_GC);
}

static void a_setting_of_another_command_is_refused_as_a_flag_only(void **state)
{
	(void)state;
	refused(COMMAND_RUN, ARGV("--listen", "x"), ENVP(), "bulb serve");
	assert_ok(parse(COMMAND_RUN, ARGV(), ENVP("BULB_LISTEN=:1")));
	assert_null(c.listen);
}

static void a_flag_needs_its_value(void **state)
{
	(void)state;
	refused(COMMAND_SERVE, ARGV("--data"), ENVP(), "--data needs a value: --data=DIR");
	refused(COMMAND_SERVE, ARGV("--data", "--open"), ENVP(), "--data needs a value");
	assert_ok(parse(COMMAND_SERVE, ARGV("--data=--open"), ENVP()));
	assert_string_equal(c.data, "--open");
}

static void arguments_are_counted(void **state)
{
	(void)state;
	refused(COMMAND_WATCH, ARGV(), ENVP(), "JOB is missing");
	refused(COMMAND_WATCH, ARGV("a", "b"), ENVP(), "'b' is one argument too many");
	refused(COMMAND_SERVE, ARGV("a"), ENVP(), "'a' is one argument too many");
}

static void help_stops_everything_else(void **state)
{
	(void)state;
	assert_ok(parse(COMMAND_WATCH, ARGV("--help", "--nonsense"), ENVP("BULB_NONSENSE=1")));
	assert_true(c.help);
	assert_ok(parse(COMMAND_WATCH, ARGV("--version"), ENVP()));
	assert_true(c.version);
}

static void what_is_not_meant_for_bulb_is_left_alone(void **state)
{
	(void)state;
	assert_ok(parse(COMMAND_SERVE, ARGV(),
		ENVP("BULB_SERVICE_HOST=10.0.0.1", "BULBOUS=1", "PATH=/",
			"BULB_PORT_8080_TCP=tcp://10.0.0.1:8080", "BULB_WORKERS=")));
	assert_int_equal(c.source[CONF_workers], CONF_DEFAULT);
}

static void the_file_has_comments_and_spaces(void **state)
{
	(void)state;
	write_file("# all\n\n  workers=4   # lanes\r\nname = {name}#{variant}.{ext}\n"
		   "allow-address = 10.0.0.0/8\nallow-address = 192.168.0.0/16");
	assert_ok(parse(COMMAND_RUN, ARGV("--config", path), ENVP()));
	assert_int_equal(c.workers, 4);
	assert_string_equal(c.name, "{name}#{variant}.{ext}");
	assert_int_equal(c.allow_address.n, 2);
}

static void a_fault_in_the_file_is_named_with_its_line(void **state)
{
	(void)state;
	static const char *const faults[][2] = {
		{ "workers = 1\nlisen = x\n",
			":2: unknown setting 'lisen'; did you mean 'listen'?" },
		{ "workers = many\n", ":1: workers: 'many' is not a whole number" },
		{ "\n\nworkers\n", ":3: a line must read 'key = value'" },
		{ "config = other\n", ":1: a file cannot name another" },
		{ "workers =\n", ":1: workers" },
		{ "= 3\n", ":1: unknown setting" },
	};
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		write_file(faults[i][0]);
		refused(COMMAND_SERVE, ARGV("--config", path), ENVP(), faults[i][1]);
		assert_non_null(strstr(e.text, path));
	}
	refused(COMMAND_SERVE, ARGV("--config", "/nonexistent"), ENVP(),
		"--config: open /nonexistent");
	assert_ok(io_write_file(path, "a\0b", 3, 0600, &e));
	refused(COMMAND_SERVE, ARGV("--config", path), ENVP(), "not a text file");
}

static void a_secret_comes_from_a_file_or_the_environment(void **state)
{
	(void)state;
	char variable[80];
	write_file("k-123\n");
	assert_ok(parse(COMMAND_JOBS, ARGV("--key-file", path), ENVP("BULB_KEY=other")));
	assert_string_equal(c.key, "k-123");
	assert_ok(parse(COMMAND_JOBS, ARGV(), ENVP("BULB_KEY=k-9")));
	assert_string_equal(c.key, "k-9");
	snprintf(variable, sizeof(variable), "BULB_KEY_FILE=%s", path);
	assert_ok(parse(COMMAND_JOBS, ARGV(), ENVP(variable)));
	assert_string_equal(c.key, "k-123");
	refused(COMMAND_JOBS, ARGV(), ENVP(variable, "BULB_KEY=k"), "both there");
	refused(COMMAND_JOBS, ARGV(), ENVP("BULB_KEY=k", variable), "both there");
	refused(COMMAND_JOBS, ARGV("--key-file", "/nonexistent"), ENVP(), "--key-file");
	write_file("two\nlines\n");
	refused(COMMAND_JOBS, ARGV("--key-file", path), ENVP(), "one line");
}

static void a_secret_stands_on_no_command_line_and_in_no_message(void **state)
{
	(void)state;
	refused(COMMAND_JOBS, ARGV("--key=hunter2"), ENVP(), "--key-file FILE or BULB_KEY");
	assert_null(strstr(e.text, "hunter2"));
	refused(COMMAND_JOBS, ARGV("--kee=hunter2"), ENVP(), "unknown option --kee");
	assert_null(strstr(e.text, "hunter2"));
	refused(COMMAND_JOBS, ARGV(), ENVP("BULB_KEEY=hunter2"), "BULB_KEEY");
	assert_null(strstr(e.text, "hunter2"));
}

static void a_function_divides_the_memory_that_it_has(void **state)
{
	const int64_t mib = 1 << 20;
	(void)state;
	assert_ok(parse(COMMAND_LAMBDA, ARGV(),
		ENVP("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1000", "LAMBDA_TASK_ROOT=/var/task",
			"AWS_LAMBDA_LOG_FORMAT=JSON")));
	assert_int_equal(c.darkroom_memory_bytes, 450 * mib);
	assert_int_equal(c.held_memory_bytes, 200 * mib);
	assert_int_equal(c.workers, 31);
	assert_string_equal(c.models, "/var/task/models");
	assert_string_equal(c.log_format, "json");
	assert_string_equal(c.log_level, "info");
	assert_ok(parse(COMMAND_LAMBDA, ARGV("--darkroom-memory", "1g", "--log-format", "text"),
		ENVP("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", "AWS_LAMBDA_LOG_FORMAT=JSON",
			"BULB_HELD_MEMORY=64m", "BULB_MODELS=/m")));
	assert_int_equal(c.darkroom_memory_bytes, 1024 * mib);
	assert_int_equal(c.held_memory_bytes, 64 * mib);
	assert_int_equal(c.workers, 4);
	assert_string_equal(c.models, "/m");
	assert_string_equal(c.log_format, "text");
	assert_ok(parse(COMMAND_SERVE, ARGV(), ENVP("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128")));
	assert_int_equal(c.darkroom_memory_bytes, 1024 * mib);
}

static void platforms_and_systemd_are_heard(void **state)
{
	(void)state;
	assert_ok(parse(COMMAND_SERVE, ARGV(),
		ENVP("PORT=9000", "STATE_DIRECTORY=/var/lib/bulb:/x")));
	assert_string_equal(c.listen, "127.0.0.1:9000");
	assert_string_equal(c.store, "sqlite:/var/lib/bulb/bulb.db");
	assert_ok(parse(COMMAND_SERVE, ARGV("--open"), ENVP("PORT=9000")));
	assert_string_equal(c.listen, "0.0.0.0:9000");
	assert_ok(parse(COMMAND_SERVE, ARGV("--listen", ":0", "--data", "d"),
		ENVP("PORT=9000", "STATE_DIRECTORY=/x")));
	assert_string_equal(c.listen, ":0");
	assert_string_equal(c.blob, "file:d/blobs");
	refused(COMMAND_SERVE, ARGV(), ENVP("PORT=tcp://x"), "PORT");
	char pid[40];
	snprintf(pid, sizeof(pid), "LISTEN_PID=%d", (int)getpid());
	assert_ok(parse(COMMAND_SERVE, ARGV(),
		ENVP("LISTEN_FDS=1", pid, "NOTIFY_SOCKET=/run/n", "WATCHDOG_USEC=3000000",
			"NO_COLOR=1")));
	assert_int_equal(c.listen_fds, 1);
	assert_string_equal(c.notify_socket, "/run/n");
	assert_int_equal(c.watchdog_ms, 3000);
	assert_true(c.no_color);
	assert_ok(parse(COMMAND_SERVE, ARGV(),
		ENVP("LISTEN_FDS=1", "LISTEN_PID=1", "WATCHDOG_USEC=3000000", "WATCHDOG_PID=1")));
	assert_int_equal(c.listen_fds, 0);
	assert_int_equal(c.watchdog_ms, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
	T(without_any_setting_the_defaults_hold),
	T(every_default_is_a_value_its_setting_takes),
	T(the_command_line_wins_over_the_environment_and_that_over_the_file),
	T(a_bad_value_is_refused_also_where_a_stronger_source_wins),
	T(flags_have_two_spellings_and_arguments_stand_anywhere),
	T(credits_have_three_places_and_may_be_unlimited),
	T(models_are_where_xdg_says),
	T(the_providers_key_is_on_no_command_line),
	T(on_and_off_have_their_words),
	T(lists_grow_within_a_source_and_are_replaced_across),
	T(numbers_have_units),
	T(ill_formed_values_are_refused_by_name),
	T(a_typo_is_refused_with_the_nearest_name),
	T(a_setting_of_another_command_is_refused_as_a_flag_only),
	T(a_flag_needs_its_value),
	T(arguments_are_counted),
	T(help_stops_everything_else),
	T(what_is_not_meant_for_bulb_is_left_alone),
	T(the_file_has_comments_and_spaces),
	T(a_fault_in_the_file_is_named_with_its_line),
	T(a_secret_comes_from_a_file_or_the_environment),
	T(a_secret_stands_on_no_command_line_and_in_no_message),
	T(a_function_divides_the_memory_that_it_has),
	T(platforms_and_systemd_are_heard),
};
TEST_MAIN(tests)
