/* SPDX-License-Identifier: MIT
 *
 * A job's log as frames, shared by all readers of one base URL and kind. The log is cut into blocks
 * of BLOCK_ROWS events at fixed places, so that readers who come back at different positions still
 * meet in the same blocks. The block at the end of the log grows as events arrive: one read of the
 * store and one frame an event serve everybody who is up to date.
 *
 * An event is read as soon as it is heard of, and so is the next one, which often follows at once: what
 * begins where something ended. From then on a log that grows fast is read every READ_GAP_MS, or when there
 * is a whole block of it: a busy job costs the store some reads a second, and not one an event.
 *
 * A block is kept for those who have not read it yet: once no cursor sits in it or before it, it
 * goes. A lone slow reader thus holds one block. All blocks together are bounded by cache_bytes:
 * the least recently used lose their frames, which can be loaded again. A block whose links were
 * signed in another hour is loaded again too.
 */
#include "push/push_impl.h"

#include "base/clock.h"

static void block_load(struct push *p, struct chore *c);

static int64_t block_first(const struct block *b)
{
	return b->number * BLOCK_ROWS + 1;
}

static int64_t block_number(int64_t seq)
{
	return (seq - 1) / BLOCK_ROWS;
}

/* ---- blocks --------------------------------------------------------------------------------- */

static void block_empty(struct block *b)
{
	for (size_t i = 0; i < b->n; i++)
		http_frame_unref(b->frames[i]);
	b->of->watch->push->bytes -= b->bytes;
	b->n = b->bytes = 0;
}

static void block_free(struct block *b)
{
	block_empty(b);
	chore_drop(&b->load);
	link_del(&b->lru);
	link_del(&b->link);
	free(b);
}

static struct block *block_new_after(struct link *at, struct rendition *r, int64_t number)
{
	struct block *b = mem_new(struct block);

	*b = (struct block){ .of = r, .number = number, .load = { .run = block_load } };
	link_init(&b->cursors);
	link_init(&b->lru);
	link_add_after(at, &b->link);
	return b;
}

/* Most readers are near the end: look from there. */
static struct block *block_get(struct rendition *r, int64_t number)
{
	struct link *at = r->blocks.prev;

	while (at != &r->blocks && LINK_OF(at, struct block, link)->number > number)
		at = at->prev;
	if (at != &r->blocks && LINK_OF(at, struct block, link)->number == number)
		return LINK_OF(at, struct block, link);
	return block_new_after(at, r, number);
}

static struct block *block_next(struct block *b)
{
	struct link *l = link_next(&b->of->blocks, &b->link);

	if (l && LINK_OF(l, struct block, link)->number == b->number + 1)
		return LINK_OF(l, struct block, link);
	return block_new_after(&b->link, b->of, b->number + 1);
}

static void touch(struct block *b)
{
	link_del(&b->lru);
	link_add_last(&b->of->watch->push->lru, &b->lru);
}

/* Drop what nobody will come to: blocks before the first cursor, and in the end the rendition. */
static void rendition_trim(struct rendition *r)
{
	while (!link_empty(&r->blocks)) {
		struct block *b = LINK_OF(link_first(&r->blocks), struct block, link);
		if (!link_empty(&b->cursors) || b->loading)
			return;
		block_free(b);
	}
	struct watch *w = r->watch;
	link_del(&r->link);
	free(r->base_url);
	free(r->events_url);
	free(r);
	watch_release(w);
}

/* Never the last one touched: it has just been loaded for somebody. */
static struct block *least_used(struct push *p)
{
	const struct link *newest = p->lru.prev;

	for (struct link *l = link_first(&p->lru); l && l != newest; l = link_next(&p->lru, l)) {
		struct block *b = LINK_OF(l, struct block, lru);
		if (!b->loading)
			return b;
	}
	return NULL;
}

static void evict(struct push *p)
{
	struct block *b;

	while (p->bytes > p->o.cache_bytes && (b = least_used(p))) {
		block_empty(b);
		link_del(&b->lru);
		if (link_empty(&b->cursors))
			block_free(b);
	}
}

/* ---- loading -------------------------------------------------------------------------------- */

