/* SPDX-License-Identifier: MIT
 *
 * Digests and sealing by OpenSSL's EVP. The algorithms are fetched once: an implicit fetch at every
 * call takes a lock and costs more than hashing a short string. A failure here means a broken
 * libcrypto, which nothing can be done about, so it ends the process.
 */
#include "base/digest.h"

#include "base/id.h"
#include "base/io.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define NONCE_LEN 12
#define TAG_LEN   16

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256, *sha512;
static EVP_CIPHER *aes_256_gcm;

static void must(bool ok)
{
	if (!ok) {
		fprintf(stderr, "bulb: libcrypto does not work\n");
		abort();
	}
}

static void fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
	aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	must(sha256 && sha512 && aes_256_gcm);
}

/* A struct sha256 is an EVP_MD_CTX by another name. */
struct sha256 *sha256_new(void)
{
	pthread_once(&once, fetch);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	must(ctx && EVP_DigestInit_ex(ctx, sha256, NULL) == 1);
	return (struct sha256 *)ctx;
}

void sha256_add(struct sha256 *s, const void *data, size_t n)
{
	must(EVP_DigestUpdate((EVP_MD_CTX *)s, data, n) == 1);
}

void sha256_end(struct sha256 *s, uint8_t out[SHA256_LEN])
{
	must(EVP_DigestFinal_ex((EVP_MD_CTX *)s, out, NULL) == 1);
	sha256_free(s);
}

void sha256_free(struct sha256 *s)
{
	EVP_MD_CTX_free((EVP_MD_CTX *)s);
}

void sha256_of(const void *data, size_t n, uint8_t out[SHA256_LEN])
{
	pthread_once(&once, fetch);
	must(EVP_Digest(n ? data : "", n, out, NULL, sha256, NULL) == 1);
}

void sha1_of(const void *data, size_t n, uint8_t out[20])
{
	must(EVP_Digest(n ? data : "", n, out, NULL, EVP_sha1(), NULL) == 1);
}

static enum err_code add_file(EVP_MD_CTX *ctx, int fd, struct err *e)
{
	autofree char *block = mem_zalloc(64 << 10);
	size_t n = 0;
	off_t at = 0;
	do {
		if (io_pread(fd, block, 64 << 10, at, &n, e) != OK)
			return err_wrap(e, "its digest");
		must(EVP_DigestUpdate(ctx, block, n) == 1);
		at += (off_t)n;
	} while (n > 0);
	return OK;
}

static enum err_code digest_fd(EVP_MD *md, int fd, uint8_t *out, struct err *e)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	must(ctx && EVP_DigestInit_ex(ctx, md, NULL) == 1);
	enum err_code code = add_file(ctx, fd, e);
	if (code == OK)
		must(EVP_DigestFinal_ex(ctx, out, NULL) == 1);
	EVP_MD_CTX_free(ctx);
	return code;
}

enum err_code sha256_fd(int fd, uint8_t out[SHA256_LEN], struct err *e)
{
	pthread_once(&once, fetch);
	return digest_fd(sha256, fd, out, e);
}

enum err_code sha512_fd(int fd, uint8_t out[SHA512_LEN], struct err *e)
{
	pthread_once(&once, fetch);
	return digest_fd(sha512, fd, out, e);
}

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t n,
	uint8_t out[SHA256_LEN])
{
	pthread_once(&once, fetch);
	must(HMAC(sha256, key_len ? key : "", (int)key_len, data, n, out, NULL) != NULL);
}

bool bytes_equal_secret(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

/* ---- sealing ---- */

char *seal_text(const uint8_t key[32], const char *text, size_t n)
{
	pthread_once(&once, fetch);
	size_t len = NONCE_LEN + n + TAG_LEN;
	autofree uint8_t *raw = mem_zalloc(len);
	random_bytes(raw, NONCE_LEN);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int out = 0;
	must(ctx && EVP_EncryptInit_ex2(ctx, aes_256_gcm, key, raw, NULL) == 1 &&
		EVP_EncryptUpdate(ctx, raw + NONCE_LEN, &out, (const uint8_t *)text, (int)n) == 1 &&
		EVP_EncryptFinal_ex(ctx, raw + NONCE_LEN + out, &out) == 1 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, raw + NONCE_LEN + n) == 1);
	EVP_CIPHER_CTX_free(ctx);
	char *sealed = mem_zalloc(BASE64_MAX(len));
	base64url_format(raw, len, sealed);
	return sealed;
}

/* raw is nonce ‖ ciphertext ‖ tag of at least that length; text has room for n bytes. */
static bool unseal_raw(const uint8_t key[32], uint8_t *raw, size_t n, char *text)
{
	pthread_once(&once, fetch);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	must(ctx != NULL);
	int out = 0;
	bool ok = EVP_DecryptInit_ex2(ctx, aes_256_gcm, key, raw, NULL) == 1 &&
		EVP_DecryptUpdate(ctx, (uint8_t *)text, &out, raw + NONCE_LEN, (int)n) == 1 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, raw + NONCE_LEN + n) == 1 &&
		EVP_DecryptFinal_ex(ctx, (uint8_t *)text + out, &out) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

char *unseal_text(const uint8_t key[32], const char *sealed, size_t *ret_n)
{
	size_t len = strlen(sealed);
	autofree uint8_t *raw = mem_zalloc(len + 1);
	size_t raw_len = len;
	if (!base64url_parse(sealed, len, raw, &raw_len) || raw_len < NONCE_LEN + TAG_LEN)
		return NULL;
	size_t n = raw_len - NONCE_LEN - TAG_LEN;
	char *text = mem_zalloc(n + 1);
	if (!unseal_raw(key, raw, n, text)) {
		mem_wipe(text, n);
		free(text);
		return NULL;
	}
	text[n] = '\0';
	*ret_n = n;
	return text;
}
