/* SPDX-License-Identifier: MIT
 *
 * One call of the S3 client, with keys that no blob has:  s3_tool URL COMMAND [ARGUMENT…]
 *
 *   make-bucket · put KEY FILE · get KEY · head KEY · delete KEY · list · link METHOD KEY SECONDS WALL_MS
 *   uploads · abort-old WALL_MS · fill N BYTES
 *   keys (for each line of standard input: the access key, the session token and the region)
 *
 * Results go to standard output; exit 1 with the error's name and text, 0 else. fill puts N objects
 * of random bytes, one after the other, and prints the microseconds that took.
 */
#include "base/clock.h"
#include "base/id.h"
#include "base/io.h"
#include "blob/s3.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static enum err_code make_bucket(struct s3 *s, struct err *e)
{
	struct s3_answer a;
	enum err_code rc = s3_do(s, &(struct s3_call){ .method = "PUT", .data = "", .to_fd = -1 },
		&a, e);
	s3_answer_done(&a);
	return rc;
}

static void print_upload(void *ctx, int depth, const char *name, const char *text)
{
	(void)ctx;
	if (depth == 2 && strcmp(name, "UploadId") == 0)
		printf("%s\n", text);
}

static enum err_code uploads(struct s3 *s, struct err *e)
{
	const struct net_header q = { "uploads", "" };
	struct s3_answer a;
	enum err_code rc = s3_do(s,
		&(struct s3_call){ .method = "GET", .query = &q, .query_n = 1, .to_fd = -1 }, &a,
		e);
	if (rc == OK && !s3_xml_read(buf_str(&a.text), a.text.len, print_upload, NULL))
		rc = err_set(e, ERR_BLOB_IO, "no XML");
	s3_answer_done(&a);
	return rc;
}

static enum err_code put(struct s3 *s, const char *key, const char *file, struct err *e)
{
	autofd fd = open(file, O_RDONLY | O_CLOEXEC);
	return s3_put(s, key, fd, io_size(fd), "application/x-test", false, e);
}

static enum err_code get(struct s3 *s, const char *key, struct err *e)
{
	autofd fd = -1;
	int64_t bytes, copied;
	enum err_code rc = s3_get(s, key, &fd, &bytes, e);
	return rc != OK ? rc : io_copy(fd, STDOUT_FILENO, &copied, e);
}

static enum err_code head(struct s3 *s, const char *key, struct err *e)
{
	int64_t bytes = 0;
	enum err_code rc = s3_head(s, key, &bytes, e);
	if (rc == OK)
		printf("%" PRId64 "\n", bytes);
	return rc;
}

static bool print_key(void *ctx, const char *key, int64_t bytes, int64_t modified_ms)
{
	(void)ctx;
	printf("%" PRId64 " %" PRId64 " %s\n", bytes, modified_ms, key);
	return true;
}

static enum err_code make_link(struct s3 *s, char **arg, struct err *e)
{
	autofree char *url = NULL;
	enum err_code rc = s3_link(s, arg[0], arg[1], strtoll(arg[3], NULL, 10),
		strtoll(arg[2], NULL, 10), &url, e);
	if (rc == OK)
		printf("%s\n", url);
	return rc;
}

static enum err_code fill(struct s3 *s, long n, size_t bytes, struct err *e)
{
	autofree char *data = mem_zalloc(bytes);
	autofd fd = -1;
	enum err_code rc = io_memfd("fill", &fd, e);
	random_bytes(data, bytes);
	if (rc == OK)
		rc = io_write_all(fd, data, bytes, e);
	int64_t began = 0;
	for (long i = -1; rc == OK && i < n; i++) {
		char key[32];
		snprintf(key, sizeof(key), "fill/%ld", i);
		rc = s3_put(s, key, fd, (int64_t)bytes, "application/x-test", false, e);
		if (i < 0)
			began = clock_mono_us(); /* the first one opens the connection */
	}
	printf("%" PRId64 "\n", clock_mono_us() - began);
	return rc;
}

static enum err_code print_keys(struct s3 *s, struct err *e)
{
	char line[16];
	while (fgets(line, sizeof(line), stdin) != NULL) {
		struct aws_keys k = { 0 };
		if (credentials_get(s->credentials, &k, e) != OK)
			return e->code;
		printf("%s %s %s %s\n", k.access_key, k.secret_key,
			k.session_token != NULL ? k.session_token : "-", s->region);
		fflush(stdout);
		aws_keys_done(&k);
	}
	return OK;
}

static enum err_code run(struct s3 *s, int n, char **arg, struct err *e)
{
	if (n == 1 && strcmp(arg[0], "make-bucket") == 0)
		return make_bucket(s, e);
	if (n == 1 && strcmp(arg[0], "keys") == 0)
		return print_keys(s, e);
	if (n == 1 && strcmp(arg[0], "uploads") == 0)
		return uploads(s, e);
	if (n == 3 && strcmp(arg[0], "put") == 0)
		return put(s, arg[1], arg[2], e);
	if (n == 2 && strcmp(arg[0], "get") == 0)
		return get(s, arg[1], e);
	if (n == 2 && strcmp(arg[0], "head") == 0)
		return head(s, arg[1], e);
	if (n == 2 && strcmp(arg[0], "delete") == 0)
		return s3_delete(s, arg[1], e);
	if (n == 1 && strcmp(arg[0], "list") == 0)
		return s3_list(s, "", print_key, NULL, e);
	if (n == 5 && strcmp(arg[0], "link") == 0)
		return make_link(s, arg + 1, e);
	if (n == 2 && strcmp(arg[0], "abort-old") == 0)
		return s3_abort_old(s, strtoll(arg[1], NULL, 10), e);
	if (n == 3 && strcmp(arg[0], "fill") == 0)
		return fill(s, strtol(arg[1], NULL, 10), (size_t)strtol(arg[2], NULL, 10), e);
	return err_set(e, ERR_USAGE, "what?");
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	struct s3 s = { 0 };
	struct blob_opts o = { .environment = environ };
	if (argc < 3)
		return 64;
	enum err_code rc = net_init(&e);
	if (rc == OK)
		rc = s3_open(argv[1], &o, &s, &e);
	if (rc == OK)
		rc = run(&s, argc - 2, argv + 2, &e);
	if (rc != OK)
		fprintf(stderr, "%s: %s\n", err_name(rc), e.text);
	s3_close(&s);
	return rc == OK ? 0 : 1;
}
