/* SPDX-License-Identifier: MIT
 *
 * Hosts that answered lately. A lane at one of these will soon be free again; at any other host
 * nobody knows, so when lanes are scarce those get few (see struct claim). There is no need to know
 * all: a host that was forgotten begins with one lane and is known again with its first answer.
 */
#include "worker/worker_impl.h"

#include <string.h>

static void forget(struct known_hosts *k, size_t i)
{
	free(k->list[i]);
	k->list[i] = k->list[--k->n];
	k->list[k->n] = NULL;
}

static void known_set(struct known_hosts *k, const char *host, bool answers)
{
	size_t i = 0;
	while (i < k->n && strcmp(k->list[i], host) != 0)
		i++;
	if (i < k->n && !answers)
		forget(k, i);
	if (i < k->n || !answers)
		return;
	if (k->n == KNOWN_HOSTS)
		forget(k, k->next++ % KNOWN_HOSTS);
	k->list[k->n++] = mem_strdup(host);
}

void known_note(struct worker *w, const char *host, bool answers)
{
	pthread_mutex_lock(&w->lock);
	known_set(&w->known, host, answers);
	pthread_mutex_unlock(&w->lock);
}

const char **known_copy(struct worker *w, struct arena *a, size_t *ret_n)
{
	const char **hosts = arena_alloc(a, KNOWN_HOSTS * sizeof(*hosts));
	pthread_mutex_lock(&w->lock);
	*ret_n = w->known.n;
	for (size_t i = 0; i < w->known.n; i++)
		hosts[i] = arena_strdup(a, w->known.list[i]);
	pthread_mutex_unlock(&w->lock);
	return hosts;
}

void known_free(struct worker *w)
{
	while (w->known.n > 0)
		forget(&w->known, 0);
}
