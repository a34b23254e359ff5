/* SPDX-License-Identifier: MIT
 *
 * One conversation with a child, straight through: job, header, admission by decoded bytes,
 * outputs, end. The clock of the picture runs while the child works and stands while it waits for memory.
 * The child is trusted with nothing: whatever it says wrongly, late or not at all ends in its
 * death, and how it died decides the error.
 */
#include "darkroom/child.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "darkroom/wire.h"

#include <assert.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS  50   /* how often cancel is looked at */
#define DIE_MS   5000 /* a killed process is gone by then, memory and all */
#define READY_MS 10000

struct child *child_new(pid_t pid, int sock, int line)
{
	struct child *c = mem_new(struct child);
	*c = (struct child){ .pid = pid, .sock = sock, .line = line, .scope = SCOPE_NONE };
	return c;
}

void child_free(struct child *c)
{
	if (!c)
		return;
	fd_close(&c->sock);
	fd_close(&c->line);
	free(c);
}

static bool readable(int fd, int64_t ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	return poll(&p, 1, (int)ms) > 0;
}

/* Hang up, which makes the keeper kill it if it lives, and hear how it ended. false: the keeper
 * has vanished, and the child with it. */
static bool autopsy(struct child *c, int *ret_status)
{
	shutdown(c->line, SHUT_WR);
	int64_t until = clock_mono_ms() + DIE_MS;
	for (int64_t left; (left = until - clock_mono_ms()) > 0;) {
		if (!readable(c->line, left))
			continue;
		int32_t status;
		ssize_t n = recv(c->line, &status, sizeof(status), 0);
		*ret_status = status;
		return n == (ssize_t)sizeof(status);
	}
	return false;
}

static enum err_code died(struct child *c, const char *reason, struct err *e, enum err_code code,
	const char *text)
{
	c->died = reason;
	return err_set(e, code, "%s", text);
}

/* It has closed its socket without a word: why? */
static enum err_code explain(struct child *c, struct err *e)
{
	int status;
	if (!autopsy(c, &status))
		return died(c, "lost", e, ERR_DARKROOM, "the darkroom ended under the picture");
	if (WIFEXITED(status) && WEXITSTATUS(status) == EX_OSERR)
		return died(c, "memory", e, ERR_LIMIT_MEMORY,
			"decoding took more memory than the limit");
	if (!WIFSIGNALED(status))
		return died(c, "protocol", e, ERR_DECODE_CRASHED, "the decoder ended by itself");
	int sig = WTERMSIG(status);
	if (sig == SIGXCPU)
		return died(c, "time", e, ERR_LIMIT_TIME, "decoding took too much processor time");
	if (sig == SIGKILL)
		return died(c, "killed", e, ERR_DECODE_CRASHED, "the decoder was killed");
	const char *name = sigabbrev_np(sig);
	c->died = "signal";
	return err_set(e, ERR_DECODE_CRASHED, "the decoder died of SIG%s", name ? name : "?");
}

bool child_has_died(struct child *c)
{
	struct err ignored;
	return readable(c->line, 0) && explain(c, &ignored) != OK;
}

/* We end it. Its death is waited for, so that its memory is free when the next one is admitted. */
static enum err_code end(struct child *c, const char *reason, struct err *e, enum err_code code,
	const char *text)
{
	int status;
	(void)autopsy(c, &status);
	return died(c, reason, e, code, text);
}

static enum err_code broke_protocol(struct child *c, const struct err *how, struct err *e)
{
	int status;
	(void)autopsy(c, &status);
	c->died = "protocol";
	return err_set(e, ERR_DECODE_CRASHED, "the decoder broke the protocol: %s", how->text);
}

