/* SPDX-License-Identifier: MIT
 *
 * A feed that is a list in memory, with the store's contracts as far as the worker can see them.
 */
#include "fakes.h"

#include "base/clock.h"

#include <errno.h>

struct fake_feed fake_feed = { .lock = PTHREAD_MUTEX_INITIALIZER };
static struct arena *strings;

static struct fake_task *held(int64_t id, int64_t lease)
{
	for (size_t i = 0; i < fake_feed.n; i++) {
		struct fake_task *t = &fake_feed.tasks[i];
		if (t->t.id == id && t->t.lease == lease && t->state == TASK_RUNNING)
			return t;
	}
	return NULL;
}

/* Every call that says something begins here, under the lock. */
static enum err_code take(int64_t id, int64_t lease, struct fake_task **ret, struct err *e)
{
	fake_feed.said++;
	pthread_cond_broadcast(&fake_feed.changed);
	if (fake_feed.down || fake_feed.unavailable > 0) {
		struct fake_task *t = held(id, lease);
		if (fake_feed.unavailable_but_done && t)
			t->state = TASK_DONE;
		fake_feed.unavailable--;
		return err_set(e, ERR_STORE_UNAVAILABLE, "the disk is full");
	}
	*ret = fake_feed.stale_at_finish ? NULL : held(id, lease);
	return *ret ? OK : err_set(e, ERR_STORE_STALE, "the lease has moved on");
}

static enum err_code plan(void *ctx, size_t lanes, bool *ret_more, struct err *e)
{
	(void)ctx, (void)lanes;
	pthread_mutex_lock(&fake_feed.lock);
	fake_feed.plans++;
	*ret_more = false;
	enum err_code code = fake_feed.down ? err_set(e, ERR_STORE_UNAVAILABLE, "down") : OK;
	pthread_cond_broadcast(&fake_feed.changed);
	pthread_mutex_unlock(&fake_feed.lock);
	return code;
}

static enum err_code tick(void *ctx, int64_t *ret_next_ms, struct err *e)
{
	(void)ctx;
	int64_t now = clock_wall_ms(), next = 1000;
	pthread_mutex_lock(&fake_feed.lock);
	enum err_code code = fake_feed.down ? err_set(e, ERR_STORE_UNAVAILABLE, "down") : OK;
	for (size_t i = 0; i < fake_feed.n; i++) {
		struct fake_task *t = &fake_feed.tasks[i];
		if (t->state != TASK_LATER)
			continue;
		if (t->until_ms <= now)
			t->state = TASK_READY;
		else if (t->until_ms - now < next)
			next = t->until_ms - now;
	}
	pthread_mutex_unlock(&fake_feed.lock);
	*ret_next_ms = next;
	return code;
}

static bool is_full(const struct claim *c, const char *host)
{
	for (size_t i = 0; host && i < c->full_hosts_n; i++) {
		if (strcmp(c->full_hosts[i], host) == 0)
			return true;
	}
	return false;
}

static void note_cuts(void)
{
	size_t cuts = 0;
	for (size_t i = 0; i < fake_feed.n; i++)
		cuts += fake_feed.tasks[i].state == TASK_RUNNING &&
			fake_feed.tasks[i].t.kind == TASK_CUT;
	if (cuts > fake_feed.cuts_at_once)
		fake_feed.cuts_at_once = cuts;
}

static enum err_code claim(void *ctx, const struct claim *c, struct arena *a, struct task **ret,
	size_t *ret_n, struct err *e)
{
	(void)ctx, (void)e;
	size_t n = 0, cuts = 0;
	struct task *tasks = arena_alloc(a, c->max * sizeof(*tasks));
	pthread_mutex_lock(&fake_feed.lock);
	for (size_t i = 0; i < fake_feed.n && n < c->max; i++) {
		struct fake_task *t = &fake_feed.tasks[i];
		if (t->state != TASK_READY || is_full(c, t->t.host))
			continue;
		if (t->t.kind == TASK_CUT && (c->no_cuts || (c->max_cuts && cuts == c->max_cuts)))
			continue;
		cuts += t->t.kind == TASK_CUT;
		t->state = TASK_RUNNING;
		t->t.lease++;
		tasks[n] = t->t;
		tasks[n].host = arena_strdup(a, t->t.host);
		tasks[n++].input = arena_strdup(a, t->t.input);
	}
	fake_feed.claims++;
	fake_feed.cuts_refused |= c->no_cuts;
	note_cuts();
	if (c->full_hosts_n > fake_feed.full_hosts_seen)
		fake_feed.full_hosts_seen = c->full_hosts_n;
	if (c->at_hosts_n > fake_feed.at_hosts_seen)
		fake_feed.at_hosts_seen = c->at_hosts_n;
	fake_feed.good_hosts = c->good_hosts_n;
	fake_feed.spare = c->spare;
	if (n > fake_feed.most_claimed)
		fake_feed.most_claimed = n;
	pthread_cond_broadcast(&fake_feed.changed);
	pthread_mutex_unlock(&fake_feed.lock);
	*ret = tasks;
	*ret_n = n;
	return OK;
}

