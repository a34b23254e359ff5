/* SPDX-License-Identifier: MIT
 *
 * bulb submit: post a job and print its id; --wait watches it.
 */
#include "app/client.h"
#include "app/cmd.h"
#include "app/inputs.h"
#include "app/say.h"
#include "app/watch.h"

#include <stdio.h>

int cmd_submit(const struct conf *c)
{
	struct err e = { 0 };
	autojson *body = NULL;
	autojson *job = NULL;
	if (inputs_body(c, false, &body, &e) != OK)
		return say_error(&e);
	CLEANUP(client_freep) struct client *cl = client_new(c->server, c->key);
	client_idempotency_key(cl, c->idempotency_key);
	if (client_call(cl, "POST", "/v1/jobs", body, &job, &e) != OK)
		return say_error(&e);
	const char *id = json_get_str(job, "id", "");
	printf("%s\n", id);
	fflush(stdout);
	return c->wait ? watch_job(c, cl, id) : 0;
}