enum err_code child_await(struct child *c, struct err *e)
{
	if (c->ready)
		return OK;
	autofree struct wire_msg *m = mem_new(struct wire_msg);
	int fds[WIRE_FDS_MAX];
	if (!readable(c->sock, READY_MS))
		return end(c, "time", e, ERR_DARKROOM, "the child does not become ready");
	enum err_code code = wire_recv(c->sock, m, fds, e);
	if (code == OK && m->type == WIRE_END)
		return explain(c, e);
	if (code == OK && m->type == WIRE_FAIL)
		code = err_set(e,
			m->code == ERR_MATTE_UNAVAILABLE ? ERR_MATTE_UNAVAILABLE : ERR_DARKROOM,
			"%s", m->text);
	else if (code == OK && m->type != WIRE_READY)
		code = err_set(e, ERR_DARKROOM, "the child says %s before READY",
			wire_name(m->type));
	if (code != OK) {
		/* what is wrong with a model is nobody's death */
		c->died = code == ERR_MATTE_UNAVAILABLE ? "worn" : "protocol";
		return code;
	}
	c->ready = true;
	c->landlock = (int)m->landlock;
	c->uid = (uid_t)m->uid;
	c->alone = m->alone != 0;
	return OK;
}

struct talk {
	struct child *c;
	const struct picture *p;
	struct darkroom_result *ret;
	int64_t left_ms; /* of the picture's time */
	struct wire_msg m;
	int fds[WIRE_FDS_MAX];
};

static enum err_code wait_for_word(struct talk *t, int64_t since, struct err *e)
{
	for (;;) {
		int64_t left = t->left_ms - (clock_mono_ms() - since);
		if (readable(t->c->sock, left <= 0 ? 0 : left < LOOK_MS ? left : LOOK_MS))
			return OK;
		if (t->p->cancel && atomic_load(t->p->cancel))
			return end(t->c, "killed", e, ERR_CANCELED, "canceled while decoding");
		if (left <= 0)
			return end(t->c, "time", e, ERR_LIMIT_TIME,
				"the picture took longer than the limit");
	}
}

/* The child's next message, while its time runs. After an error it is dead. */
static enum err_code hear(struct talk *t, struct err *e)
{
	int64_t since = clock_mono_ms();
	enum err_code code = wait_for_word(t, since, e);
	t->left_ms -= clock_mono_ms() - since;
	if (code != OK)
		return code;
	struct err how = { 0 };
	t->m.type = WIRE_GO; /* anything but an end */
	if (wire_recv(t->c->sock, &t->m, t->fds, &how) != OK)
		return broke_protocol(t->c, &how, e);
	return t->m.type == WIRE_END ? explain(t->c, e) : OK;
}

static enum err_code unexpected(struct talk *t, struct err *e)
{
	struct err how = { 0 };
	for (size_t i = 0; i < wire_fds(t->m.type); i++)
		fd_close(&t->fds[i]);
	(void)err_set(&how, ERR_DARKROOM, "%s out of turn", wire_name(t->m.type));
	return broke_protocol(t->c, &how, e);
}

static bool has(const enum err_code *codes, size_t n, enum err_code code)
{
	for (size_t i = 0; i < n; i++)
		if (codes[i] == code)
			return true;
	return false;
}

/* What a child may say about a picture; any other code is not its to give. */
static enum err_code failed(struct talk *t, struct err *e)
{
	static const enum err_code its_own[] = { ERR_FETCH_NOT_IMAGE, ERR_DECODE_UNSUPPORTED,
		ERR_DECODE_CORRUPT, ERR_ENCODE_FAILED, ERR_LIMIT_PIXELS, ERR_LIMIT_FRAMES,
		ERR_LIMIT_MEMORY, ERR_LIMIT_OUTPUT, ERR_INTERNAL };
	static const enum err_code a_cuts_own[] = { ERR_MATTE_UNAVAILABLE, ERR_MATTE_FAILED,
		ERR_MATTE_PROVIDER };
	enum err_code code = (enum err_code)t->m.code;
	if (code == ERR_MEMORY) /* its own limit, not the machine's end */
		code = ERR_LIMIT_MEMORY;
	if (!(has(its_own, ARRAY_LEN(its_own), code) ||
		    (t->p->cut && has(a_cuts_own, ARRAY_LEN(a_cuts_own), code))))
		return unexpected(t, e);
	if (t->m.format != FORMAT_NONE)
		t->ret->format = (enum format)t->m.format;
	return err_set(e, code, "%s", t->m.text);
}

