/* SPDX-License-Identifier: MIT
 *
 * The first byte says how the rest is cut into reads; the rest is what a client sends on one
 * connection. However it is cut, the same requests must come out and the same bytes be refused.
 */
#include "base/buf.h"
#include "http/h1.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct h1_limits limits = { .max_body = 4096, .bodies = { .max = 8192, .share = 4096 } };

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void note(struct buf *out, struct h1_message *m)
{
	must(m->path[0] == '/' && !strpbrk(m->path, " \r\n?#"));
	must(m->body.len <= limits.max_body && m->id[0] && strlen(m->id) <= H1_ID_MAX);
	buf_printf(out, "%s %s %s %d %d %d\n", m->method, m->path, m->query ? m->query : "-",
		m->minor, m->keep_alive, m->upgrade);
	for (const struct http_field *f = m->fields; f; f = f->next) {
		must(f->name[0] && !strpbrk(f->name, " \t\r\n:") && !strpbrk(f->value, "\r\n"));
		const char *all = h1_header(m, f->name);
		must(all && strlen(all) >= strlen(f->value));
		buf_printf(out, "%s: %s\n", f->name, f->value);
	}
	buf_add(out, m->body.data, m->body.len);
	must(!h1_header(m, "content-length") || !h1_header(m, "transfer-encoding"));
}

/* Everything one connection understood, read in pieces of at most `piece` bytes. */
static void converse(const char *data, size_t n, size_t piece, struct buf *out)
{
	struct h1 *h = h1_new(&limits, &(struct ip){ { 0 } });
	enum h1_result r = H1_MORE;
	while (n && r != H1_REFUSED) {
		struct err e = { 0 };
		struct h1_message m;
		size_t used, give = n < piece ? n : piece;
		r = h1_feed(h, data, give, &used, &e);
		must(r != H1_REFUSED || (e.code && err_http(e.code) >= 400));
		if (r == H1_REFUSED)
			break;
		must(used <= give && (used > 0 || r == H1_WHOLE));
		data += used;
		n -= used;
		if (r != H1_WHOLE)
			continue;
		h1_take(h, &m);
		note(out, &m);
		h1_message_done(&m, &limits);
	}
	buf_puts(out, r == H1_REFUSED ? "refused" : "open");
	h1_free(h);
	must(limits.bodies.bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT(1 << 22), cut = BUF_INIT(1 << 22);
	if (!size)
		return 0;
	converse((const char *)data + 1, size - 1, size, &whole);
	converse((const char *)data + 1, size - 1, (size_t)data[0] % 64 + 1, &cut);
	must(strcmp(buf_str(&whole), buf_str(&cut)) == 0);
	buf_done(&whole);
	buf_done(&cut);
	return 0;
}
