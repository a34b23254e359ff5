/* SPDX-License-Identifier: MIT
 *
 * Prints one of the pages that are made from the program's tables:
 *
 *   gen-docs man | configuration | errors | metrics
 *
 * tools/gen-docs writes them all; a test fails when a committed page is no longer what this
 * prints, so the pages cannot say what the program does not do.
 */
#include "base/err.h"
#include "base/mem.h"
#include "conf/table.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- words that both the man page and the Markdown use ---------------------------------------- */

static const char *type_words(const struct setting *s)
{
	static const char *const words[] = {
		[TYPE_STRING] = "text", [TYPE_FILE_NAME] = "path", [TYPE_URL] = "URL",
		[TYPE_CHOICE] = "one of the words", [TYPE_SECRET] = "path of a file with the secret",
		[TYPE_INT] = "whole number", [TYPE_COUNT] = "number (k, m, g)",
		[TYPE_BYTES] = "bytes (k, m, g)", [TYPE_DURATION] = "time (ms, s, m, h, d)",
		[TYPE_DECIMAL] = "number to three places", [TYPE_BOOL] = "yes or no", [TYPE_LIST] = "list", [TYPE_TEXTS] = "list",
		[TYPE_CIDRS] = "list of address blocks",
	};
	return words[s->type];
}

static const char *default_words(const struct setting *s)
{
	bool list = s->type == TYPE_LIST || s->type == TYPE_TEXTS || s->type == TYPE_CIDRS;
	return *s->dflt ? s->dflt : list ? "empty" : "none";
}

/* "serve, run, gc" */
static void put_commands(const struct setting *s)
{
	const char *separator = "";
	if (s->commands == (1u << COMMAND_COUNT) - 1) {
		printf("all");
		return;
	}
	for (int c = 0; c < COMMAND_COUNT; c++)
		if (setting_serves(s, (enum command)c)) {
			printf("%s%s", separator, conf_commands[c].name);
			separator = ", ";
		}
}

/* ---- the man page ------------------------------------------------------------------------------ */

/* roff: hyphens that are typed must stay hyphens, and no line may begin with a control character. */
static void roff(const char *s)
{
	bool start = true;
	for (; *s; s++) {
		if (start && (*s == '.' || *s == '\''))
			printf("\\&");
		start = *s == '\n';
		if (*s == '\\')
			printf("\\e");
		else if (*s == '-')
			printf("\\-");
		else
			putchar(*s);
	}
}

static void man_commands(void)
{
	printf(".SH COMMANDS\n");
	for (int c = 0; c < COMMAND_COUNT; c++) {
		const struct command_row *row = &conf_commands[c];
		printf(".TP\n.B bulb ");
		roff(row->name);
		printf(" \\fR[\\fIOPTION\\fR]...%s", *row->arguments ? " " : "");
		roff(row->arguments);
		printf("\n");
		roff(row->summary);
		printf("\n");
	}
}

static void man_setting(const struct setting *s)
{
	char flag[64], env[64];
	setting_flag_name(s, flag);
	setting_env_name(s, env);
	printf(".TP\n");
	if (s->letter)
		printf("\\fB\\-%c\\fR, ", s->letter);
	printf("\\fB\\-\\-");
	roff(flag);
	printf("\\fR \\fI");
	roff(s->metavar);
	printf("\\fR\n");
	roff(s->help);
	printf(".\nDefault: ");
	roff(default_words(s));
	printf(". Variable: %s%s. Commands: ", env, s->type == TYPE_SECRET ? "_FILE" : "");
	put_commands(s);
	printf(".\n");
}

