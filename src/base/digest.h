/* SPDX-License-Identifier: MIT
 *
 * SHA-256 (FIPS 180-4), HMAC-SHA-256 (RFC 2104), AES-256-GCM sealing, and the text forms of bytes.
 * Thread-safe; a struct sha256 belongs to one thread at a time.
 */
#ifndef BULB_BASE_DIGEST_H
#define BULB_BASE_DIGEST_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN 32

struct sha256; /* a running digest */
struct sha256 *sha256_new(void);
void sha256_add(struct sha256 *s, const void *data, size_t n);
void sha256_end(struct sha256 *s, uint8_t out[SHA256_LEN]); /* frees s */
void sha256_free(struct sha256 *s);                         /* without a result; NULL is fine */
void sha256_of(const void *data, size_t n, uint8_t out[SHA256_LEN]);
/* The digest of a whole file from its start; the file's offset is left alone. */
enum err_code sha256_fd(int fd, uint8_t out[SHA256_LEN], struct err *e) MUST_CHECK;
#define SHA512_LEN 64
enum err_code sha512_fd(int fd, uint8_t out[SHA512_LEN], struct err *e) MUST_CHECK;
void hmac_sha256(const void *key, size_t key_len, const void *data, size_t n,
	uint8_t out[SHA256_LEN]);
/* Only for RFC 6455's handshake, where it secures nothing. */
void sha1_of(const void *data, size_t n, uint8_t out[20]);
bool bytes_equal_secret(const void *a, const void *b, size_t n); /* constant time */

#define HEX_MAX(n) ((n)*2 + 1)
void hex_format(const void *data, size_t n, char *out); /* HEX_MAX(n) chars, lower case */
bool hex_parse(const char *s, void *out, size_t n);     /* exactly 2n hex digits */
#define BASE64_MAX(n) (((n) + 2) / 3 * 4 + 1)
size_t base64_format(const void *data, size_t n, char *out);    /* with padding; returns length */
size_t base64url_format(const void *data, size_t n, char *out); /* RFC 4648 §5, no padding */
/* Both strict; *n is the room on entry and the length on return. */
bool base64_parse(const char *s, size_t len, void *out, size_t *n);
bool base64url_parse(const char *s, size_t len, void *out, size_t *n);

/* Seal text under a 32-byte key: base64url of nonce ‖ ciphertext ‖ tag. The caller frees. */
char *seal_text(const uint8_t key[32], const char *text, size_t n);
/* NULL when it was not sealed under this key or was changed. The caller frees (mem_wipe first). */
char *unseal_text(const uint8_t key[32], const char *sealed, size_t *ret_n);

#endif
