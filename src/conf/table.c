/* SPDX-License-Identifier: MIT
 *
 * The two .def tables made into arrays, and looking names up in them. A secret has two names: its
 * own, for the variable that holds the value, and name-file, which is the only one a command line
 * can have.
 */
#include "conf/table.h"

#include "base/near.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define C_RUN        (1u << COMMAND_RUN)
#define C_SERVE      (1u << COMMAND_SERVE)
#define C_WORK       (1u << COMMAND_WORK)
#define C_LAMBDA     (1u << COMMAND_LAMBDA)
#define C_SUBMIT     (1u << COMMAND_SUBMIT)
#define C_WATCH      (1u << COMMAND_WATCH)
#define C_JOBS       (1u << COMMAND_JOBS)
#define C_DOCTOR     (1u << COMMAND_DOCTOR)
#define C_GC         (1u << COMMAND_GC)
#define C_RETRY      (1u << COMMAND_RETRY)
#define C_USAGE      (1u << COMMAND_USAGE)
#define C_KEY        (1u << COMMAND_KEY)
#define C_MODEL      (1u << COMMAND_MODEL)
#define C_COPY       (1u << COMMAND_COPY)
#define C_DELIVERIES (1u << COMMAND_DELIVERIES)
#define C_CLIENT                                                                                   \
	(C_SUBMIT | C_WATCH | C_JOBS | C_RETRY | C_USAGE | C_DELIVERIES | 1u << COMMAND_CANCEL)
#define C_ALL ((1u << COMMAND_COUNT) - 1)

const struct setting conf_settings[CONF_COUNT] = {
#define SET(field, name, letter, type, dflt, least, most, commands, group, metavar, help)          \
	[CONF_##field] = { name, letter, TYPE_##type, dflt, least, most, commands, GROUP_##group,  \
		metavar, help, offsetof(struct conf, field) },
#include "conf/settings.def"
#undef SET
};

const struct command_row conf_commands[COMMAND_COUNT] = {
#define COMMAND(id, name, arguments, fewest, most, summary)                                        \
	[COMMAND_##id] = { name, arguments, summary, fewest, most },
#include "conf/commands.def"
#undef COMMAND
};

const char *conf_group_title(enum conf_group g)
{
	static const char *const titles[GROUP_COUNT] = {
		[GROUP_WHERE] = "Where things live",
		[GROUP_LISTEN] = "Listening and addresses",
		[GROUP_WEBHOOKS] = "Webhooks",
		[GROUP_SOURCES] = "Downloads",
		[GROUP_WORK] = "Work",
		[GROUP_CUTS] = "Background removal",
		[GROUP_KEEP] = "Caches and keeping",
		[GROUP_LIMITS] = "Limits",
		[GROUP_PICTURES] = "Pictures",
		[GROUP_BATCH] = "This call",
		[GROUP_KEYS] = "Keys",
		[GROUP_CLIENT] = "Reaching a server",
		[GROUP_OUTPUT] = "Output",
	};
	return titles[g];
}

enum command command_find(const char *name, const char **ret_near)
{
	const char *names[COMMAND_COUNT];
	*ret_near = NULL;
	for (int c = 0; c < COMMAND_COUNT; c++) {
		names[c] = conf_commands[c].name;
		if (strcmp(name, names[c]) == 0)
			return (enum command)c;
	}
	*ret_near = near_find(name, names, COMMAND_COUNT);
	return COMMAND_COUNT;
}

const char *command_name(enum command c)
{
	return conf_commands[c].name;
}

void setting_flag_name(const struct setting *s, char out[64])
{
	snprintf(out, 64, "%s%s", s->name, s->type == TYPE_SECRET ? "-file" : "");
}

void setting_env_name(const struct setting *s, char out[64])
{
	snprintf(out, 64, "BULB_%s", s->name);
	for (char *p = out; *p; p++)
		*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

enum conf_setting setting_find(const char *name)
{
	char flag[64];
	for (int i = 0; i < CONF_COUNT; i++) {
		setting_flag_name(&conf_settings[i], flag);
		if (strcmp(name, flag) == 0)
			return (enum conf_setting)i;
	}
	return CONF_COUNT;
}

const char *setting_near(const char *name, enum command c, char out[64])
{
	static const char *const general[] = { "help", "version" };
	char flags[CONF_COUNT][64];
	const char *names[CONF_COUNT + ARRAY_LEN(general)];
	for (int i = 0; i < CONF_COUNT; i++) {
		setting_flag_name(&conf_settings[i], flags[i]);
		bool taken = c == COMMAND_COUNT || setting_serves(&conf_settings[i], c);
		names[i] = taken ? flags[i] : NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(general); i++)
		names[CONF_COUNT + i] = c == COMMAND_COUNT ? NULL : general[i];
	const char *near = near_find(name, names, ARRAY_LEN(names));
	if (!near)
		return NULL;
	snprintf(out, 64, "%s", near);
	return out;
}
