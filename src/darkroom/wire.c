/* SPDX-License-Identifier: MIT
 *
 * The darkroom's messages as packets and back. Everything that a message is comes from the two
 * tables of wire.def: which numbers it carries, their ranges, how much text, how many descriptors.
 * So there is one parser for all messages, and one place to look at when asking what a child that
 * a picture has taken over could say.
 */
#include "darkroom/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct field {
	const char *name;
	size_t offset;
	int64_t least, most;
} fields[WIRE_FIELDS] = {
#define WIRE_FIELD(name, least, most) { #name, offsetof(struct wire_msg, name), least, most },
#include "darkroom/wire.def"
#undef WIRE_FIELD
};

#define F(name) (1u << WIRE_FIELD_##name)
static const struct layout {
	const char *name;
	size_t fds, text_max;
	uint32_t fields;
} layouts[WIRE_TYPES] = {
	[WIRE_END] = { "END" },
#define WIRE_MSG(name, fds, text, fields) [WIRE_##name] = { #name, fds, text, fields },
#include "darkroom/wire.def"
#undef WIRE_MSG
};
#undef F

static_assert(WIRE_FIELDS <= 32, "the fields of a message are a 32-bit set");

const char *wire_name(enum wire_type t)
{
	return layouts[t].name;
}

size_t wire_fds(enum wire_type t)
{
	return layouts[t].fds;
}

static void put(uint8_t *p, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get(const uint8_t *p, size_t bytes)
{
	uint64_t v = 0;
	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static bool carries(const struct layout *l, size_t field)
{
	return (l->fields >> field & 1) != 0;
}

static int64_t *value(const struct wire_msg *m, size_t field)
{
	return (int64_t *)(void *)((char *)m + fields[field].offset);
}

size_t wire_format(const struct wire_msg *m, uint8_t out[WIRE_MAX])
{
	assert(m->type > WIRE_END && m->type < WIRE_TYPES);
	const struct layout *l = &layouts[m->type];
	size_t text_len = strnlen(m->text, l->text_max);
	put(out, WIRE_MAGIC, 4);
	put(out + 4, m->type, 4);
	put(out + 8, text_len, 4);
	put(out + 12, 0, 4);
	size_t at = WIRE_HEAD;
	for (size_t i = 0; i < WIRE_FIELDS; i++) {
		if (!carries(l, i))
			continue;
		int64_t v = *value(m, i);
		assert(v >= fields[i].least && v <= fields[i].most);
		put(out + at, (uint64_t)v, 8);
		at += 8;
	}
	memcpy(out + at, m->text, text_len);
	return at + text_len;
}

/* NULL, with e set, when this is the head of no message. */
static const struct layout *parse_head(const uint8_t *p, size_t n, struct err *e)
{
	if (n < WIRE_HEAD || n > WIRE_MAX) {
		(void)err_set(e, ERR_DARKROOM, "a packet of %zu bytes", n);
		return NULL;
	}
	uint64_t type = get(p + 4, 4);
	if (get(p, 4) != WIRE_MAGIC || get(p + 12, 4) != 0 || type == WIRE_END ||
		type >= WIRE_TYPES) {
		(void)err_set(e, ERR_DARKROOM, "a packet that is no message");
		return NULL;
	}
	const struct layout *l = &layouts[type];
	uint64_t text_len = get(p + 8, 4);
	size_t numbers = 8 * (size_t)__builtin_popcount(l->fields);
	if (text_len > l->text_max || n != WIRE_HEAD + numbers + text_len) {
		(void)err_set(e, ERR_DARKROOM, "%s of %zu bytes", l->name, n);
		return NULL;
	}
	return l;
}

enum err_code wire_parse(const void *packet, size_t n, struct wire_msg *ret, struct err *e)
{
	const uint8_t *p = packet;
	const struct layout *l = parse_head(p, n, e);
	if (!l)
		return ERR_DARKROOM;
	memset(ret, 0, offsetof(struct wire_msg, text));
	ret->type = (enum wire_type)(l - layouts);
	size_t at = WIRE_HEAD;
	for (size_t i = 0; i < WIRE_FIELDS; i++) {
		if (!carries(l, i))
			continue;
		int64_t v = (int64_t)get(p + at, 8);
		if (v < fields[i].least || v > fields[i].most)
			return err_set(e, ERR_DARKROOM, "%s with %s %lld", l->name, fields[i].name,
				(long long)v);
		*value(ret, i) = v;
		at += 8;
	}
	memcpy(ret->text, p + at, n - at);
	ret->text[n - at] = '\0';
	if (strlen(ret->text) != n - at)
		return err_set(e, ERR_DARKROOM, "%s with a NUL in its text", l->name);
	return OK;
}

/* Room for the descriptors of one packet, aligned as the kernel wants it. */
union ancillary {
	char space[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

enum err_code wire_send(int sock, const struct wire_msg *m, const int *fds, struct err *e)
{
	uint8_t packet[WIRE_MAX];
	size_t n = layouts[m->type].fds;
	struct iovec iov = { packet, wire_format(m, packet) };
	union ancillary a = { .space = { 0 } };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (n > 0) {
		assert(fds);
		h.msg_control = a.space;
		h.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	while (sendmsg(sock, &h, MSG_NOSIGNAL) < 0) {
		/* Too many descriptors of this user are on their way: they will arrive. */
		if (errno == ETOOMANYREFS)
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		else if (errno != EINTR)
			return err_sys(e, ERR_DARKROOM, errno, "send %s", wire_name(m->type));
	}
	return OK;
}

/* The descriptors that came with a packet; returns how many. */
static size_t take_fds(struct msghdr *h, int fds[WIRE_FDS_MAX])
{
	size_t n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here && n < WIRE_FDS_MAX; i++)
			memcpy(&fds[n++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	return n;
}

enum err_code wire_recv(int sock, struct wire_msg *ret, int fds[WIRE_FDS_MAX], struct err *e)
{
	uint8_t packet[WIRE_MAX];
	struct iovec iov = { packet, sizeof(packet) };
	union ancillary a;
	struct msghdr h = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = a.space,
		.msg_controllen = sizeof(a.space) };
	ssize_t n;
	do
		n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET)) {
		ret->type = WIRE_END;
		ret->unread = n < 0;
		return OK;
	}
	if (n < 0)
		return err_sys(e, ERR_DARKROOM, errno, "receive");
	int got[WIRE_FDS_MAX];
	size_t n_fds = take_fds(&h, got);
	enum err_code code;
	if (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		code = err_set(e, ERR_DARKROOM, "a packet with too much in it");
	else
		code = wire_parse(packet, (size_t)n, ret, e);
	if (code == OK && n_fds != layouts[ret->type].fds)
		code = err_set(e, ERR_DARKROOM, "%s with %zu descriptors", wire_name(ret->type),
			n_fds);
	for (size_t i = 0; i < n_fds; i++) {
		if (code == OK)
			fds[i] = got[i];
		else
			close(got[i]);
	}
	return code;
}

enum err_code wire_send_fail(int sock, const struct err *why, enum format format, struct err *e)
{
	struct wire_msg m = { .type = WIRE_FAIL, .code = why->code, .format = format };
	snprintf(m.text, sizeof(m.text), "%s", why->text);
	return wire_send(sock, &m, NULL, e);
}
