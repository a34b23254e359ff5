/* SPDX-License-Identifier: MIT
 *
 * The command line. A flag that is not known is refused by its name alone: what follows '=' may be
 * a secret that someone tried to pass.
 */
#include "conf/source.h"
#include "conf/table.h"

#include <stdio.h>
#include <string.h>

struct scan {
	struct conf *c;
	enum command cmd;
	int argc, at;
	char *const *argv;
};

static enum err_code unknown_flag(const struct scan *s, const char *name, struct err *e)
{
	char near[64];
	for (int i = 0; i < CONF_COUNT; i++) {
		const struct setting *set = &conf_settings[i];
		char env[64];
		if (set->type != TYPE_SECRET || strcmp(name, set->name) != 0)
			continue;
		setting_env_name(set, env);
		return err_set(e, ERR_USAGE,
			"--%s: a secret must not stand on a command line; use --%s-file FILE or %s",
			name, name, env);
	}
	if (setting_near(name, s->cmd, near))
		return err_set(e, ERR_USAGE, "unknown option --%.60s; did you mean --%s?", name,
			near);
	return err_set(e, ERR_USAGE, "unknown option --%.60s; see bulb %s --help", name,
		command_name(s->cmd));
}

static enum err_code other_command(const struct scan *s, const struct setting *set,
	const char *flag, struct err *e)
{
	int other = 0;
	while (!setting_serves(set, (enum command)other))
		other++;
	return err_set(e, ERR_USAGE, "--%s is no option of bulb %s, but of bulb %s", flag,
		command_name(s->cmd), command_name((enum command)other));
}

/* value NULL: it is the next argument. */
static enum err_code take(struct scan *s, enum conf_setting id, const char *shown,
	const char *value, struct err *e)
{
	if (conf_settings[id].type == TYPE_BOOL) {
		value = value ? value : "yes";
	} else if (!value) {
		value = s->at < s->argc ? s->argv[s->at] : NULL;
		if (!value || (value[0] == '-' && value[1] == '-'))
			return err_set(e, ERR_USAGE, "%s needs a value: %s=%s", shown, shown,
				conf_settings[id].metavar);
		s->at++;
	}
	if (source_set(s->c, id, CONF_FLAG, value, e) != OK)
		return err_wrap(e, "%s", shown);
	return OK;
}

static enum err_code take_long(struct scan *s, const char *arg, struct err *e)
{
	char name[64], shown[68];
	size_t n = strcspn(arg, "=");
	snprintf(name, sizeof(name), "%.*s", (int)(n < 63 ? n : 63), arg);
	snprintf(shown, sizeof(shown), "--%s", name);
	if (strcmp(arg, "help") == 0 || strcmp(arg, "version") == 0) {
		*(*arg == 'h' ? &s->c->help : &s->c->version) = true;
		return OK;
	}
	enum conf_setting id = setting_find(name);
	if (id == CONF_COUNT)
		return unknown_flag(s, name, e);
	if (!setting_serves(&conf_settings[id], s->cmd))
		return other_command(s, &conf_settings[id], name, e);
	return take(s, id, shown, arg[n] == '=' ? arg + n + 1 : NULL, e);
}

static enum err_code take_short(struct scan *s, const char *arg, struct err *e)
{
	char shown[3] = { '-', arg[1], '\0' };
	if (strcmp(arg, "-h") == 0) {
		s->c->help = true;
		return OK;
	}
	for (int i = 0; i < CONF_COUNT; i++)
		if (conf_settings[i].letter == arg[1] && setting_serves(&conf_settings[i], s->cmd))
			return take(s, (enum conf_setting)i, shown, arg[2] ? arg + 2 : NULL, e);
	return err_set(e, ERR_USAGE, "unknown option %s; see bulb %s --help", shown,
		command_name(s->cmd));
}

enum err_code source_flags(struct conf *c, enum command cmd, int argc, char *const *argv,
	struct err *e)
{
	struct scan s = { .c = c, .cmd = cmd, .argc = argc, .argv = argv };
	const char **args = arena_alloc(c->arena, ((size_t)argc + 1) * sizeof(*args));
	bool only_args = false;
	c->args.v = args;
	while (s.at < argc && !c->help && !c->version) {
		const char *arg = argv[s.at++];
		enum err_code code = OK;
		if (only_args || arg[0] != '-' || arg[1] == '\0')
			args[c->args.n++] = arena_strdup(c->arena, arg);
		else if (strcmp(arg, "--") == 0)
			only_args = true;
		else if (arg[1] == '-')
			code = take_long(&s, arg + 2, e);
		else
			code = take_short(&s, arg, e);
		if (code != OK)
			return code;
	}
	return OK;
}