static void man(void)
{
	printf(".\\\" Made by tools/gen-docs from src/conf/*.def: do not edit.\n"
	       ".TH BULB 1 \"\" \"bulb " BULB_VERSION "\" \"User Commands\"\n"
	       ".SH NAME\nbulb \\- image batches that outlast the gateway\n"
	       ".SH SYNOPSIS\n.B bulb\n.I COMMAND\n[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n"
	       ".SH DESCRIPTION\n"
	       "bulb takes lists of image URLs, downloads each picture once, keeps a copy of the\n"
	       "original, makes its variants in a sandbox, and reports every result the moment it is\n"
	       "ready. A server accepts a batch at once, however long the work takes, and loses none\n"
	       "of it when it is stopped or killed.\n");
	man_commands();
	printf(".SH OPTIONS\n"
	       "Each command takes the options that name it below; "
	       "\\fB\\-\\-help\\fR prints its own.\n");
	for (int g = 0; g < GROUP_COUNT; g++) {
		printf(".SS %s\n", conf_group_title((enum conf_group)g));
		for (int i = 0; i < CONF_COUNT; i++)
			if (conf_settings[i].group == (enum conf_group)g)
				man_setting(&conf_settings[i]);
	}
	printf(".SH CONFIGURATION\n"
	       "Every option may stand on the command line, in the environment as BULB_NAME, or in\n"
	       "the file that \\-\\-config names as \\(oqname = value\\(cq; they win in this order.\n"
	       "An unknown or ill\\-formed setting is refused, wherever it stands.\n"
	       ".SH ENVIRONMENT\n"
	       ".TP\n.B PORT\nthe port to listen on where \\-\\-listen is not given\n"
	       ".TP\n.B STATE_DIRECTORY\nthe data folder where \\-\\-data is not given\n"
	       ".TP\n.B NO_COLOR\nno colours in a terminal\n"
	       ".TP\n.B NOTIFY_SOCKET\\fR, \\fBWATCHDOG_USEC\\fR, \\fBLISTEN_FDS\nas systemd sets "
	       "them\n"
	       ".SH EXIT STATUS\n"
	       ".TP\n.B 0\nall went well\n.TP\n.B 1\nnothing could be done\n"
	       ".TP\n.B 2\nsome items of the batch failed\n.TP\n.B 64\nthe command line or a setting is "
	       "wrong\n"
	       ".TP\n.B 130\ninterrupted\n"
	       ".SH SEE ALSO\n"
	       "The folder docs of the source: configuration.md, errors.md, metrics.md\n");
}

/* ---- Markdown ---------------------------------------------------------------------------------- */

/* A cell of a table: '|' would end it. */
static void cell(const char *s)
{
	for (; *s; s++)
		printf(*s == '|' ? "\\%c" : "%c", *s);
}

static void made_by(const char *tables)
{
	printf("<!-- Made by tools/gen-docs from %s: do not edit. -->\n\n", tables);
}

static void configuration_setting(const struct setting *s)
{
	char flag[64];
	setting_flag_name(s, flag);
	printf("| `");
	if (s->letter)
		printf("-%c`, `", s->letter);
	printf("--%s%s", flag, *s->metavar ? " " : "");
	cell(s->metavar);
	printf("` | ");
	printf(*s->dflt ? "`%s`" : "%s", default_words(s));
	printf(" | ");
	cell(s->help);
	printf(" | %s | ", type_words(s));
	put_commands(s);
	printf(" |\n");
}

static void configuration(void)
{
	made_by("src/conf/settings.def");
	printf("# Settings\n\n"
	       "bulb needs none: `bulb serve` listens on 127.0.0.1:8080 and keeps everything below\n"
	       "`./bulb-data`. Each setting below can be given in three ways; the first one found "
	       "wins:\n\n"
	       "1. on the command line: `--workers 32` or `--workers=32`;\n"
	       "2. in the environment: `BULB_WORKERS=32`. An empty variable counts as not set;\n"
	       "3. in a file named by `--config FILE` or `BULB_CONFIG`: `workers = 32`, one setting a "
	       "line. A `#`\n   at the start of a line or after a space begins a comment.\n\n"
	       "A setting that does not exist, or a value that it does not take, is refused at the "
	       "start with the\nname, the place and the nearest name that exists. One file may serve "
	       "several commands: a command\npasses over the settings of others in a file or the "
	       "environment, but refuses them as flags.\n\n"
	       "| value | how it is written |\n|---|---|\n"
	       "| bytes | `500`, `64k`, `10m`, `1g`: k is 1024 |\n"
	       "| number | `500`, `20k`, `50m`, `1g`: k is 1000 |\n"
	       "| time | `500ms`, `90s`, `15m`, `24h`, `30d`; `forever` where it makes sense |\n"
	       "| yes or no | `yes`, `no`, `true`, `false`, `on`, `off`, `1`, `0`; the flag alone is "
	       "yes |\n"
	       "| list | the flag or key again for each element, or elements between commas |\n"
	       "| secret | never a flag: a file by `--NAME-file` or `BULB_NAME_FILE`, or the value in "
	       "`BULB_NAME` |\n\n"
	       "`bulb COMMAND --help` shows the settings of one command.\n\n"
	       "Some variables of others are heard too: `PORT` (where `listen` is not set), "
	       "`STATE_DIRECTORY`\n(where `data` is not set), `NO_COLOR`, and systemd's "
	       "`NOTIFY_SOCKET`, `WATCHDOG_USEC` and `LISTEN_FDS`.\n"
	       "Variables that begin with `BULB_SERVICE_` or `BULB_PORT` are left alone, because "
	       "Kubernetes makes\nthem for a service called bulb.\n\n");
	for (int g = 0; g < GROUP_COUNT; g++) {
		printf("## %s\n\n| setting | default | what it does | value | commands |\n"
		       "|---|---|---|---|---|\n", conf_group_title((enum conf_group)g));
		for (int i = 0; i < CONF_COUNT; i++)
			if (conf_settings[i].group == (enum conf_group)g)
				configuration_setting(&conf_settings[i]);
		printf(g + 1 < GROUP_COUNT ? "\n" : "");
	}
}

