/* SPDX-License-Identifier: MIT
 *
 * A `bulb darkroom` whose decoder does what the picture says. Keeper, child, jail and wire are the
 * real ones; only the room image is replaced, by one that acts as a decoder would that a hostile
 * picture has taken over. A picture is text: "FAKE ", and the name of an act below.
 */
#include "base/io.h"
#include "base/mem.h"
#include "darkroom/wire.h"
#include "image/image.h"
#include "inside/inside.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOCK 0
#define SIDE 100

struct show {
	const struct recipe *recipe;
	bool (*sink)(void *ctx, const struct image_variant *v);
	void *ctx;
};

/* What a variant of each format starts with. */
static const char *bytes_of(enum format f)
{
	static const char *const all[] = {
		[FORMAT_JPEG] = "\xff\xd8\xff 0123456789abcdef",
		[FORMAT_PNG] = "\x89PNG\r\n\x1a\n0123456789ab",
		[FORMAT_WEBP] = "RIFF0123WEBP456789ab",
		[FORMAT_AVIF] = "0123ftypavif456789ab",
	};
	return all[f];
}
#define BYTES 20

static bool show_one(const struct show *s, size_t i)
{
	enum format f = s->recipe->variants[i].format;
	const struct image_variant v = { .format = f,
		.width = 10,
		.height = 10,
		.index = i,
		.data = bytes_of(f),
		.bytes = BYTES };
	return s->sink(s->ctx, &v);
}

static void good(const struct show *s)
{
	for (size_t i = 0; i < s->recipe->n; i++)
		(void)show_one(s, i);
}

static void crash(const struct show *s)
{
	(void)s;
	raise(SIGSEGV);
}

static void give_up(const struct show *s)
{
	(void)s;
	abort();
}

static void leave(const struct show *s)
{
	(void)s;
	_exit(0);
}

static void hang(const struct show *s)
{
	(void)s;
	for (;;)
		nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
}

static void spin(const struct show *s)
{
	(void)s;
	for (volatile unsigned i = 0;; i++)
		;
}

static void open_a_socket(const struct show *s)
{
	(void)s;
	(void)socket(AF_INET, SOCK_STREAM, 0);
}

static void eat_memory(const struct show *s)
{
	(void)s;
	for (;;) {
		char *volatile p = malloc(1 << 20);
		if (!p)
			abort();
		memset(p, 1, 1 << 20);
	}
}

static void ask_for_too_much(const struct show *s)
{
	(void)s;
	(void)mem_zalloc((size_t)1 << 46);
}

/* OUTPUT as we like it. */
static void claim(size_t index, enum format f, int64_t bytes, int fd)
{
	struct err e;
	struct wire_msg *m = mem_new(struct wire_msg);
	*m = (struct wire_msg){ .type = WIRE_OUTPUT,
		.index = (int64_t)index,
		.format = f,
		.width = 10,
		.height = 10,
		.bytes = bytes };
	enum err_code code = wire_send(SOCK, m, &fd, &e);
	(void)code;
}

static int memfd_of(const char *data, size_t n)
{
	struct err e;
	int fd = -1;
	if (io_memfd("fake", &fd, &e) != OK || io_write_all(fd, data, n, &e) != OK)
		_exit(1);
	return fd;
}

static void keep_a_mapping(const struct show *s)
{
	enum format f = s->recipe->variants[0].format;
	int fd = memfd_of(bytes_of(f), BYTES);
	volatile char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	claim(0, f, BYTES, fd);
	for (;;) /* what it would do after the worker has looked */
		p[BYTES - 1]++;
}

static void say_it_twice(const struct show *s)
{
	(void)show_one(s, 0);
	(void)show_one(s, 0);
}

static void flood(const struct show *s)
{
	for (;;)
		(void)show_one(s, 0);
}

static void claim_too_much(const struct show *s)
{
	enum format f = s->recipe->variants[0].format;
	claim(0, f, INT64_MAX, memfd_of(bytes_of(f), BYTES));
	hang(s);
}

static void claim_another_size(const struct show *s)
{
	enum format f = s->recipe->variants[0].format;
	claim(0, f, BYTES + 1, memfd_of(bytes_of(f), BYTES));
	hang(s);
}

static void claim_what_nobody_asked(const struct show *s)
{
	enum format f = s->recipe->variants[0].format;
	claim(s->recipe->n, f, BYTES, memfd_of(bytes_of(f), BYTES));
	hang(s);
}

