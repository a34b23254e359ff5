/* SPDX-License-Identifier: MIT
 *
 * Defaults that hang on other settings, on the machine, or on what started us: systemd, a platform
 * that sets PORT.
 */
#include "conf/source.h"
#include "conf/table.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? n : 1;
}

/* Digits only, at most `most`; -1 when it is not that. */
static int64_t number(const char *text, int64_t most)
{
	char *end;
	if (!text || *text < '0' || *text > '9')
		return -1;
	long long v = strtoll(text, &end, 10);
	return *end == '\0' && v <= most ? v : -1;
}

static void derive_places(struct conf *c, char *const *envp)
{
	const char *state = environment_get(envp, "STATE_DIRECTORY");
	if (!c->data) /* systemd separates several by colons */
		c->data = state ? arena_strndup(c->arena, state, strcspn(state, ":")) : "bulb-data";
	if (!c->store)
		c->store = arena_printf(c->arena, "sqlite:%s/bulb.db", c->data);
	if (!c->blob)
		c->blob = arena_printf(c->arena, "file:%s/blobs", c->data);
}

/* On Lambda memory is what is paid for, and nothing else says how much there is: a part for decoded
 * pictures, a part for originals, the rest for what is on its way out and for ourselves. */
static void derive_function(struct conf *c, char *const *envp)
{
	int64_t mib = number(environment_get(envp, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 1 << 20);
	const char *task = environment_get(envp, "LAMBDA_TASK_ROOT");
	const char *format = environment_get(envp, "AWS_LAMBDA_LOG_FORMAT");
	if (!c->models && task)
		c->models = arena_printf(c->arena, "%s/models", task);
	if (format && strcmp(format, "JSON") == 0 && c->source[CONF_log_format] == CONF_DEFAULT)
		c->log_format = "json";
	if (mib <= 0)
		return;
	if (c->source[CONF_darkroom_memory_bytes] == CONF_DEFAULT)
		c->darkroom_memory_bytes = mib * (1 << 20) / 100 * 45;
	if (c->source[CONF_held_memory_bytes] == CONF_DEFAULT)
		c->held_memory_bytes = mib * (1 << 20) / 100 * 20;
	if (c->workers < 0)
		c->workers = mib / 32 < 4 ? 4 : mib / 32 < 64 ? mib / 32 : 64;
}

/* The XDG base directory specification: a path that is not absolute does not count. */
static void derive_models(struct conf *c, char *const *envp)
{
	const char *share = environment_get(envp, "XDG_DATA_HOME");
	const char *home = environment_get(envp, "HOME");
	if (c->models)
		return;
	if (share && share[0] == '/')
		c->models = arena_printf(c->arena, "%s/bulb/models", share);
	else if (home && home[0] == '/')
		c->models = arena_printf(c->arena, "%s/.local/share/bulb/models", home);
	else
		c->models = arena_printf(c->arena, "%s/models", c->data);
}

/* npm itself writes the name in lower case, and reads it in any. */
static void derive_registry(struct conf *c, char *const *envp)
{
	const char *url = environment_get(envp, "npm_config_registry");
	if (c->registry)
		return;
	if (!url)
		url = environment_get(envp, "NPM_CONFIG_REGISTRY");
	if (!url)
		url = "https://registry.npmjs.org";
	size_t n = strlen(url);
	c->registry = arena_strndup(c->arena, url, n - (n && url[n - 1] == '/'));
}

static enum err_code derive_listen(struct conf *c, char *const *envp, struct err *e)
{
	const char *port = environment_get(envp, "PORT");
	if (c->listen)
		return OK;
	if (port && number(port, 65535) < 0)
		return err_set(e, ERR_USAGE, "PORT: '%.40s' is not a port number", port);
	if (port)
		c->listen = arena_printf(c->arena, "%s:%s", c->open ? "0.0.0.0" : "127.0.0.1",
			port);
	else
		c->listen = "127.0.0.1:8080";
	return OK;
}

static void derive_work(struct conf *c)
{
	int64_t n = cores();
	if (c->workers < 0)
		c->workers = n * 16 > 64 ? n * 16 : 64;
	if (c->darkrooms < 0)
		c->darkrooms = n < 64 ? n : 64;
	if (c->matte_threads < 0)
		c->matte_threads = n < 4 ? n : 4;
}

/* sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3): each counts only for the process whose
 * id stands beside it. */
static void derive_systemd(struct conf *c, char *const *envp)
{
	int64_t me = getpid(), usec = number(environment_get(envp, "WATCHDOG_USEC"), INT64_MAX / 2);
	const char *socket = environment_get(envp, "NOTIFY_SOCKET");
	const char *watched = environment_get(envp, "WATCHDOG_PID");
	c->notify_socket = arena_strdup(c->arena, socket);
	if (usec > 0 && (!watched || number(watched, INT64_MAX / 2) == me))
		c->watchdog_ms = usec / 1000;
	int64_t fds = number(environment_get(envp, "LISTEN_FDS"), 16);
	if (fds > 0 && number(environment_get(envp, "LISTEN_PID"), INT64_MAX / 2) == me)
		c->listen_fds = (int)fds;
}

static bool is_service(enum command cmd)
{
	return cmd == COMMAND_SERVE || cmd == COMMAND_WORK || cmd == COMMAND_LAMBDA;
}

enum err_code conf_derive(struct conf *c, enum command cmd, char *const *envp, struct err *e)
{
	c->environment = envp;
	c->no_color = environment_get(envp, "NO_COLOR") != NULL;
	derive_systemd(c, envp);
	derive_places(c, envp);
	if (cmd == COMMAND_LAMBDA)
		derive_function(c, envp);
	derive_models(c, envp);
	derive_registry(c, envp);
	derive_work(c);
	if (!c->log_level)
		c->log_level = is_service(cmd) ? "info" : "warn";
	if (!c->ops_listen && cmd == COMMAND_WORK)
		c->ops_listen = "127.0.0.1:8081";
	if (c->max_connections < 0)
		c->max_connections = 0;
	return setting_serves(&conf_settings[CONF_listen], cmd) ? derive_listen(c, envp, e) : OK;
}
