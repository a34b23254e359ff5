/* SPDX-License-Identifier: MIT
 *
 * Many jobs on one socket: the client says what it watches in messages, each is answered by one
 * {"op": "ok" | "error" | "done", "job", "code"}, and events name their job by `source`. Looking a
 * job up blocks, so a message becomes a chore; those of one socket are done one after the other, in
 * the order in which they came.
 */
#include "push/push_impl.h"

#include "base/clock.h"
#include "base/json.h"

#define PENDING_MAX 400   /* messages not yet done and answers not yet sent */
#define NOBODY_MS   10000 /* a socket that no key opened has a job to watch within this */

struct message {
	struct link link;
	size_t n;
	char text[];
};
struct answer {
	struct link link;
	struct http_frame *frame;
};
struct many {
	struct reader *reader;
	struct push_pass pass;
	int64_t idle_ms; /* monotonic: since when nothing was watched, of nobody's */
	char *base_url, *events_url;
	struct link messages, answers;
	size_t pending;
	struct chore chore;
	bool busy;
};

/* ---- answers -------------------------------------------------------------------------------- */

static void answer(struct many *m, const char *op, const char *job, enum err_code code)
{
	struct answer *a = mem_new(struct answer);
	autojson *o = json_obj();

	json_put_str(o, "op", op);
	json_put_str(o, "job", job);
	json_put_str(o, "code", code == OK ? NULL : err_name(code));
	autofree char *text = json_text(o);
	a->frame = http_frame_ws(text, strlen(text));
	link_add_last(&m->answers, &a->link);
	m->pending++;
	if (m->reader->stream)
		http_stream_wake(m->reader->stream);
}

struct http_frame *many_answer_next(struct many *m)
{
	if (link_empty(&m->answers))
		return NULL;
	struct answer *a = LINK_OF(link_first(&m->answers), struct answer, link);
	struct http_frame *f = a->frame;
	link_del(&a->link);
	m->pending--;
	free(a);
	return f;
}

void many_cursor_ended(struct reader *r, struct cursor *c, enum cursor_end end)
{
	static const enum err_code codes[] = { [CURSOR_DONE] = OK,
		[CURSOR_GONE] = ERR_GONE,
		[CURSOR_EXPIRED] = ERR_AUTH_REQUIRED };

	answer(r->many, end == CURSOR_DONE ? "done" : "error", c->block->of->watch->job.id,
		codes[end]);
	reader_remove_cursor(c);
}

/* ---- messages ------------------------------------------------------------------------------- */

struct wish {
	bool watch;
	const char *job, *token;
	int64_t after;
};

static bool parse_after(const json_t *v, int64_t *ret)
{
	if (!v || json_is_null(v)) {
		*ret = 0;
		return true;
	}
	if (json_is_string(v))
		return view_seq_parse(json_string_value(v), ret);
	*ret = (int64_t)json_integer_value(v);
	return json_is_integer(v) && *ret >= 0;
}

static bool is_member(const char *name)
{
	static const char *const known[] = { "op", "job", "after", "token" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(name, known[i]) == 0)
			return true;
	return false;
}

/* Strings of the wish live as long as doc. */
static enum err_code parse_wish(json_t *doc, struct wish *ret)
{
	const char *op = json_get_str(doc, "op", ""), *name;
	json_t *v;

	*ret = (struct wish){ .watch = strcmp(op, "watch") == 0,
		.job = json_get_str(doc, "job", NULL),
		.token = json_get_str(doc, "token", NULL) };
	json_object_foreach(doc, name, v) if (!is_member(name)) return ERR_REQUEST_UNKNOWN_MEMBER;
	if (!ret->job || !job_id_is_valid(ret->job) || (!ret->watch && strcmp(op, "unwatch") != 0))
		return ERR_REQUEST_INVALID;
	return parse_after(json_object_get(doc, "after"), &ret->after) ? OK : ERR_REQUEST_INVALID;
}

static struct cursor *find_cursor(struct reader *r, const char *job)
{
	for (struct link *l = link_first(&r->cursors); l; l = link_next(&r->cursors, l)) {
		struct cursor *c = LINK_OF(l, struct cursor, own);
		if (strcmp(c->block->of->watch->job.id, job) == 0)
			return c;
	}
	return NULL;
}

/* A token gives its own right, whoever opened the socket. Without the mutex. */
static enum err_code may_read(const struct push *p, const struct many *m, const struct wish *w,
	struct push_pass *ret)
{
	struct view_token t;

	if (!w->token) {
		*ret = m->pass;
		return m->pass.tenant ? OK : ERR_AUTH_REQUIRED;
	}
	if (p->o.open_token)
		return p->o.open_token(p->o.ctx, w->token, w->job, ret);
	if (!view_job_token_check(w->token, p->o.link_key, clock_wall_ms(), &t))
		return ERR_AUTH_REQUIRED;
	*ret = (struct push_pass){ .tenant = t.tenant, .expires_ms = t.expires_ms };
	return strcmp(t.job, w->job) == 0 ? OK : ERR_AUTH_FORBIDDEN;
}

