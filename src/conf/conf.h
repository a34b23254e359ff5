/* SPDX-License-Identifier: MIT
 *
 * Settings. settings.def is the one table: each row is a flag, a BULB_ variable, a key of the
 * configuration file (in that order of precedence) and a field of struct conf. This room alone
 * reads the environment.
 */
#ifndef BULB_CONF_CONF_H
#define BULB_CONF_CONF_H

#include "base/buf.h"
#include "base/err.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum command {
#define COMMAND(id, name, arguments, fewest, most, summary) COMMAND_##id,
#include "conf/commands.def"
#undef COMMAND
	COMMAND_COUNT
};

/* COMMAND_COUNT when there is none of that name; *ret_near is then the nearest one, or NULL. */
enum command command_find(const char *name, const char **ret_near);
const char *command_name(enum command c);

enum conf_setting {
#define SET(field, ...) CONF_##field,
#include "conf/settings.def"
#undef SET
	CONF_COUNT
};

/* Where a setting's value comes from; a later one wins. */
enum conf_source { CONF_DEFAULT, CONF_FILE, CONF_ENV, CONF_FLAG };

struct conf_list {
	const char *const *v;
	size_t n;
};
struct conf_cidrs {
	const struct cidr *v;
	size_t n;
};

/* The field of each type in settings.def. Strings are NULL where the default is "". */
#define CONF_FIELD_STRING    const char *
#define CONF_FIELD_FILE_NAME const char *
#define CONF_FIELD_URL       const char * /* http or https; no slash at its end */
#define CONF_FIELD_CHOICE    const char * /* one of the words */
#define CONF_FIELD_SECRET    const char * /* wiped by conf_done */
#define CONF_FIELD_INT       int64_t
#define CONF_FIELD_COUNT     int64_t
#define CONF_FIELD_BYTES     int64_t
#define CONF_FIELD_DURATION  int64_t /* milliseconds; -1: forever */
#define CONF_FIELD_DECIMAL   int64_t /* thousandths; -1: unlimited */
#define CONF_FIELD_BOOL      bool
#define CONF_FIELD_LIST      struct conf_list
#define CONF_FIELD_TEXTS     struct conf_list
#define CONF_FIELD_CIDRS     struct conf_cidrs

struct conf {
#define SET(field, name, letter, type, ...) CONF_FIELD_##type field;
#include "conf/settings.def"
#undef SET
	struct conf_list args; /* what is no setting, in order */
	bool help, version;    /* --help or --version was there: nothing else was looked at */
	enum conf_source source[CONF_COUNT];

	/* What other programs tell through the environment. */
	bool no_color;             /* NO_COLOR */
	const char *notify_socket; /* systemd's, or NULL */
	int64_t watchdog_ms;       /* systemd's; 0: none */
	char *const *environment;  /* as main() has it: for the AWS settings that net looks up */
	int listen_fds;            /* descriptors from 3 on that systemd hands over; 0: none */

	struct arena *arena; /* owns every string */
};

/* argv is what follows the command's name; envp as main() has it. Defaults that hang on others or
 * on the machine ("auto") are worked out; settings that the command does not take have theirs too.
 * ERR_USAGE with the name of the setting, where it stands and, for an unknown one, the nearest that
 * exists; a secret's value is in no text. On failure nothing needs conf_done. */
enum err_code conf_parse(enum command c, int argc, char *const *argv, char *const *envp,
	struct conf *ret, struct err *e) MUST_CHECK;
void conf_done(struct conf *c); /* wipes the secrets; a zeroed one is fine */

enum log_level conf_log_level(const struct conf *c);

/* The text of `bulb COMMAND --help`, and of `bulb --help` for COMMAND_COUNT. */
void conf_help(enum command c, struct buf *out);

#endif
