/* SPDX-License-Identifier: MIT
 *
 * A client has an entry as long as bytes of it are held, so there are never more entries than
 * bodies. A lock is taken once for each read of a body, which is up to 64 KiB.
 */
#include "http/bodies.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

struct bodies_client {
	struct bodies_client *next;
	struct ip who;
	size_t bytes;
};

void bodies_init(struct bodies *b, size_t max, size_t max_body)
{
	*b = (struct bodies){ .max = max, .share = max / 2 > max_body ? max / 2 : max_body };
	pthread_mutex_init(&b->lock, NULL);
}

/* Whoever has one IPv6 address has all of its /64. */
static struct ip client_of(const struct ip *who)
{
	struct ip c = *who;
	if (!ip_is_v4(who))
		memset(c.b + 8, 0, 8);
	return c;
}

/* FNV-1a: a stranger may choose to meet others in a slot, and gains a list of entries that each cost
 * a connection. */
static struct bodies_client **find(struct bodies *b, const struct ip *client)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < sizeof(client->b); i++)
		h = (h ^ client->b[i]) * 16777619u;
	struct bodies_client **at = &b->slots[h % BODIES_SLOTS];
	while (*at && memcmp(&(*at)->who, client, sizeof(*client)) != 0)
		at = &(*at)->next;
	return at;
}

static enum bodies_answer ask(const struct bodies *b, size_t held, size_t n)
{
	if (n > b->max || b->bytes > b->max - n)
		return BODIES_FULL;
	return n > b->share || held > b->share - n ? BODIES_SHARE_FULL : BODIES_FIT;
}

enum bodies_answer bodies_ask(struct bodies *b, const struct ip *who, size_t n)
{
	struct ip client = client_of(who);
	pthread_mutex_lock(&b->lock);
	const struct bodies_client *c = *find(b, &client);
	enum bodies_answer answer = ask(b, c ? c->bytes : 0, n);
	pthread_mutex_unlock(&b->lock);
	return answer;
}

enum bodies_answer bodies_add(struct bodies *b, const struct ip *who, size_t n)
{
	struct ip client = client_of(who);
	pthread_mutex_lock(&b->lock);
	struct bodies_client **at = find(b, &client);
	enum bodies_answer answer = ask(b, *at ? (*at)->bytes : 0, n);
	if (answer == BODIES_FIT && n) {
		if (!*at) {
			*at = mem_new(struct bodies_client);
			(*at)->who = client;
		}
		(*at)->bytes += n;
		b->bytes += n;
	}
	pthread_mutex_unlock(&b->lock);
	return answer;
}

void bodies_sub(struct bodies *b, const struct ip *who, size_t n)
{
	if (!n)
		return;
	struct ip client = client_of(who);
	pthread_mutex_lock(&b->lock);
	struct bodies_client **at = find(b, &client), *c = *at;
	assert(c && c->bytes >= n);
	c->bytes -= n;
	b->bytes -= n;
	if (!c->bytes) {
		*at = c->next;
		free(c);
	}
	pthread_mutex_unlock(&b->lock);
}