static void change_the_format(const struct show *s)
{
	enum format f = s->recipe->variants[0].format == FORMAT_PNG ? FORMAT_WEBP : FORMAT_PNG;
	claim(0, f, BYTES, memfd_of(bytes_of(f), BYTES));
	hang(s);
}

static void send_html(const struct show *s)
{
	claim(0, s->recipe->variants[0].format, BYTES, memfd_of("<html>0123456789abcd", BYTES));
	hang(s);
}

static void send_dev_null(const struct show *s)
{
	claim(0, s->recipe->variants[0].format, BYTES, 1);
	hang(s);
}

static void send_garbage(const struct show *s)
{
	ssize_t n = write(SOCK, "garbage", 7);
	(void)n;
	hang(s);
}

/* A message as it should be, without the descriptor that belongs to it. */
static void send_no_descriptor(const struct show *s)
{
	uint8_t packet[WIRE_MAX];
	struct wire_msg *m = mem_new(struct wire_msg);
	*m = (struct wire_msg){ .type = WIRE_OUTPUT,
		.format = s->recipe->variants[0].format,
		.width = 10,
		.height = 10,
		.bytes = BYTES };
	ssize_t n = write(SOCK, packet, wire_format(m, packet));
	(void)n;
	hang(s);
}

static void blame_another(const struct show *s)
{
	struct err e = { .code = ERR_STORE_UNAVAILABLE, .text = "not mine to say" };
	enum err_code code = wire_send_fail(SOCK, &e, FORMAT_JPEG, &e);
	(void)code;
	hang(s);
}

static void hang_up(const struct show *s)
{
	close(SOCK);
	hang(s);
}

/* A whole conversation about a cut-out, ended by ourselves while the picture is probed. */
static void cut(const struct wire_msg *end, int outputs, enum format f)
{
	struct err e;
	int fds[WIRE_FDS_MAX];
	struct wire_msg *m = mem_new(struct wire_msg);
	*m = (struct wire_msg){ .type = WIRE_HEADER,
		.format = FORMAT_JPEG,
		.width = SIDE,
		.height = SIDE,
		.frames = 1,
		.decode_bytes = 1 << 20 };
	if (wire_send(SOCK, m, NULL, &e) != OK || wire_recv(SOCK, m, fds, &e) != OK)
		_exit(1);
	for (int i = 0; i < outputs; i++)
		claim(0, f, BYTES, memfd_of(bytes_of(f), BYTES));
	enum err_code code = wire_send(SOCK, end, NULL, &e);
	(void)code;
	hang(NULL);
}

static struct wire_msg *cut_done(void)
{
	struct wire_msg *m = mem_new(struct wire_msg);
	*m = (struct wire_msg){ .type = WIRE_CUT_DONE,
		.width = SIDE,
		.height = SIDE,
		.done = 1,
		.engine = CUT_FLAT,
		.confidence = 1000000,
		.text = "AAAA" };
	return m;
}

static void cut_well(const struct show *s)
{
	(void)s;
	cut(cut_done(), 1, FORMAT_PNG);
}

static void cut_by_another(const struct show *s)
{
	(void)s;
	struct wire_msg *m = cut_done();
	m->engine = CUT_REMOTE;
	cut(m, 1, FORMAT_PNG);
}

static void cut_without_output(const struct show *s)
{
	(void)s;
	cut(cut_done(), 0, FORMAT_PNG);
}

static void cut_twice(const struct show *s)
{
	(void)s;
	cut(cut_done(), 2, FORMAT_PNG);
}

static void cut_into_another_format(const struct show *s)
{
	(void)s;
	cut(cut_done(), 1, FORMAT_WEBP);
}

static void cut_nothing_and_send_it(const struct show *s)
{
	(void)s;
	struct wire_msg *m = cut_done();
	m->none = 1;
	cut(m, 1, FORMAT_PNG);
}

static void cut_what_is_not_flat(const struct show *s)
{
	(void)s;
	struct wire_msg *m = cut_done();
	m->done = 0;
	cut(m, 1, FORMAT_PNG);
}

static void cut_outside(const struct show *s)
{
	(void)s;
	struct wire_msg *m = cut_done();
	m->left = SIDE;
	cut(m, 1, FORMAT_PNG);
}

static void end_a_cut_as_a_job(const struct show *s)
{
	(void)s;
	struct wire_msg *m = cut_done();
	m->type = WIRE_DONE;
	cut(m, 1, FORMAT_PNG);
}

