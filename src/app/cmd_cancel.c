/* SPDX-License-Identifier: MIT
 *
 * bulb cancel JOB, bulb retry JOB: one call each.
 */
#include "app/client.h"
#include "app/cmd.h"
#include "app/say.h"
#include "base/mem.h"

#include <stdio.h>

static int act_on_jobs(const struct conf *c, const char *verb, const json_t *body)
{
	struct err e = { 0 };
	if (client_check_jobs(c->args.v, c->args.n, &e) != OK)
		return say_error(&e);
	CLEANUP(client_freep) struct client *cl = client_new(c->server, c->key);
	for (size_t i = 0; i < c->args.n; i++) {
		autojson *job = NULL;
		autofree char *path = mem_printf("/v1/jobs/%s/%s", c->args.v[i], verb);
		if (client_call(cl, "POST", path, body, &job, &e) != OK)
			return say_error(&e);
		printf("%s %s\n", json_get_str(job, "id", c->args.v[i]),
			json_get_str(job, "status", "?"));
	}
	return 0;
}

int cmd_cancel(const struct conf *c)
{
	return act_on_jobs(c, "cancel", NULL);
}

int cmd_retry(const struct conf *c)
{
	autojson *body = NULL;
	if (c->confirm_charge) {
		body = json_obj();
		json_put_bool(body, "confirm_charge", true);
	}
	return act_on_jobs(c, "retry", body);
}
