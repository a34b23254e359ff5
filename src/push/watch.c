/* SPDX-License-Identifier: MIT
 *
 * Jobs that somebody reads. What is known of a job comes from two sides: hints (and the poll) say
 * that its log has grown, the store says at one moment where it ends and whether the job has ended.
 * Only the second may close a reader, so `sure` falls with every hint and rises with every page.
 */
#include "push/push_impl.h"

#include "base/clock.h"

static struct watch **slot(struct push *p, int64_t no)
{
	struct watch **at = &p->watches[(uint64_t)no % WATCH_BUCKETS];

	while (*at && (*at)->no != no)
		at = &(*at)->next;
	return at;
}

struct watch *watch_find(struct push *p, int64_t no)
{
	return *slot(p, no);
}

/* Ask the store where the log ends; a page of one row tells. */
static void probe(struct push *p, struct chore *c)
{
	struct watch *w = LINK_OF(c, struct watch, probe);
	int64_t no = w->no, after = w->last;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct event_row *rows;
	size_t n;
	int64_t last;
	bool ended;
	struct err e;

	w->pins++;
	pthread_mutex_unlock(&p->lock);
	enum err_code code = store_events(p->o.store, no, after, 1, 1, a, &rows, &n, &last, &ended,
		&e);
	pthread_mutex_lock(&p->lock);
	w->pins--;
	if (code == ERR_NOT_FOUND)
		watch_gone(w);
	else if (code == OK)
		watch_learn(w, last, ended);
	watch_release(w);
}

struct watch *watch_get(struct push *p, int64_t no)
{
	struct watch *w = watch_find(p, no);

	if (w)
		return w;
	w = mem_new(struct watch);
	*w = (struct watch){ .push = p, .no = no, .probe = { .run = probe } };
	link_init(&w->renditions);
	link_init(&w->waiters);
	*slot(p, no) = w;
	p->watches_n++;
	return w;
}

void watch_heard(struct watch *w, int64_t seq)
{
	if (seq > w->last)
		watch_news(w, seq);
}

void watch_describe(struct watch *w, const struct job_row *job)
{
	watch_heard(w, job->seq);
	if (w->job.id)
		return;
	w->job = *job;
	w->job.id = mem_strdup(job->id);
	w->job.tag = mem_strdup(job->tag);
	w->job.metadata = mem_strdup(job->metadata);
	w->job.base_url = NULL;
}

void watch_free(struct watch *w)
{
	struct watch **at = slot(w->push, w->no);

	*at = w->next;
	w->push->watches_n--;
	chore_drop(&w->probe);
	free((char *)w->job.id);
	free((char *)w->job.tag);
	free((char *)w->job.metadata);
	free(w);
}

void watch_release(struct watch *w)
{
	if (w->pins == 0 && link_empty(&w->renditions) && link_empty(&w->waiters))
		watch_free(w);
}

static bool waiter_is_due(const struct waiter *wt)
{
	const struct watch *w = wt->watch;

	if (w->gone)
		return true;
	return wt->ended_only ? w->sure && w->ended : w->last > wt->after;
}

void watch_wake_waiters(struct watch *w)
{
	bool unsure = false;

	for (struct link *l = link_first(&w->waiters); l; l = link_next(&w->waiters, l)) {
		struct waiter *wt = LINK_OF(l, struct waiter, link);
		if (waiter_is_due(wt))
			http_unpark(wt->parked);
		else
			unsure |= wt->ended_only && !w->sure;
	}
	if (unsure)
		chore_add(w->push, &w->probe);
}

/* Everyone looks again: there is more to load, or the end was reached. */
static void wake_everyone(struct watch *w)
{
	for (struct link *l = link_first(&w->renditions); l; l = link_next(&w->renditions, l))
		rendition_wake(LINK_OF(l, struct rendition, link));
	watch_wake_waiters(w);
}

/* Also without news: a load that failed (the store was away) is asked for again. */
void watch_news(struct watch *w, int64_t seq)
{
	if (seq > w->last) {
		w->last = seq;
		w->sure = w->ended = false;
	}
	for (struct link *l = link_first(&w->renditions); l; l = link_next(&w->renditions, l))
		rendition_nudge(LINK_OF(l, struct rendition, link));
	watch_wake_waiters(w);
}

void watch_learn(struct watch *w, int64_t last, bool ended)
{
	bool better = last > w->last || (last == w->last && (!w->sure || ended != w->ended));

	if (!better)
		return;
	w->last = last;
	w->ended = ended;
	w->sure = true;
	for (struct link *l = link_first(&w->renditions); l; l = link_next(&w->renditions, l))
		rendition_nudge(LINK_OF(l, struct rendition, link));
	if (ended)
		wake_everyone(w);
	else
		watch_wake_waiters(w);
}

void watch_gone(struct watch *w)
{
	w->gone = true;
	wake_everyone(w);
}