static void hash_in_html(const struct show *s)
{
	(void)s;
	struct wire_msg *m = cut_done();
	snprintf(m->text, sizeof(m->text), "<b>");
	cut(m, 1, FORMAT_PNG);
}

static void nothing(const struct show *s)
{
	(void)s;
}

static const struct act {
	const char *name;
	void (*make)(const struct show *s);
	int64_t decode_bytes; /* 0: 1 MiB */
	bool early;           /* while probing */
} acts[] = {
	{ "good", good },
	{ "large and good", good, .decode_bytes = 100 << 20 },
	{ "large and hangs", hang, .decode_bytes = 100 << 20 },
	{ "larger than everything", good, .decode_bytes = INT64_MAX },
	{ "crashes", crash },
	{ "crashes early", crash, .early = true },
	{ "aborts", give_up },
	{ "leaves", leave },
	{ "hangs", hang },
	{ "hangs early", hang, .early = true },
	{ "spins", spin },
	{ "opens a socket", open_a_socket },
	{ "eats memory", eat_memory },
	{ "asks for too much", ask_for_too_much },
	{ "keeps a mapping", keep_a_mapping },
	{ "says it twice", say_it_twice },
	{ "floods", flood },
	{ "claims too much", claim_too_much },
	{ "claims another size", claim_another_size },
	{ "claims what nobody asked", claim_what_nobody_asked },
	{ "changes the format", change_the_format },
	{ "sends html", send_html },
	{ "sends /dev/null", send_dev_null },
	{ "sends garbage", send_garbage },
	{ "sends no descriptor", send_no_descriptor },
	{ "blames another", blame_another },
	{ "hangs up", hang_up },
	{ "makes nothing", nothing },
	{ "cuts well", cut_well, .early = true },
	{ "cuts by another", cut_by_another, .early = true },
	{ "cuts without output", cut_without_output, .early = true },
	{ "cuts twice", cut_twice, .early = true },
	{ "cuts into another format", cut_into_another_format, .early = true },
	{ "cuts nothing and sends it", cut_nothing_and_send_it, .early = true },
	{ "cuts what is not flat", cut_what_is_not_flat, .early = true },
	{ "cuts outside", cut_outside, .early = true },
	{ "ends a cut as a job", end_a_cut_as_a_job, .early = true },
	{ "hash in html", hash_in_html, .early = true },
};

static const struct act *act_of(const void *data, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (n == 5 + strlen(acts[i].name) &&
			memcmp((const char *)data + 5, acts[i].name, n - 5) == 0)
			return &acts[i];
	return NULL;
}

enum err_code image_init(struct err *e)
{
	(void)e;
	return OK;
}

enum format image_sniff(const void *data, size_t n)
{
	return n >= 5 && memcmp(data, "FAKE ", 5) == 0 ? FORMAT_JPEG : FORMAT_NONE;
}

enum err_code image_probe(const void *data, size_t n, const struct image_limits *lim,
	const struct recipe *r, struct image_header *ret, struct err *e)
{
	(void)lim;
	if (image_sniff(data, n) == FORMAT_NONE)
		return err_set(e, ERR_FETCH_NOT_IMAGE, "not a fake picture");
	const struct act *a = act_of(data, n);
	if (!a)
		return err_set(e, ERR_DECODE_CORRUPT, "no such act");
	if (a->early)
		a->make(&(struct show){ .recipe = r });
	*ret = (struct image_header){ .format = FORMAT_JPEG,
		.width = SIDE,
		.height = SIDE,
		.frames = 1,
		.decode_bytes = a->decode_bytes ? a->decode_bytes : 1 << 20 };
	return OK;
}

enum err_code image_make(const void *data, size_t n, const struct image_header *h,
	const struct image_limits *lim, const struct recipe *r,
	bool (*sink)(void *ctx, const struct image_variant *v), void *ctx,
	struct image_summary *ret, struct err *e)
{
	(void)h;
	(void)lim;
	(void)e;
	act_of(data, n)->make(&(struct show){ .recipe = r, .sink = sink, .ctx = ctx });
	*ret = (struct image_summary){ .width = SIDE,
		.height = SIDE,
		.thumbhash = "AAAA",
		.color = "#123456" };
	return OK;
}

int main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "darkroom") == 0)
		inside_main(argc - 2, argv + 2);
	fprintf(stderr, "usage: fake_bulb darkroom\n");
	return 64;
}
