/* SPDX-License-Identifier: MIT
 *
 * The HTTP API from a terminal: one server, one key, one connection at a time.
 */
#ifndef BULB_APP_CLIENT_H
#define BULB_APP_CLIENT_H

#include "app/show.h"
#include "base/err.h"
#include "base/json.h"

#include <stdatomic.h>

struct client;
/* server: "http://127.0.0.1:8080"; key: or NULL; both are copied. */
struct client *client_new(const char *server, const char *key);
void client_free(struct client *c);
static inline void client_freep(struct client **c)
{
	client_free(*c);
	*c = NULL;
}

/* Are these ids of jobs? What else stands in a path would change its meaning. ERR_USAGE. */
enum err_code client_check_jobs(const char *const *ids, size_t n, struct err *e) MUST_CHECK;

/* Sent with POSTs from now on; NULL: none. */
void client_idempotency_key(struct client *c, const char *key);

/* One call; path begins with '/'. body may be NULL. An answer that is a problem document becomes
 * the error with its code, its detail and the first of its errors. *ret is NULL for 204 and 304. */
enum err_code client_call(struct client *c, const char *method, const char *path,
	const json_t *body, json_t **ret, struct err *e) MUST_CHECK;
/* Show the job's events until it has ended or *stop is set, reconnecting with back-off from where
 * it was. ERR_NOT_FOUND, ERR_CANCELED (stopped), or what could not be reached for a minute. */
enum err_code client_watch(struct client *c, const char *job, struct show *show, atomic_bool *stop,
	struct err *e) MUST_CHECK;

#endif
