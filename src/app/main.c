/* SPDX-License-Identifier: MIT
 *
 * main(): which command, and nothing else. `bulb darkroom` comes before everything: that process
 * gets no settings, no log and no signals of ours.
 */
#include "app/cmd.h"
#include "app/say.h"
#include "app/signals.h"
#include "base/log.h"
#include "conf/conf.h"
#include "inside/inside.h"

#include <stdio.h>
#include <string.h>

static int (*const commands[COMMAND_COUNT])(const struct conf *c) = {
	[COMMAND_RUN] = cmd_run,
	[COMMAND_SERVE] = cmd_serve,
	[COMMAND_WORK] = cmd_work,
	[COMMAND_LAMBDA] = cmd_lambda,
	[COMMAND_SUBMIT] = cmd_submit,
	[COMMAND_WATCH] = cmd_watch,
	[COMMAND_CANCEL] = cmd_cancel,
	[COMMAND_RETRY] = cmd_retry,
	[COMMAND_JOBS] = cmd_jobs,
	[COMMAND_USAGE] = cmd_usage,
	[COMMAND_DELIVERIES] = cmd_deliveries,
	[COMMAND_MODEL] = cmd_model,
	[COMMAND_DOCTOR] = cmd_doctor,
	[COMMAND_GC] = cmd_gc,
	[COMMAND_COPY] = cmd_copy,
	[COMMAND_KEY] = cmd_key,
};

/* `bulb`, `bulb --help`, `bulb --version`, `bulb help`: the list of commands. */
static int print_text(const char *text, int status)
{
	fputs(text, status ? stderr : stdout);
	return status;
}

static int print_help(enum command command, int status)
{
	struct buf text = BUF_INIT(1 << 20);
	conf_help(command, &text);
	print_text(buf_str(&text), status);
	buf_done(&text);
	return status;
}

static int run_command(enum command command, int argc, char **argv, char **envp)
{
	CLEANUP(conf_done) struct conf c = { 0 };
	struct err e = { 0 };
	if (conf_parse(command, argc, argv, envp, &c, &e) != OK) {
		if (command == COMMAND_LAMBDA)
			cmd_lambda_fault(envp, &e);
		return say_error(&e);
	}
	if (c.help)
		return print_help(command, 0);
	if (c.version)
		return print_text("bulb " BULB_VERSION "\n", 0);
	signals_setup();
	log_setup(conf_log_level(&c), strcmp(c.log_format, "json") == 0);
	return commands[command](&c);
}

/* The name under which AWS Lambda starts what is in a package. */
static bool is_bootstrap(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	return path && strcmp(slash ? slash + 1 : path, "bootstrap") == 0;
}

int main(int argc, char **argv, char **envp)
{
	const char *word = argc > 1 ? argv[1] : "";
	const char *near = NULL;
	if (strcmp(word, "darkroom") == 0)
		inside_main(argc - 2, argv + 2); /* does not return */
	if (is_bootstrap(argv[0]))
		return run_command(COMMAND_LAMBDA, argc - 1, argv + 1, envp);
	if (strcmp(word, "--version") == 0)
		return print_text("bulb " BULB_VERSION "\n", 0);
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
		return print_help(COMMAND_COUNT, 0);
	if (!*word)
		return print_help(COMMAND_COUNT, EXIT_BAD_USAGE);
	enum command command = command_find(word, &near);
	if (command == COMMAND_COUNT) {
		fprintf(stderr, "bulb: no command '%s'%s%s%s\n", word,
			near ? "; did you mean '" : "", near ? near : "",
			near ? "'?" : "; bulb --help lists them");
		return EXIT_BAD_USAGE;
	}
	return run_command(command, argc - 2, argv + 2, envp);
}
