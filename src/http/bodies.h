/* SPDX-License-Identifier: MIT
 *
 * Memory of request bodies in flight: bounded for all together and for each client, so that one who
 * sends slowly cannot keep everybody else out. Thread-safe.
 */
#ifndef BULB_HTTP_BODIES_H
#define BULB_HTTP_BODIES_H

#include "base/ip.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define BODIES_SLOTS 256

struct bodies_client;
struct bodies {
	size_t max, share; /* bytes of all; of one client */
	pthread_mutex_t lock;
	size_t bytes; /* held now */
	struct bodies_client *slots[BODIES_SLOTS];
};
/* Half for one, or one body of the largest size. All zero is the rest of a new one, and nothing is
 * left of it when every byte was given back. */
void bodies_init(struct bodies *b, size_t max, size_t max_body);
enum bodies_answer { BODIES_FIT, BODIES_FULL, BODIES_SHARE_FULL };
/* Would n more bytes of this client (an IPv6 one is its /64) fit? */
enum bodies_answer bodies_ask(struct bodies *b, const struct ip *who, size_t n);
/* Takes them, if they do. */
enum bodies_answer bodies_add(struct bodies *b, const struct ip *who, size_t n);
void bodies_sub(struct bodies *b, const struct ip *who, size_t n); /* gives them back */

#endif
