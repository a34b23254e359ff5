/* SPDX-License-Identifier: MIT
 *
 * BULB_ variables. An unknown one is refused, for a mistyped limit that is silently not there is
 * worse than a start that fails. An empty one counts as not there, as compose files make them.
 */
#include "base/near.h"
#include "conf/source.h"
#include "conf/table.h"
#include "conf/value.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Kubernetes gives every pod variables about a service that happens to be called bulb, and tests
 * pass their own. */
static bool is_foreign(const char *name)
{
	static const char *const prefixes[] = { "SERVICE_", "PORT", "TEST_" };
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/* The secret that a variable holds itself; CONF_COUNT when it is none. */
static enum conf_setting find_secret(const char *flag)
{
	for (int i = 0; i < CONF_COUNT; i++)
		if (conf_settings[i].type == TYPE_SECRET &&
			strcmp(conf_settings[i].name, flag) == 0)
			return (enum conf_setting)i;
	return CONF_COUNT;
}

static enum err_code unknown_variable(const char *name, const char *flag, struct err *e)
{
	char near[64], env[70];
	if (!setting_near(flag, COMMAND_COUNT, near))
		return err_set(e, ERR_USAGE, "%.80s: unknown setting in the environment", name);
	snprintf(env, sizeof(env), "BULB_%s", near);
	for (char *p = env; *p; p++)
		*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	return err_set(e, ERR_USAGE, "%.80s: unknown setting in the environment; did you mean %s?",
		name, env);
}

static enum err_code set_secret(struct conf *c, enum conf_setting id, const char *name,
	const char *value, char *const *envp, struct err *e)
{
	char file[80];
	snprintf(file, sizeof(file), "%s_FILE", name);
	if (environment_get(envp, file))
		return err_set(e, ERR_USAGE, "%s and %s are both there: leave one out", name, file);
	if (c->source[id] > CONF_ENV)
		return OK;
	c->source[id] = CONF_ENV;
	return value_set(c, id, value, e);
}

static enum err_code take(struct conf *c, enum command cmd, const char *entry, char *const *envp,
	struct err *e)
{
	char name[70], flag[64];
	size_t n = strcspn(entry, "=");
	if (entry[n] == '\0' || entry[n + 1] == '\0' || is_foreign(entry + strlen("BULB_")))
		return OK;
	snprintf(name, sizeof(name), "%.*s", (int)(n < 68 ? n : 68), entry);
	snprintf(flag, sizeof(flag), "%.63s", name + strlen("BULB_"));
	for (char *p = flag; *p; p++)
		*p = *p == '_' ? '-' : (char)tolower((unsigned char)*p);
	enum conf_setting id = setting_find(flag), secret = find_secret(flag);
	if (id == CONF_COUNT && secret == CONF_COUNT)
		return unknown_variable(name, flag, e);
	id = secret != CONF_COUNT ? secret : id;
	if (!setting_serves(&conf_settings[id], cmd))
		return OK;
	enum err_code code = secret != CONF_COUNT ? set_secret(c, id, name, entry + n + 1, envp, e)
						  : source_set(c, id, CONF_ENV, entry + n + 1, e);
	return code == OK ? OK : err_wrap(e, "%s", name);
}

enum err_code source_environment(struct conf *c, enum command cmd, char *const *envp, struct err *e)
{
	for (char *const *entry = envp; entry && *entry; entry++) {
		enum err_code code = strncmp(*entry, "BULB_", 5) == 0
			? take(c, cmd, *entry, envp, e)
			: OK;
		if (code != OK)
			return code;
	}
	return OK;
}
