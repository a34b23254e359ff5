/* SPDX-License-Identifier: MIT
 *
 * ~/.aws/credentials and ~/.aws/config: sections in brackets, "name = value" lines, comments after
 * '#' or ';'. In the config file a profile's section is called "profile NAME", but "default" alone.
 * An indented line belongs to a nested setting, of which none matters here.
 */
#include "net/aws_files.h"

#include "base/environment.h"
#include "base/io.h"
#include "base/mem.h"

#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX (1 << 20)

static char *file_path(char *const *envp, enum aws_file file)
{
	bool config = file == AWS_FILE_CONFIG;
	const char *own = environment_get(envp,
		config ? "AWS_CONFIG_FILE" : "AWS_SHARED_CREDENTIALS_FILE");
	const char *home = environment_get(envp, "HOME");
	if (own != NULL)
		return mem_strdup(own);
	return home != NULL ? mem_printf("%s/.aws/%s", home, config ? "config" : "credentials")
			    : NULL;
}

/* Without white space at both ends, in place. */
static char *trim(char *s)
{
	s += strspn(s, " \t\r");
	size_t n = strlen(s);
	while (n > 0 && strchr(" \t\r", s[n - 1]) != NULL)
		s[--n] = '\0';
	return s;
}

/* Is this line the head of the section that is looked for? */
static bool is_section(char *line, enum aws_file file, const char *profile)
{
	char *end = strchr(line, ']');
	if (end == NULL)
		return false;
	*end = '\0';
	char *name = trim(line + 1);
	if (file == AWS_FILE_CONFIG && strncmp(name, "profile", 7) == 0 &&
		(name[7] == ' ' || name[7] == '\t'))
		name = trim(name + 7);
	else if (file == AWS_FILE_CONFIG && strcmp(name, "default") != 0)
		return false;
	return strcmp(name, profile) == 0;
}

/* The text is changed. */
static char *find(char *text, enum aws_file file, const char *profile, const char *name)
{
	bool inside = false;
	for (char *line; (line = strsep(&text, "\n")) != NULL;) {
		if (line[0] == '[') {
			inside = is_section(line, file, profile);
			continue;
		}
		char *equals = strchr(line, '=');
		if (!inside || equals == NULL || strchr("#; \t", line[0]) != NULL)
			continue;
		*equals = '\0';
		if (strcmp(trim(line), name) == 0)
			return mem_strdup(trim(equals + 1));
	}
	return NULL;
}

enum err_code aws_file_get(char *const *envp, enum aws_file file, const char *name, char **ret,
	struct err *e)
{
	const char *profile = environment_get(envp, "AWS_PROFILE");
	autofree char *path = file_path(envp, file);
	struct buf text = BUF_INIT(FILE_BYTES_MAX);
	struct err why;
	*ret = NULL;
	if (path == NULL || access(path, F_OK) != 0)
		return OK;
	if (io_read_file(path, FILE_BYTES_MAX, &text, &why) != OK) {
		buf_done(&text);
		return err_set(e, ERR_USAGE, "%s", why.text);
	}
	char *copy = buf_take(&text);
	size_t n = strlen(copy);
	*ret = find(copy, file, profile != NULL ? profile : "default", name);
	mem_wipe(copy, n);
	free(copy);
	return OK;
}