static void errors(void)
{
	made_by("src/base/err.def");
	printf("# Errors\n\n"
	       "Every error is a problem document (RFC 9457, `application/problem+json`). Its `code` is "
	       "one of these\nand never changes its meaning; its `type` is the address of a page with "
	       "the same words. `status` is\nthe HTTP status of an answer with this code; the `error` "
	       "of an item carries the code as well, where no\nanswer had that status. **Passing** says "
	       "that the same thing may go well another time; then an item's\n`error` has `retryable` "
	       "set, and bulb has tried again already.\n\n"
	       "| code | status | passing | what happened | what to do |\n|---|---|---|---|---|\n");
	for (int i = 1; i < ERR_COUNT; i++) {
		enum err_code code = (enum err_code)i;
		printf("| `%s` | %d | %s | ", err_name(code), err_http(code),
			err_retryable(code) ? "yes" : "no");
		cell(err_title(code));
		printf(" | ");
		cell(err_hint(code));
		printf(" |\n");
	}
}

static const struct metric_row {
	const char *name, *type, *labels, *help;
} metric_rows[] = {
#define METRIC(id, type, name, labels, help) { name, #type, labels, help },
#include "base/metrics.def"
#undef METRIC
	{ "process_cpu_seconds_total", "COUNTER", "", "user and system time" },
	{ "process_resident_memory_bytes", "GAUGE", "", "memory held in RAM" },
	{ "process_start_time_seconds", "GAUGE", "", "when the process started, since 1970" },
	{ "process_open_fds", "GAUGE", "", "open file descriptors" },
	{ "process_max_fds", "GAUGE", "", "most file descriptors it may have" },
};
static const struct log_row {
	const char *name, *level, *text;
} log_rows[] = {
#define LOG(name, level, text) { #name, #level, text },
#include "base/log.def"
#undef LOG
};

static void lower(const char *s)
{
	for (; *s; s++)
		putchar(tolower((unsigned char)*s));
}

static void metrics(void)
{
	made_by("src/base/metrics.def and src/base/log.def");
	printf("# Metrics and log events\n\n"
	       "## Metrics\n\n"
	       "`GET /metrics` answers in Prometheus' text form. Values are in base units (seconds, "
	       "bytes); no label\nholds what a caller chose.\n\n"
	       "| name | type | labels | what it counts |\n|---|---|---|---|\n");
	for (size_t i = 0; i < ARRAY_LEN(metric_rows); i++) {
		printf("| `%s` | ", metric_rows[i].name);
		lower(metric_rows[i].type);
		printf(" | %s | ", *metric_rows[i].labels ? metric_rows[i].labels : "–");
		cell(metric_rows[i].help);
		printf(" |\n");
	}
	printf("\n## Log events\n\n"
	       "The log is one event a line on standard error: time, level, event, `job=ID` where there "
	       "is one, and\n`key=value` pairs (`--log-format json`: the same as JSON). **error** means "
	       "that someone must act;\n**warn**, that bulb went on, and how; **info**, that something "
	       "changed state.\n\n"
	       "| event | level | what it means |\n|---|---|---|\n");
	for (size_t i = 0; i < ARRAY_LEN(log_rows); i++) {
		printf("| `");
		lower(log_rows[i].name);
		printf("` | ");
		lower(log_rows[i].level);
		printf(" | ");
		cell(log_rows[i].text);
		printf(" |\n");
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*print)(void);
	} pages[] = { { "man", man }, { "configuration", configuration }, { "errors", errors },
		{ "metrics", metrics } };
	for (size_t i = 0; argc == 2 && i < ARRAY_LEN(pages); i++)
		if (strcmp(argv[1], pages[i].name) == 0) {
			pages[i].print();
			return fflush(stdout) != 0;
		}
	fprintf(stderr, "usage: gen-docs man|configuration|errors|metrics\n");
	return 64;
}
