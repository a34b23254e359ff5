/* SPDX-License-Identifier: MIT
 *
 * The tables of settings and commands as data, for those who parse and those who print them.
 */
#ifndef BULB_CONF_TABLE_H
#define BULB_CONF_TABLE_H

#include "conf/conf.h"

enum conf_type {
	TYPE_STRING,
	TYPE_FILE_NAME,
	TYPE_URL,
	TYPE_CHOICE,
	TYPE_SECRET,
	TYPE_INT,
	TYPE_COUNT,
	TYPE_BYTES,
	TYPE_DURATION,
	TYPE_DECIMAL,
	TYPE_BOOL,
	TYPE_LIST,
	TYPE_TEXTS,
	TYPE_CIDRS
};
enum conf_group {
	GROUP_WHERE,
	GROUP_LISTEN,
	GROUP_WEBHOOKS,
	GROUP_SOURCES,
	GROUP_WORK,
	GROUP_CUTS,
	GROUP_KEEP,
	GROUP_LIMITS,
	GROUP_PICTURES,
	GROUP_BATCH,
	GROUP_KEYS,
	GROUP_CLIENT,
	GROUP_OUTPUT,
	GROUP_COUNT
};

struct setting {
	const char *name;
	char letter; /* -x, or 0 */
	enum conf_type type;
	const char *dflt;
	int64_t least, most;
	unsigned commands; /* bits: 1u << enum command */
	enum conf_group group;
	const char *metavar, *help;
	size_t offset; /* of its field in struct conf */
};
struct command_row {
	const char *name, *arguments, *summary;
	int fewest, most;
};

extern const struct setting conf_settings[CONF_COUNT];
extern const struct command_row conf_commands[COMMAND_COUNT];

const char *conf_group_title(enum conf_group g);
static inline bool setting_serves(const struct setting *s, enum command c)
{
	return s->commands >> c & 1;
}
/* The form in which the setting is a flag or file key: "listen", but "key-file" for a secret. */
void setting_flag_name(const struct setting *s, char out[64]);
/* BULB_LISTEN; for a secret the one that holds the value itself. */
void setting_env_name(const struct setting *s, char out[64]);
/* CONF_COUNT when there is none. */
enum conf_setting setting_find(const char *name);
/* The nearest flag name that the command takes (any command for COMMAND_COUNT), or NULL. */
const char *setting_near(const char *name, enum command c, char out[64]);

#endif
