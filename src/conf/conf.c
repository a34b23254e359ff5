/* SPDX-License-Identifier: MIT
 *
 * From argv, the environment and a file to struct conf. The strongest source goes first and a
 * weaker one only fills what is still at its default, so the file's name is known before the file
 * is read and nothing has to be taken back.
 */
#include "conf/conf.h"

#include "conf/source.h"
#include "conf/table.h"
#include "conf/value.h"

#include <string.h>

/* Lists grow within one source; everything else is replaced. What a stronger source has set stays,
 * but the value is looked at all the same: a fault that waits for the flag to go is found now. */
enum err_code source_set(struct conf *c, enum conf_setting id, enum conf_source source,
	const char *text, struct err *e)
{
	bool secret = conf_settings[id].type == TYPE_SECRET;
	if (c->source[id] > source) {
		struct conf unused = { .arena = c->arena };
		return secret ? OK : value_set(&unused, id, text, e);
	}
	c->source[id] = source;
	return secret ? value_set_from_file(c, id, text, e) : value_set(c, id, text, e);
}

/* Also of settings that the command does not take: no field is ever without a sensible value. */
static enum err_code set_defaults(struct conf *c, struct err *e)
{
	for (int i = 0; i < CONF_COUNT; i++) {
		const struct setting *s = &conf_settings[i];
		if (c->source[i] != CONF_DEFAULT || *s->dflt == '\0')
			continue;
		enum err_code code = value_set(c, (enum conf_setting)i, s->dflt, e);
		if (code != OK)
			return err_wrap(e, "the default of %s", s->name);
	}
	return OK;
}

static enum err_code check_args(const struct conf *c, enum command cmd, struct err *e)
{
	const struct command_row *row = &conf_commands[cmd];
	if ((int)c->args.n < row->fewest)
		return err_set(e, ERR_USAGE, "%s is missing: bulb %s %s", row->arguments, row->name,
			row->arguments);
	if (row->most >= 0 && (int)c->args.n > row->most)
		return err_set(e, ERR_USAGE, "'%.80s' is one argument too many for bulb %s",
			c->args.v[row->most], row->name);
	return OK;
}

static enum err_code parse_all(struct conf *c, enum command cmd, int argc, char *const *argv,
	char *const *envp, struct err *e)
{
	enum err_code code = source_flags(c, cmd, argc, argv, e);
	if (code != OK || c->help || c->version)
		return code;
	code = source_environment(c, cmd, envp, e);
	if (code == OK && c->config)
		code = source_file(c, cmd, c->config, e);
	if (code == OK)
		code = set_defaults(c, e);
	if (code == OK)
		code = conf_derive(c, cmd, envp, e);
	if (code == OK)
		code = check_args(c, cmd, e);
	return code;
}

enum err_code conf_parse(enum command cmd, int argc, char *const *argv, char *const *envp,
	struct conf *ret, struct err *e)
{
	struct conf c = { .arena = arena_new() };
	enum err_code code = parse_all(&c, cmd, argc, argv, envp, e);
	if (code == OK)
		*ret = c;
	else
		conf_done(&c);
	return code;
}

void conf_done(struct conf *c)
{
	for (int i = 0; i < CONF_COUNT; i++) {
		const struct setting *s = &conf_settings[i];
		char *text = s->type == TYPE_SECRET ? *(char **)((char *)c + s->offset) : NULL;
		if (text)
			mem_wipe(text, strlen(text));
	}
	arena_free(c->arena);
	*c = (struct conf){ 0 };
}

enum log_level conf_log_level(const struct conf *c)
{
	static const char *const words[] = { [LOG_LEVEL_DEBUG] = "debug",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_WARN] = "warn",
		[LOG_LEVEL_ERROR] = "error" };
	for (size_t i = 0; c->log_level && i < ARRAY_LEN(words); i++)
		if (strcmp(c->log_level, words[i]) == 0)
			return (enum log_level)i;
	return LOG_LEVEL_WARN;
}