/* Without the mutex. */
static enum err_code find_job(const struct push *p, const struct many *m, const struct wish *w,
	struct arena *a, struct job_row **ret, struct push_pass *ret_pass)
{
	enum err_code code = may_read(p, m, w, ret_pass);
	struct err e;

	if (code == OK)
		code = store_job_find(p->o.store, ret_pass->tenant, w->job, a, ret, &e);
	if (code == OK && !*ret)
		code = ERR_NOT_FOUND;
	if (code == OK && w->after > (*ret)->seq)
		code = ERR_REQUEST_AFTER;
	return code;
}

/* Watching a job again moves the position. */
static void start_watching(struct many *m, const struct job_row *job, int64_t after,
	const struct push_pass *pass)
{
	struct reader *r = m->reader;
	struct cursor *old = find_cursor(r, job->id);

	if (!old && r->cursors_n >= MANY_MAX) {
		answer(m, "error", job->id, ERR_REQUEST_LIMIT);
		return;
	}
	struct watch *w = watch_get(r->push, job->no);
	watch_describe(w, job);
	reader_add_cursor(r, rendition_get(w, m->base_url, m->events_url, HTTP_STREAM_WS), after,
		pass);
	if (old)
		reader_remove_cursor(old);
	answer(m, "ok", job->id, OK);
}

static void watch_wish(struct push *p, struct many *m, const struct wish *w)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct job_row *job = NULL;
	struct push_pass pass;

	pthread_mutex_unlock(&p->lock);
	enum err_code code = find_job(p, m, w, a, &job, &pass);
	pthread_mutex_lock(&p->lock);
	if (m->reader->dead)
		return;
	if (code == OK)
		start_watching(m, job, w->after, &pass);
	else
		answer(m, "error", w->job, code);
}

static void unwatch_wish(struct many *m, const struct wish *w)
{
	struct cursor *c = find_cursor(m->reader, w->job);

	answer(m, c ? "ok" : "error", w->job, c ? OK : ERR_NOT_FOUND);
	if (c)
		reader_remove_cursor(c);
}

static void grant(struct push *p, struct many *m, const struct message *msg)
{
	autojson *doc = NULL;
	struct wish w = { 0 };
	enum err_code code = json_parse(msg->text, msg->n, &doc, NULL);

	if (code == OK)
		code = parse_wish(doc, &w);
	if (code != OK)
		answer(m, "error", w.job, code);
	else if (w.watch)
		watch_wish(p, m, &w);
	else
		unwatch_wish(m, &w);
}

static void many_free(struct many *m)
{
	struct http_frame *f;

	while ((f = many_answer_next(m)))
		http_frame_unref(f);
	while (!link_empty(&m->messages)) {
		struct message *msg = LINK_OF(link_first(&m->messages), struct message, link);
		link_del(&msg->link);
		free(msg);
	}
	chore_drop(&m->chore);
	free(m->base_url);
	free(m->events_url);
	free(m);
}

static void do_messages(struct push *p, struct chore *c)
{
	struct many *m = LINK_OF(c, struct many, chore);
	struct message *msg = LINK_OF(link_first(&m->messages), struct message, link);

	link_del(&msg->link);
	m->pending--;
	m->busy = true;
	grant(p, m, msg);
	m->busy = false;
	free(msg);
	if (m->reader->dead) {
		free(m->reader);
		many_free(m);
	} else if (!link_empty(&m->messages)) {
		chore_add(p, c);
	}
}

void many_message(struct reader *r, const char *text, size_t n)
{
	struct many *m = r->many;
	struct message *msg;

	if (m->pending >= PENDING_MAX) {
		reader_close(r, 1008, "too_many_messages");
		return;
	}
	msg = mem_zalloc(sizeof(*msg) + n);
	msg->n = n;
	memcpy(msg->text, text, n);
	link_add_last(&m->messages, &msg->link);
	m->pending++;
	if (!m->busy)
		chore_add(r->push, &m->chore);
}

/* The key that opened it may have ended; and nobody's sockets are not for sitting on. */
void many_tick(struct reader *r, int64_t mono_ms, int64_t wall_ms)
{
	struct many *m = r->many;

	if (r->cursors_n > 0)
		m->idle_ms = mono_ms;
	if (pass_is_over(&m->pass, wall_ms) ||
		(m->pass.tenant == 0 && mono_ms - m->idle_ms >= NOBODY_MS))
		reader_close(r, 1008, err_name(ERR_AUTH_REQUIRED));
}

bool many_release(struct many *m)
{
	if (m->busy)
		return false;
	many_free(m);
	return true;
}

void push_watch_many(struct push *p, struct http_request *req, const struct push_pass *pass,
	const char *base_url, const char *events_url)
{
	struct reader *r = reader_new(p, HTTP_STREAM_WS);
	struct many *m = mem_new(struct many);

	*m = (struct many){ .reader = r,
		.pass = *pass,
		.idle_ms = clock_mono_ms(),
		.base_url = mem_strdup(base_url),
		.events_url = mem_strdup(events_url),
		.chore = { .run = do_messages } };
	link_init(&m->messages);
	link_init(&m->answers);
	r->many = m;
	pthread_mutex_lock(&p->lock);
	reader_start(r, req);
	pthread_mutex_unlock(&p->lock);
}
