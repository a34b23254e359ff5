/* SPDX-License-Identifier: MIT
 *
 * Keys are made of signs that a double click selects whole, and begin with a word that scanners for
 * leaked secrets can look for.
 */
#include "job/key.h"

#include "base/buf.h"
#include "base/id.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static const char signs[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static void hash_of(const char *secret, uint8_t out[SHA256_LEN])
{
	sha256_of(secret, strlen(secret), out);
}

void key_make(struct key *ret)
{
	char id[ID_LEN + 1], secret[KEY_SECRET_LEN + 1] = "";

	id_new(id);
	for (size_t i = 0; i < KEY_SECRET_LEN; i++)
		secret[i] = signs[random_below(sizeof(signs) - 1)];
	snprintf(ret->id, sizeof(ret->id), "%.*s", KEY_ID_LEN, id);
	snprintf(ret->text, sizeof(ret->text), KEY_PREFIX "%s_%s", ret->id, secret);
	hash_of(secret, ret->hash);
	mem_wipe(secret, sizeof(secret));
}

bool key_parse(const char *text, struct key *ret)
{
	const size_t skip = strlen(KEY_PREFIX);

	if (strlen(text) != KEY_MAX - 1 || strncmp(text, KEY_PREFIX, skip) != 0 ||
		text[skip + KEY_ID_LEN] != '_' || strspn(text + skip, signs) != KEY_ID_LEN)
		return false;
	snprintf(ret->text, sizeof(ret->text), "%s", text);
	snprintf(ret->id, sizeof(ret->id), "%.*s", KEY_ID_LEN, text + skip);
	hash_of(text + skip + KEY_ID_LEN + 1, ret->hash);
	return true;
}

/* ---- scopes --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	unsigned bit;
} scopes[] = { { "read", KEY_READ }, { "write", KEY_WRITE }, { "admin", KEY_ADMIN } };

unsigned key_scope_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
		if (strcmp(scopes[i].name, name) == 0)
			return scopes[i].bit;
	return 0;
}

char *key_scopes_text(unsigned bits)
{
	struct buf b = BUF_INIT(64);

	for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
		if (bits & scopes[i].bit)
			buf_printf(&b, "%s%s", b.len ? "," : "", scopes[i].name);
	return b.len ? buf_take(&b) : mem_strdup("");
}
