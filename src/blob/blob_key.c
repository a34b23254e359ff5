/* SPDX-License-Identifier: MIT
 *
 * Names of new blobs. A name is never used twice, whatever a template says: what stood under it may
 * wait in the trash, and would be deleted under its successor. So every name holds an id of its own;
 * a template says what stands before it, for people who look into a bucket.
 */
#include "base/buf.h"
#include "base/digest.h"
#include "base/id.h"
#include "base/mem.h"
#include "blob/blob.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define EXT      ".{ext}"
#define PART_MAX 64 /* of what a user wrote: a reference, a variant's name */

/* The folder is a piece of the id itself, from the middle, where all five bits of a character are
 * random: 1,024 folders. */
void blob_key_new(const char *ext, char ret[BLOB_KEY_LEN_MAX + 1])
{
	char id[ID_LEN + 1];
	id_new(id);
	int n = snprintf(ret, BLOB_KEY_LEN_MAX + 1, "%.2s/%s.%s", id + 10, id, ext);
	assert(n <= BLOB_KEY_LEN_MAX);
	(void)n;
}

/* Text of a user's as part of a name: small letters, digits, '_' and '-', and '.' within. */
static void add_plain(struct buf *out, const char *s)
{
	for (size_t i = 0; i < PART_MAX && s[i] != '\0'; i++) {
		unsigned char c = (unsigned char)s[i];
		bool dot = c == '.' && i > 0;
		buf_putc(out, c < 0x80 && (isalnum(c) || c == '_' || dot) ? (char)tolower(c) : '-');
	}
	if (s[0] == '\0')
		buf_putc(out, '-');
}

static bool add_field(struct buf *out, const char *name, size_t n, const struct blob_name *what)
{
	char sha[HEX_MAX(SHA256_LEN)];
	hex_format(what->sha256, SHA256_LEN, sha);
	char tenant[24];
	snprintf(tenant, sizeof(tenant), "%lld", (long long)what->tenant);
	const struct {
		const char *name, *value;
	} fields[] = { { "tenant", tenant }, { "ref", what->ref != NULL ? what->ref : "" },
		{ "variant", what->variant }, { "sha256", sha }, { "sha8", NULL } };
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (strlen(fields[i].name) != n || memcmp(fields[i].name, name, n) != 0)
			continue;
		sha[fields[i].value == NULL ? 8 : 2 * SHA256_LEN] = '\0';
		add_plain(out, fields[i].value != NULL ? fields[i].value : sha);
		return true;
	}
	return false;
}

/* Everything before ".{ext}"; false: it has no such field. */
static bool expand(const char *template, size_t n, const struct blob_name *what, struct buf *out)
{
	for (const char *p = template, *end = template + n; p < end;) {
		const char *close = *p == '{' ? memchr(p, '}', (size_t)(end - p)) : NULL;
		if (*p != '{') {
			buf_putc(out, *p++);
			continue;
		}
		if (close == NULL || !add_field(out, p + 1, (size_t)(close - p) - 1, what))
			return false;
		p = close + 1;
	}
	return true;
}

static size_t stem_length(const char *template)
{
	size_t n = strlen(template), ext = strlen(EXT);
	return n > ext && strcmp(template + n - ext, EXT) == 0 ? n - ext : 0;
}

void blob_key_make(const char *template, const struct blob_name *what,
	char ret[BLOB_KEY_LEN_MAX + 1])
{
	char id[ID_LEN + 1];
	struct buf stem = BUF_INIT(BLOB_KEY_LEN_MAX - ID_LEN - 16);
	id_new(id);
	if (template == NULL || !expand(template, stem_length(template), what, &stem) || stem.full)
		blob_key_new(what->ext, ret);
	else
		snprintf(ret, BLOB_KEY_LEN_MAX + 1, "%s.%s.%s", buf_str(&stem), id, what->ext);
	buf_done(&stem);
}

enum err_code blob_key_check(const char *template, struct err *e)
{
	static const uint8_t sha[SHA256_LEN];
	const struct blob_name example = { .variant = "v",
		.ref = "r",
		.sha256 = sha,
		.ext = "jpg" };
	char key[BLOB_KEY_LEN_MAX + 1];
	struct buf stem = BUF_INIT(BLOB_KEY_LEN_MAX);
	size_t n = stem_length(template);
	if (n == 0)
		return err_set(e, ERR_USAGE, "--blob-key '%.100s': it has to end with " EXT,
			template);
	if (strstr(template, "{sha256}") == NULL && strstr(template, "{sha8}") == NULL)
		return err_set(e, ERR_USAGE,
			"--blob-key '%.100s': without {sha256} or {sha8} two results could meet",
			template);
	bool good = expand(template, n, &example, &stem);
	buf_done(&stem);
	if (!good)
		return err_set(e, ERR_USAGE,
			"--blob-key '%.100s': the fields are {tenant} {ref} {variant} {sha256} {sha8} "
			"{ext}",
			template);
	blob_key_make(template, &example, key);
	if (!blob_key_is_good(key) || n > 100)
		return err_set(e, ERR_USAGE,
			"--blob-key '%.100s': small letters, digits and . / _ - only, and at most 100 "
			"of them",
			template);
	return OK;
}