static enum err_code keep(void *ctx, struct task_keep *k, size_t n, int64_t lease_ms, struct err *e)
{
	(void)ctx, (void)lease_ms, (void)e;
	pthread_mutex_lock(&fake_feed.lock);
	fake_feed.keeps++;
	if (n > fake_feed.keeps_at_once)
		fake_feed.keeps_at_once = n;
	for (size_t i = 0; i < n; i++) {
		struct fake_task *t = held(k[i].id, k[i].lease);
		k[i].stale = !t || fake_feed.stale_at_keep;
		k[i].unwanted = t && t->unwanted;
		fake_feed.kept_bytes = k[i].bytes;
		fake_feed.kept_step = k[i].step;
		if (t && fake_feed.stale_at_keep)
			t->t.lease++; /* someone else has it now */
	}
	pthread_cond_broadcast(&fake_feed.changed);
	pthread_mutex_unlock(&fake_feed.lock);
	return OK;
}

static void put_back(struct fake_task *t, int64_t until_ms, const struct outcome *why, bool crashed)
{
	t->state = TASK_LATER;
	t->until_ms = until_ms;
	t->waited_ms = until_ms - clock_wall_ms();
	t->laters++;
	t->untouched += !why;
	t->t.tries += why != NULL;
	t->has_why = why != NULL;
	if (why)
		t->why = *why;
	if (crashed && ++t->t.crashes == 3) {
		t->state = TASK_FAILED;
		t->why.code = ERR_DECODE_CRASHED;
	}
}

static enum err_code later(void *ctx, int64_t id, int64_t lease, int64_t until_ms,
	const struct outcome *why, bool crashed, struct err *e)
{
	(void)ctx;
	struct fake_task *t = NULL;
	pthread_mutex_lock(&fake_feed.lock);
	enum err_code code = take(id, lease, &t, e);
	if (code == OK)
		put_back(t, until_ms, why, crashed);
	pthread_mutex_unlock(&fake_feed.lock);
	return code;
}

static char *make_text(const struct original *o)
{
	autojson *doc = json_obj();
	json_t *variants = NULL;
	struct err e = { 0 };
	if (json_parse(fake_recipe(), strlen(fake_recipe()), &variants, &e) != OK)
		abort();
	json_put(doc, "original", original_json(o));
	json_put(doc, "variants", variants);
	autofree char *text = json_text(doc);
	return arena_strdup(strings, text);
}

static struct fake_task *add(enum task_kind kind, const char *host, const char *input)
{
	struct fake_task *t = &fake_feed.tasks[fake_feed.n++];
	*t = (struct fake_task){ .t = { .id = (int64_t)fake_feed.n,
					 .kind = kind,
					 .host = arena_strdup(strings, host),
					 .input = arena_strdup(strings, input) } };
	return t;
}

static enum err_code finish_fetch(void *ctx, int64_t id, int64_t lease, const struct fetched *f,
	const char *owner, int64_t lease_ms, struct arena *a, struct task *ret_make,
	struct original *ret_original, struct err *e)
{
	(void)ctx, (void)owner, (void)lease_ms, (void)a;
	struct fake_task *t = NULL;
	pthread_mutex_lock(&fake_feed.lock);
	enum err_code code = take(id, lease, &t, e);
	if (code == OK) {
		t->state = TASK_DONE;
		t->finishes++;
		t->fetched = *f;
		snprintf(t->etag, sizeof(t->etag), "%s", f->etag ? f->etag : "");
		*ret_original = f->original;
		*ret_make = (struct task){ 0 };
		if (fake_feed.lends) {
			struct fake_task *make = add(TASK_MAKE, NULL, make_text(&f->original));
			make->state = TASK_RUNNING;
			make->t.lease = 1;
			*ret_make = make->t;
		}
	}
	pthread_mutex_unlock(&fake_feed.lock);
	return code;
}

static enum err_code finish_make(void *ctx, int64_t id, int64_t lease, const struct made *m,
	struct err *e)
{
	(void)ctx;
	struct fake_task *t = NULL;
	pthread_mutex_lock(&fake_feed.lock);
	enum err_code code = take(id, lease, &t, e);
	if (code == OK) {
		t->state = TASK_DONE;
		t->finishes++;
		t->made = *m;
		memcpy(t->products, m->products, m->n * sizeof(*m->products));
		t->made.products = t->products;
	}
	pthread_mutex_unlock(&fake_feed.lock);
	return code;
}

static enum err_code finish_cut(void *ctx, int64_t id, int64_t lease, const struct cut_made *m,
	struct err *e)
{
	(void)ctx;
	struct fake_task *t = NULL;
	pthread_mutex_lock(&fake_feed.lock);
	enum err_code code = take(id, lease, &t, e);
	if (code == OK) {
		t->state = TASK_DONE;
		t->finishes++;
		t->cut = *m;
	}
	pthread_mutex_unlock(&fake_feed.lock);
	return code;
}