static struct http_frame *frame_of(const struct event_row *ev, const struct watch *w,
	const struct rendition *r, const struct view_links *l)
{
	struct buf text = BUF_INIT(4 << 20), block = BUF_INIT(5 << 20);
	struct http_frame *f;
	char seq[24];

	view_event(ev, w->job.id, &w->job, l, &text);
	if (r->kind == HTTP_STREAM_WS) {
		f = http_frame_ws(buf_str(&text), text.len);
	} else {
		view_seq(ev->seq, seq);
		buf_printf(&block, "id: %s\nevent: %s\ndata: ", seq, event_type_name(ev->type));
		buf_add(&block, text.data, text.len);
		buf_puts(&block, "\n\n");
		f = http_frame_raw(buf_str(&block), block.len);
	}
	buf_done(&text);
	buf_done(&block);
	return f;
}

struct page {
	enum err_code code;
	struct http_frame *frames[BLOCK_ROWS];
	size_t n;
	int64_t last;
	bool ended;
};

/* Without the mutex; the block is pinned by `loading`. */
static void page_read(struct push *p, const struct rendition *r, int64_t after, size_t max,
	struct page *ret)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct view_links links = { .base_url = r->base_url,
		.events_url = r->events_url,
		.blob_url = p->o.blob_url,
		.direct = p->o.direct_links,
		.link_key = p->o.link_key,
		.link_ttl_ms = p->o.link_ttl_ms,
		.now_ms = clock_wall_ms() };
	struct event_row *rows = NULL;
	size_t n = 0;
	struct err e;

	*ret = (struct page){ 0 };
	ret->code = store_events(p->o.store, r->watch->no, after, max, 256 << 10, a, &rows, &n,
		&ret->last, &ret->ended, &e);
	for (size_t i = 0; ret->code == OK && i < n && i < max; i++) {
		if (rows[i].seq != after + 1 + (int64_t)i)
			break; /* never hand out a gap: readers wait, the poll asks again */
		ret->frames[ret->n++] = frame_of(&rows[i], r->watch, r, &links);
	}
}

static bool can_be_filled(const struct block *b)
{
	return b->of->watch->last >= block_first(b) + BLOCK_ROWS - 1;
}

/* One read may be ahead of its time. */
static void block_want(struct block *b)
{
	int64_t due = can_be_filled(b) ? 0 : b->of->paced_ms - READ_GAP_MS, now = clock_mono_ms();

	chore_add_at(b->of->watch->push, &b->load, due > now ? due : now);
}

static void note_read(struct block *b)
{
	int64_t now = clock_mono_ms(), *paced = &b->of->paced_ms;

	if (!can_be_filled(b))
		*paced = (*paced > now ? *paced : now) + READ_GAP_MS;
}

static void block_append(struct block *b, struct page *page)
{
	for (size_t i = 0; i < page->n; i++) {
		size_t bytes = http_frame_bytes(page->frames[i]);
		b->frames[b->n++] = page->frames[i];
		b->bytes += bytes;
		b->of->watch->push->bytes += bytes;
	}
}

static void wake_block(struct block *b)
{
	for (struct link *l = link_first(&b->cursors); l; l = link_next(&b->cursors, l)) {
		struct cursor *c = LINK_OF(l, struct cursor, link);
		if (c->waiting && c->reader->stream)
			http_stream_wake(c->reader->stream);
		c->waiting = false;
	}
}

/* Does somebody wait here for rows that are there, or may be? */
static bool block_is_wanted(const struct block *b)
{
	const struct watch *w = b->of->watch;

	if (b->loading || w->gone)
		return false;
	for (const struct link *l = link_first(&b->cursors); l; l = link_next(&b->cursors, l)) {
		const struct cursor *c = LINK_OF(l, struct cursor, link);
		if (c->waiting)
			return c->next <= w->last || !w->sure;
	}
	return false;
}

static void block_loaded(struct block *b, struct page *page, bool more_was_heard_of)
{
	struct watch *w = b->of->watch;

	block_append(b, page);
	if (page->n > 0) {
		touch(b);
		wake_block(b);
	}
	if (page->code == ERR_NOT_FOUND)
		watch_gone(w);
	else if (page->code == OK)
		watch_learn(w, page->last, page->ended);
	if (more_was_heard_of && block_is_wanted(b))
		block_want(b);
}

