/* SPDX-License-Identifier: MIT
 *
 * What serve and work do alike between their start and their end: tell systemd, wait for a signal,
 * and serve health and metrics at an address of their own.
 */
#ifndef BULB_APP_SERVICE_H
#define BULB_APP_SERVICE_H

#include "app/engine.h"

struct http_server;

/* Says READY=1 and returns at the first signal. */
void service_wait(const struct conf *c, struct store *s);
/* Says STOPPING=1; from now on a signal ends the process at once. */
void service_stopping(const struct conf *c);

/* /healthz, /readyz and /metrics at --ops-listen, without a key: nothing else is there. Not started
 * where the address is not given. */
struct ops {
	struct api *api;
	struct http_server *http;
	char url[128];
};
enum err_code ops_start(const struct conf *c, const struct engine *g, struct ops *ret,
	struct err *e) MUST_CHECK;
void ops_set_draining(struct ops *o); /* /readyz says so from now on */
void ops_free(struct ops *o);

/* For api_opts.not_ready, with the engine as ctx. */
const char *service_not_ready(void *engine, struct err *e);

#endif