static enum err_code fail_task(void *ctx, int64_t id, int64_t lease, const struct outcome *o,
	const struct original *found, struct err *e)
{
	(void)ctx;
	struct fake_task *t = NULL;
	pthread_mutex_lock(&fake_feed.lock);
	enum err_code code = take(id, lease, &t, e);
	if (code == OK) {
		t->state = TASK_FAILED;
		t->finishes++;
		t->why = *o;
		t->has_found = found != NULL;
		if (found)
			t->found = *found;
	}
	pthread_mutex_unlock(&fake_feed.lock);
	return code;
}

static enum err_code trash(void *ctx, const char *const *keys, size_t n, struct err *e)
{
	(void)ctx, (void)e;
	pthread_mutex_lock(&fake_feed.lock);
	for (size_t i = 0; i < n; i++)
		snprintf(fake_feed.trashed[fake_feed.trashed_n++], BLOB_KEY_MAX + 1, "%s", keys[i]);
	pthread_cond_broadcast(&fake_feed.changed);
	pthread_mutex_unlock(&fake_feed.lock);
	return OK;
}

struct feed fake_feed_get(void)
{
	return (struct feed){ .plan = plan,
		.tick = tick,
		.claim = claim,
		.keep = keep,
		.later = later,
		.finish_fetch = finish_fetch,
		.finish_make = finish_make,
		.finish_cut = finish_cut,
		.fail = fail_task,
		.trash = trash };
}

const char *fake_recipe(void)
{
	return "[{\"name\":\"a\",\"width\":10},{\"name\":\"b\",\"width\":20,\"format\":\"webp\"}]";
}

size_t fake_add_fetch(const char *url, const char *sealed, const struct original *known)
{
	struct fetch_input in = { .url = url,
		.headers = sealed,
		.has_original = known != NULL,
		.etag = known ? "\"old\"" : NULL };
	if (known)
		in.original = *known;
	autofree char *text = fetch_input_text(&in);
	pthread_mutex_lock(&fake_feed.lock);
	add(TASK_FETCH, "h.example", text);
	size_t i = fake_feed.n - 1;
	pthread_mutex_unlock(&fake_feed.lock);
	return i;
}

size_t fake_add_make(const struct original *o)
{
	pthread_mutex_lock(&fake_feed.lock);
	add(TASK_MAKE, NULL, make_text(o));
	size_t i = fake_feed.n - 1;
	pthread_mutex_unlock(&fake_feed.lock);
	return i;
}

size_t fake_add_cut(const struct original *o, const struct cut *c)
{
	struct cut_input in = { .original = *o, .cut = *c };
	autofree char *text = cut_input_text(&in);
	pthread_mutex_lock(&fake_feed.lock);
	add(TASK_CUT, NULL, text);
	size_t i = fake_feed.n - 1;
	pthread_mutex_unlock(&fake_feed.lock);
	return i;
}

bool fake_wait_change(const struct timespec *until)
{
	return pthread_cond_clockwait(&fake_feed.changed, &fake_feed.lock, CLOCK_MONOTONIC,
		       until) != ETIMEDOUT;
}

void fake_open_gates(void)
{
	atomic_store(&fake_sources.gate, true);
	atomic_store(&fake_pictures.gate, true);
}

void fake_feed_reset(void)
{
	arena_free(strings);
	strings = arena_new();
	fake_feed = (struct fake_feed){ .lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.lends = true };
}

void fake_reset(void)
{
	fake_feed_reset();
	fake_sources_reset();
	fake_pictures_reset();
	fake_cuts_reset();
	fake_blobs = (struct fake_blobs){ 0 };
}

static struct worker *new_worker(struct blob *b, size_t lanes, int64_t held_max, int tries,
	bool waits)
{
	struct worker_opts o = { .feed = fake_feed_get(),
		.blob = b,
		.cuts = &fake_site,
		.mattes = { fake_site.models_n ? (struct darkroom *)&fake_cuts : NULL },
		.cut_places = fake_site.models_n ? 2 : 0,
		.provider = fake_site.provider ? (struct provider *)&fake_provider : NULL,
		.ledger = fake_ledger_get(),
		.seal_key = fake_key,
		.codecs = "fake 1",
		.lanes = lanes,
		.lease_ms = 60000,
		.max_tries = tries,
		.max_held_bytes = held_max,
		.keep_ms = 5,
		.backoff_ms = 1,
		.wait_for_blobs = waits };
	struct worker *w = NULL;
	struct err e = { 0 };
	assert_ok(worker_new(&o, &w, &e));
	return w;
}

struct worker *fake_worker_with(struct blob *b, size_t lanes, int64_t held_max, int tries)
{
	return new_worker(b, lanes, held_max, tries, false);
}

struct worker *fake_worker_waiting(struct blob *b, size_t lanes)
{
	return new_worker(b, lanes, 0, 1, true);
}

struct worker *fake_worker(struct blob *b, size_t lanes)
{
	return fake_worker_with(b, lanes, 0, 4);
}
