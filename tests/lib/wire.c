/* SPDX-License-Identifier: MIT
 *
 * Plain blocking sockets: what a test sees is what came, byte for byte.
 */
#include "lib/wire.h"

#include "base/mem.h"
#include "lib/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_MAX ((size_t)256 << 20)

static int dial(int port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval tv = { .tv_sec = WIRE_MS / 1000 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void send_all(int fd, const void *data, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t sent = send(fd, (const char *)data + at, n - at, MSG_NOSIGNAL);
		if (sent <= 0)
			return; /* the other side has had enough; its answer tells why */
		at += (size_t)sent;
	}
}

/* More bytes; false at the end. A silence of WIRE_MS is a failed test. */
static bool more(int fd, struct buf *b)
{
	char chunk[65536];
	ssize_t n = recv(fd, chunk, sizeof(chunk), 0);

	if (n < 0 && errno == EAGAIN)
		fail_msg("nothing came for %d ms", WIRE_MS);
	return n > 0 && buf_add(b, chunk, (size_t)n);
}

int http_send(int port, const char *method, const char *target, const char *fields,
	const char *body)
{
	struct buf b = BUF_INIT(IN_MAX);
	int fd = dial(port);

	fields = fields ? fields : "";
	buf_printf(&b, "%s %s HTTP/1.1\r\n%s", method, target, fields);
	if (!strcasestr(fields, "host:"))
		buf_printf(&b, "Host: 127.0.0.1:%d\r\n", port);
	if (body && !strcasestr(fields, "content-type:"))
		buf_puts(&b, "Content-Type: application/json\r\n");
	if (body)
		buf_printf(&b, "Content-Length: %zu\r\n", strlen(body));
	if (!strcasestr(fields, "upgrade:"))
		buf_puts(&b, "Connection: close\r\n");
	buf_printf(&b, "\r\n%s", body ? body : "");
	send_all(fd, b.data, b.len);
	buf_done(&b);
	return fd;
}

/* In place; what is not whole fails the test. */
static void join_chunks(struct reply *r)
{
	size_t n = 0;

	for (char *at = r->body, *end; r->body_n; at += 2) {
		size_t chunk = strtoul(at, &end, 16);
		if (end == at || memcmp(end, "\r\n", 2) != 0 ||
			chunk + 4 > (size_t)(r->body + r->body_n - end) ||
			memcmp(end + 2 + chunk, "\r\n", 2) != 0)
			fail_msg("the body ends within a chunk, after %zu bytes", n);
		memmove(r->body + n, end + 2, chunk);
		at = end + 2 + chunk;
		n += chunk;
		if (!chunk)
			break;
	}
	r->body[n] = '\0';
	r->body_n = n;
}

/* Head and body of what was read to its end. */
static struct reply reply_of(struct buf *in)
{
	struct reply r = { 0 };
	const char *end = strstr(buf_str(in), "\r\n\r\n");
	size_t head_n;

	if (!end || sscanf(buf_str(in), "HTTP/1.1 %d", &r.status) != 1)
		fail_msg("no answer but: %s", buf_str(in));
	head_n = (size_t)(end - in->data);
	r.head = mem_strndup(in->data, head_n);
	r.body_n = in->len - head_n - 4;
	r.body = mem_zalloc(r.body_n + 1);
	memcpy(r.body, end + 4, r.body_n);
	const char *coding = reply_field(&r, "Transfer-Encoding");
	if (coding && strcmp(coding, "chunked") == 0)
		join_chunks(&r);
	if (json_parse(r.body, r.body_n, &r.json, NULL) != OK)
		r.json = NULL;
	return r;
}

struct reply http_receive(int fd)
{
	struct buf in = BUF_INIT(IN_MAX);

	while (more(fd, &in))
		;
	close(fd);
	struct reply r = reply_of(&in);
	buf_done(&in);
	return r;
}

struct reply http_call(int port, const char *method, const char *target, const char *fields,
	const char *body)
{
	return http_receive(http_send(port, method, target, fields, body));
}

void reply_done(struct reply *r)
{
	free(r->head);
	free(r->body);
	json_decref(r->json);
	*r = (struct reply){ 0 };
}

const char *reply_field(const struct reply *r, const char *name)
{
	static char value[8192];
	size_t n = strlen(name);

	for (const char *line = strstr(r->head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
		const char *p = line + 2;
		if (strncasecmp(p, name, n) != 0 || p[n] != ':')
			continue;
		p += n + 1;
		p += strspn(p, " ");
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(p, "\r"), p);
		return value;
	}
	return NULL;
}

/* ---- streams -------------------------------------------------------------------------------- */

/* Read the head; what came after it stays in w->in. */
static void read_head(struct wire *w)
{
	const char *end;

	w->in.max = IN_MAX;
	while (!(end = strstr(buf_str(&w->in), "\r\n\r\n")))
		if (!more(w->fd, &w->in))
			fail_msg("the stream ended in its head: %s", buf_str(&w->in));
	if (sscanf(w->in.data, "HTTP/1.1 %d", &w->status) != 1)
		fail_msg("no answer but: %s", w->in.data);
	size_t n = (size_t)(end - w->in.data) + 4;
	memmove(w->in.data, w->in.data + n, w->in.len - n + 1);
	w->in.len -= n;
}

void wire_open(struct wire *w, int port, const char *target, const char *fields)
{
	autofree char *all = mem_printf("Upgrade: websocket\r\nConnection: Upgrade\r\n"
					"Sec-WebSocket-Version: 13\r\n"
					"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s",
		fields ? fields : "");

	*w = (struct wire){ .fd = http_send(port, "GET", target, all, NULL) };
	read_head(w);
}

void sse_open(struct wire *w, int port, const char *target, const char *fields)
{
	autofree char *all = mem_printf("Accept: text/event-stream\r\n%s", fields ? fields : "");

	*w = (struct wire){ .fd = http_send(port, "GET", target, all, NULL), .sse = true };
	read_head(w);
}

void wire_done(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	buf_done(&w->in);
}

static void take(struct wire *w, size_t n)
{
	memmove(w->in.data, w->in.data + n, w->in.len - n + 1);
	w->in.len -= n;
}

/* The whole frame at the front of the buffer: header and payload lengths. false: more is needed. */
static bool frame_at_front(const struct wire *w, size_t *ret_head, size_t *ret_n)
{
	const unsigned char *p = (const unsigned char *)w->in.data;
	size_t head = 2, n;

	if (w->in.len < 2)
		return false;
	assert_false(p[1] & 0x80); /* a server never masks */
	n = p[1];
	if (n == 126)
		head = 4;
	else if (n == 127)
		head = 10;
	if (w->in.len < head)
		return false;
	if (head > 2)
		n = 0;
	for (size_t i = 2; i < head; i++)
		n = n << 8 | p[i];
	*ret_head = head;
	*ret_n = n;
	return w->in.len >= head + n;
}

static void note_close(struct wire *w, const char *payload, size_t n)
{
	w->close_code = n >= 2 ? ((unsigned char)payload[0] << 8 | (unsigned char)payload[1])
			       : 1005;
	snprintf(w->close_reason, sizeof(w->close_reason), "%.*s", n > 2 ? (int)(n - 2) : 0,
		n > 2 ? payload + 2 : "");
}

static char *next_message(struct wire *w)
{
	size_t head, n;

	for (;;) {
		while (!frame_at_front(w, &head, &n))
			if (!more(w->fd, &w->in))
				return NULL;
		int opcode = w->in.data[0] & 0x0f;
		char *text = mem_strndup(w->in.data + head, n);
		if (opcode == 8)
			note_close(w, w->in.data + head, n);
		take(w, head + n);
		if (opcode == 1)
			return text;
		free(text);
		if (opcode == 8)
			return NULL;
	}
}

static char *next_block(struct wire *w)
{
	for (;;) {
		const char *end;
		while (!(end = strstr(buf_str(&w->in), "\n\n")))
			if (!more(w->fd, &w->in))
				return NULL;
		char *block = mem_strndup(w->in.data, (size_t)(end - w->in.data));
		take(w, strlen(block) + 2);
		if (strstr(block, "data:"))
			return block;
		free(block);
	}
}

char *wire_next(struct wire *w)
{
	return w->sse ? next_block(w) : next_message(w);
}

void wire_send(struct wire *w, const char *text)
{
	size_t n = strlen(text);
	struct buf b = BUF_INIT(IN_MAX);

	buf_putc(&b, (char)0x81);
	if (n < 126) {
		buf_putc(&b, (char)(0x80 | n));
	} else {
		buf_putc(&b, (char)(0x80 | 126));
		buf_putc(&b, (char)(n >> 8));
		buf_putc(&b, (char)n);
	}
	buf_add(&b, "\0\0\0\0", 4); /* a mask of zeros leaves the text as it is */
	buf_add(&b, text, n);
	send_all(w->fd, b.data, b.len);
	buf_done(&b);
}

char *sse_field(const char *block, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = block; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, n) == 0 && line[n] == ':')
			return mem_strndup(line + n + 2, strcspn(line + n + 2, "\n"));
	}
	return NULL;
}