static void block_load(struct push *p, struct chore *c)
{
	struct block *b = LINK_OF(c, struct block, load);
	struct watch *w = b->of->watch;
	int64_t hour = view_link_hour(clock_wall_ms()), heard = w->last;
	struct page page;

	if (b->loading)
		return;
	if (b->hour != hour)
		block_empty(b);
	b->hour = hour;
	b->loading = true;
	note_read(b);
	w->pins++;
	size_t had = b->n;
	pthread_mutex_unlock(&p->lock);
	page_read(p, b->of, block_first(b) - 1 + (int64_t)had, BLOCK_ROWS - had, &page);
	pthread_mutex_lock(&p->lock);
	b->loading = false;
	block_loaded(b, &page, w->last > heard);
	rendition_trim(b->of);
	evict(p);
	w->pins--;
	watch_release(w);
}

void rendition_nudge(struct rendition *r)
{
	for (struct link *l = link_first(&r->blocks); l; l = link_next(&r->blocks, l)) {
		struct block *b = LINK_OF(l, struct block, link);
		if (block_is_wanted(b))
			block_want(b);
	}
}

void rendition_wake(struct rendition *r)
{
	for (struct link *l = link_first(&r->blocks); l; l = link_next(&r->blocks, l))
		wake_block(LINK_OF(l, struct block, link));
}

static bool same_rendition(const struct rendition *r, const char *base_url, const char *events_url,
	enum http_stream_kind kind)
{
	return r->kind == kind && strcmp(r->base_url, base_url) == 0 &&
		strcmp(r->events_url, events_url) == 0;
}

struct rendition *rendition_get(struct watch *w, const char *base_url, const char *events_url,
	enum http_stream_kind kind)
{
	for (struct link *l = link_first(&w->renditions); l; l = link_next(&w->renditions, l)) {
		struct rendition *r = LINK_OF(l, struct rendition, link);
		if (same_rendition(r, base_url, events_url, kind))
			return r;
	}
	struct rendition *r = mem_new(struct rendition);
	*r = (struct rendition){ .watch = w,
		.kind = kind,
		.base_url = mem_strdup(base_url),
		.events_url = mem_strdup(events_url) };
	link_init(&r->blocks);
	link_add_last(&w->renditions, &r->link);
	return r;
}

/* ---- cursors -------------------------------------------------------------------------------- */

void cursor_start(struct cursor *c, struct rendition *r, int64_t after)
{
	c->next = after + 1;
	c->block = block_get(r, block_number(c->next));
	link_add_last(&c->block->cursors, &c->link);
}

void cursor_stop(struct cursor *c)
{
	struct rendition *r = c->block->of;

	link_del(&c->link);
	c->block = NULL;
	rendition_trim(r);
}

/* The next block is entered before this one is left, so that the rendition stays. */
static void cursor_advance(struct cursor *c)
{
	struct block *b = c->block;

	c->next++;
	if (block_number(c->next) == b->number)
		return;
	c->block = block_next(b);
	link_del(&c->link);
	link_add_last(&c->block->cursors, &c->link);
	rendition_trim(b->of);
}

struct http_frame *cursor_take(struct cursor *c)
{
	struct block *b = c->block;
	const struct watch *w = b->of->watch;
	int64_t at = c->next - block_first(b);

	c->waiting = false;
	if (w->gone)
		return NULL;
	if (at < (int64_t)b->n && b->hour == view_link_hour(clock_wall_ms())) {
		struct http_frame *f = http_frame_ref(b->frames[at]);
		touch(b);
		cursor_advance(c);
		return f;
	}
	bool at_end = w->sure && c->next > w->last;
	c->waiting = !at_end || !w->ended;
	if (!at_end && !b->loading)
		block_want(b);
	return NULL;
}

bool pass_is_over(const struct push_pass *pass, int64_t now_ms)
{
	return (pass->expires_ms && pass->expires_ms <= now_ms) ||
		(pass->ended && atomic_load(pass->ended));
}

enum cursor_end cursor_end(const struct cursor *c, int64_t now_ms)
{
	const struct watch *w = c->block->of->watch;

	if (w->gone)
		return CURSOR_GONE;
	if (pass_is_over(&c->pass, now_ms))
		return CURSOR_EXPIRED;
	return w->sure && w->ended && c->next > w->last ? CURSOR_DONE : CURSOR_GOES_ON;
}