static enum err_code take_header(struct talk *t, struct err *e)
{
	const struct darkroom_opts *o = t->p->opts;
	const struct wire_msg *m = &t->m;
	if (m->format == FORMAT_NONE || m->width < 1 || m->height < 1 || m->frames < 1 ||
		m->frames > o->max_frames || m->width > o->max_pixels / m->height) {
		struct err how = { .text = "a header beyond the limits" };
		return broke_protocol(t->c, &how, e);
	}
	t->ret->format = (enum format)m->format;
	t->ret->width = (int)m->width;
	t->ret->height = (int)m->height;
	if (m->decode_bytes > o->memory_bytes)
		return err_set(e, ERR_LIMIT_MEMORY, "decoding needs %lld MiB, the limit is %lld",
			(long long)(m->decode_bytes >> 20), (long long)(o->memory_bytes >> 20));
	return OK;
}

static enum err_code take_summary(struct talk *t, struct err *e)
{
	struct err how = { 0 };
	if (summary_take(&t->m, t->p, t->ret, &how) != OK)
		return broke_protocol(t->c, &how, e);
	return OK;
}

static enum err_code hear_outputs(struct talk *t, struct err *e)
{
	for (;;) {
		enum err_code code = hear(t, e);
		if (code != OK)
			return code;
		struct err how = { 0 };
		switch (t->m.type) {
		case WIRE_OUTPUT:
			if (output_take(&t->m, t->fds[0], t->p, t->ret, &how) != OK)
				return broke_protocol(t->c, &how, e);
			break;
		case WIRE_DONE:
		case WIRE_CUT_DONE:
			return take_summary(t, e);
		case WIRE_FAIL:
			return failed(t, e);
		default:
			return unexpected(t, e);
		}
	}
}

/* With the header known: wait for memory, let it go, take what it makes. */
static enum err_code develop(struct talk *t, struct err *e)
{
	int64_t bytes = t->m.decode_bytes;
	enum err_code code = gate_enter(t->p->memory, bytes, t->p->cancel, e);
	if (code != OK)
		return code;
	t->m = (struct wire_msg){ .type = WIRE_GO };
	struct err unsent;
	if (wire_send(t->c->sock, &t->m, NULL, &unsent) != OK)
		code = explain(t->c, e); /* it died while it waited */
	else
		code = hear_outputs(t, e);
	gate_leave(t->p->memory, bytes);
	return code;
}

/* A child that dies without having read the job was dying already. */
static enum err_code converse(struct talk *t, bool *ret_unused, struct err *e)
{
	enum err_code code = child_await(t->c, e);
	*ret_unused = code != OK;
	if (code != OK)
		return code;
	*ret_unused = !order_send(t->c, t->p, &t->m);
	if (*ret_unused)
		return explain(t->c, e);
	code = hear(t, e);
	if (code != OK) {
		*ret_unused = t->m.type == WIRE_END && t->m.unread;
		return code;
	}
	if (t->m.type == WIRE_FAIL)
		return failed(t, e);
	if (t->m.type != WIRE_HEADER)
		return unexpected(t, e);
	code = take_header(t, e);
	return code == OK ? develop(t, e) : code;
}

/* As the kernel has counted it, over all its threads; -1: it is gone. */
static int64_t cpu_of(pid_t pid)
{
	clockid_t clock;
	struct timespec t;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
		return -1;
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

enum err_code child_process(struct child *c, const struct picture *p, struct darkroom_result *ret,
	bool *ret_unused, struct err *e)
{
	struct talk *t = mem_new(struct talk);
	*t = (struct talk){ .c = c, .p = p, .ret = ret, .left_ms = p->opts->item_ms };
	int64_t before = cpu_of(c->pid);
	enum err_code code = converse(t, ret_unused, e);
	int64_t after = cpu_of(c->pid);
	ret->process_ms = p->opts->item_ms - t->left_ms;
	/* one that died took its count with it */
	ret->cpu_ms = before >= 0 && after >= before ? after - before : ret->process_ms;
	c->pictures++;
	free(t);
	return code;
}
