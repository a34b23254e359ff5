/* SPDX-License-Identifier: MIT
 *
 * The configuration file: `key = value` lines. '#' starts a comment at the beginning of a line or
 * after a space. The same file may serve several commands, so a key that this one does not take is
 * passed over, but one that no command takes is refused.
 */
#include "base/io.h"
#include "conf/source.h"
#include "conf/table.h"

#include <ctype.h>
#include <string.h>

#define FILE_MAX ((size_t)1 << 20)

static char *trim(char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	size_t n = strlen(s);
	while (n > 0 && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}

static void cut_comment(char *line)
{
	for (char *p = line; *p; p++)
		if (*p == '#' && (p == line || isspace((unsigned char)p[-1]))) {
			*p = '\0';
			return;
		}
}

static enum err_code unknown_key(const char *key, struct err *e)
{
	char near[64];
	if (setting_near(key, COMMAND_COUNT, near))
		return err_set(e, ERR_USAGE, "unknown setting '%.60s'; did you mean '%s'?", key,
			near);
	return err_set(e, ERR_USAGE, "unknown setting '%.60s'", key);
}

static enum err_code take_line(struct conf *c, enum command cmd, char *line, struct err *e)
{
	cut_comment(line);
	line = trim(line);
	if (*line == '\0')
		return OK;
	char *equals = strchr(line, '=');
	if (!equals)
		return err_set(e, ERR_USAGE, "a line must read 'key = value'");
	*equals = '\0';
	const char *key = trim(line), *value = trim(equals + 1);
	enum conf_setting id = setting_find(key);
	if (id == CONF_COUNT || id == CONF_config)
		return id == CONF_config ? err_set(e, ERR_USAGE, "a file cannot name another")
					 : unknown_key(key, e);
	if (!setting_serves(&conf_settings[id], cmd))
		return OK;
	return source_set(c, id, CONF_FILE, value, e) == OK ? OK : err_wrap(e, "%s", key);
}

enum err_code source_text(struct conf *c, enum command cmd, const char *name, char *text,
	struct err *e)
{
	char *line;
	for (int n = 1; (line = strsep(&text, "\n")); n++)
		if (take_line(c, cmd, line, e) != OK)
			return err_wrap(e, "%s:%d", name, n);
	return OK;
}

enum err_code source_file(struct conf *c, enum command cmd, const char *path, struct err *e)
{
	struct buf text = BUF_INIT(FILE_MAX);
	struct err why = { 0 };
	enum err_code code = io_read_file(path, FILE_MAX, &text, &why);
	if (code != OK)
		code = err_set(e, ERR_USAGE, "--config: %s", why.text);
	else if (strlen(buf_str(&text)) != text.len)
		code = err_set(e, ERR_USAGE, "--config: %s is not a text file", path);
	else
		code = source_text(c, cmd, path, text.data, e);
	buf_done(&text);
	return code;
}
