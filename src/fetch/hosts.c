/* SPDX-License-Identifier: MIT
 *
 * Only hosts that are at work or asked us to wait are remembered, so the list is about as long as
 * there are lanes, and searched from end to end. Strangers choose the hosts: past HOSTS_MAX the
 * promise that ends soonest is forgotten first, never a host at work.
 */
#include "fetch/hosts.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <string.h>

#define WAIT_MAX_MS ((int64_t)3600 * 1000)

struct host {
	char *name;
	size_t active;
	int64_t until_ms; /* monotonic; do not come before */
};
struct hosts {
	pthread_mutex_t lock;
	size_t per_host, n;
	struct host list[HOSTS_MAX];
};

struct hosts *hosts_new(size_t per_host)
{
	struct hosts *h = mem_new(struct hosts);
	pthread_mutex_init(&h->lock, NULL);
	h->per_host = per_host;
	return h;
}

static void forget(struct hosts *h, struct host *host)
{
	free(host->name);
	*host = h->list[--h->n];
}

void hosts_free(struct hosts *h)
{
	if (h == NULL)
		return;
	while (h->n > 0)
		forget(h, &h->list[h->n - 1]);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

/* NULL when it is not remembered. On the way whatever matters no more is forgotten. */
static struct host *find(struct hosts *h, const char *name, int64_t now)
{
	struct host *found = NULL;
	for (size_t i = h->n; i-- > 0;) {
		struct host *host = &h->list[i];
		if (host->active == 0 && host->until_ms <= now) {
			forget(h, host);
			if (found == &h->list[h->n])
				found = host; /* the last one moved here */
		} else if (strcmp(host->name, name) == 0) {
			found = host;
		}
	}
	return found;
}

static bool make_room(struct hosts *h)
{
	struct host *soonest = NULL;
	if (h->n < HOSTS_MAX)
		return true;
	for (size_t i = 0; i < h->n; i++)
		if (h->list[i].active == 0 &&
			(soonest == NULL || h->list[i].until_ms < soonest->until_ms))
			soonest = &h->list[i];
	if (soonest == NULL)
		return false;
	forget(h, soonest);
	return true;
}

bool hosts_enter(struct hosts *h, const char *name)
{
	bool entered = false;
	int64_t now = clock_mono_ms();
	pthread_mutex_lock(&h->lock);
	struct host *host = find(h, name, now);
	if (host == NULL && make_room(h)) {
		host = &h->list[h->n++];
		*host = (struct host){ .name = mem_strdup(name) };
	}
	if (host != NULL && host->until_ms <= now && host->active < h->per_host) {
		host->active++;
		entered = true;
	}
	pthread_mutex_unlock(&h->lock);
	return entered;
}

void hosts_leave(struct hosts *h, const char *name, int64_t retry_after_ms)
{
	int64_t now = clock_mono_ms();
	int64_t until = now + (retry_after_ms < WAIT_MAX_MS ? retry_after_ms : WAIT_MAX_MS);
	pthread_mutex_lock(&h->lock);
	struct host *host = find(h, name, now);
	if (host != NULL) {
		host->active -= host->active > 0;
		if (retry_after_ms > 0 && until > host->until_ms)
			host->until_ms = until;
	}
	pthread_mutex_unlock(&h->lock);
}

size_t hosts_full(struct hosts *h, char ***ret)
{
	size_t n = 0;
	int64_t now = clock_mono_ms();
	pthread_mutex_lock(&h->lock);
	char **names = mem_array(h->n, sizeof(*names));
	for (size_t i = 0; i < h->n; i++)
		if (h->list[i].active >= h->per_host || h->list[i].until_ms > now)
			names[n++] = mem_strdup(h->list[i].name);
	pthread_mutex_unlock(&h->lock);
	*ret = names;
	return n;
}
