/* SPDX-License-Identifier: MIT
 *
 * Digests by published vectors, text forms by RFC 4648, sealing by what must not open.
 */
#include "lib/test.h"

#include "base/digest.h"
#include "base/io.h"
#include "base/mem.h"

#include <unistd.h>

#define ABC_SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void sha256_agrees_with_fips_180(void **state)
{
	(void)state;
	uint8_t d[SHA256_LEN];
	char hex[HEX_MAX(SHA256_LEN)];
	sha256_of("abc", 3, d);
	hex_format(d, sizeof(d), hex);
	assert_string_equal(hex, ABC_SHA256);
	sha256_of(NULL, 0, d);
	hex_format(d, sizeof(d), hex);
	assert_string_equal(hex,
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void a_digest_in_parts_is_the_digest_of_the_whole(void **state)
{
	(void)state;
	uint8_t whole[SHA256_LEN], parts[SHA256_LEN];
	sha256_of("abc", 3, whole);
	struct sha256 *s = sha256_new();
	sha256_add(s, "a", 1);
	sha256_add(s, "", 0);
	sha256_add(s, "bc", 2);
	sha256_end(s, parts);
	assert_memory_equal(whole, parts, SHA256_LEN);
	sha256_free(sha256_new());
	sha256_free(NULL);
}

static void a_file_is_digested_from_its_start_and_left_where_it_was(void **state)
{
	(void)state;
	struct err e = { 0 };
	autofd fd = -1;
	uint8_t d[SHA256_LEN], want[SHA256_LEN];
	assert_ok(io_memfd("test", &fd, &e));
	assert_ok(io_write_all(fd, "abc", 3, &e));
	off_t at = lseek(fd, 1, SEEK_SET);
	assert_ok(sha256_fd(fd, d, &e));
	sha256_of("abc", 3, want);
	assert_memory_equal(d, want, SHA256_LEN);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), at);
	assert_err(sha256_fd(-1, d, &e), ERR_SYSTEM);
}

static void hmac_agrees_with_rfc_4231(void **state)
{
	(void)state;
	uint8_t d[SHA256_LEN];
	char hex[HEX_MAX(SHA256_LEN)];
	hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, d);
	hex_format(d, sizeof(d), hex);
	assert_string_equal(hex,
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	hmac_sha256("", 0, "", 0, d);
	hex_format(d, sizeof(d), hex);
	assert_string_equal(hex,
		"b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void hex_takes_exactly_its_digits(void **state)
{
	(void)state;
	uint8_t d[2];
	assert_true(hex_parse("aB09", d, 2));
	assert_int_equal(d[0] << 8 | d[1], 0xAB09);
	assert_false(hex_parse("aB0", d, 2));
	assert_false(hex_parse("aB090", d, 2));
	assert_false(hex_parse("aB0g", d, 2));
}

static void base64_agrees_with_rfc_4648(void **state)
{
	(void)state;
	static const char *const plain[] = { "", "f", "fo", "foo", "foob", "fooba", "foobar" };
	static const char *const coded[] = { "", "Zg==", "Zm8=", "Zm9v",
		"Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };
	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		char out[32], back[32];
		size_t n = strlen(plain[i]), room = sizeof(back);
		assert_int_equal(base64_format(plain[i], n, out), strlen(coded[i]));
		assert_string_equal(out, coded[i]);
		assert_true(base64_parse(out, strlen(out), back, &room));
		assert_int_equal(room, n);
		assert_memory_equal(back, plain[i], n);
	}
}

static void base64_has_one_spelling_of_each_value(void **state)
{
	(void)state;
	static const char *const bad[] = { "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "Zm9v=", "Zm 9v",
		"Zm9v\n", "====", "Zm-_", "=Zg=" };
	char back[32];
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		size_t room = sizeof(back);
		if (base64_parse(bad[i], strlen(bad[i]), back, &room))
			fail_msg("taken: '%s'", bad[i]);
	}
	size_t room = sizeof(back);
	assert_false(base64url_parse("Zg==", 4, back, &room));
	assert_false(base64url_parse("Zh", 2, back, &room));
	assert_false(base64url_parse("Zm9vZ", 5, back, &room));
	assert_true(base64url_parse("-_8", 3, back, &room));
	assert_memory_equal(back, "\xFB\xFF", 2);
	room = 2;
	assert_false(base64url_parse("Zm9v", 4, back, &room)); /* no room for three bytes */
}

static void sealed_text_opens_under_its_key_only(void **state)
{
	(void)state;
	uint8_t key[32] = { 1 }, other[32] = { 2 };
	size_t n = 0;
	autofree char *sealed = seal_text(key, "secret", 6), *again = seal_text(key, "secret", 6);
	assert_string_not_equal(sealed, again);
	assert_null(strstr(sealed, "secret"));
	autofree char *text = unseal_text(key, sealed, &n);
	assert_non_null(text);
	assert_int_equal(n, 6);
	assert_string_equal(text, "secret");
	assert_null(unseal_text(other, sealed, &n));
}

static void sealed_text_that_was_changed_does_not_open(void **state)
{
	(void)state;
	uint8_t key[32] = { 1 };
	size_t n = 0;
	autofree char *sealed = seal_text(key, "secret", 6), *empty = seal_text(key, "", 0);
	for (size_t i = 0; i < strlen(sealed); i++) {
		char was = sealed[i];
		sealed[i] = was == 'A' ? 'B' : 'A';
		assert_null(unseal_text(key, sealed, &n));
		sealed[i] = was;
	}
	sealed[strlen(sealed) - 2] = '\0';
	assert_null(unseal_text(key, sealed, &n));
	assert_null(unseal_text(key, "", &n));
	autofree char *nothing = unseal_text(key, empty, &n);
	assert_non_null(nothing);
	assert_int_equal(n, 0);
}

static void sha1_makes_the_handshake_of_rfc_6455(void **state)
{
	(void)state;
	static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t d[20];
	char text[BASE64_MAX(20)];
	sha1_of(key, strlen(key), d);
	base64_format(d, sizeof(d), text);
	assert_string_equal(text, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(sha256_agrees_with_fips_180),
	cmocka_unit_test(a_digest_in_parts_is_the_digest_of_the_whole),
	cmocka_unit_test(a_file_is_digested_from_its_start_and_left_where_it_was),
	cmocka_unit_test(hmac_agrees_with_rfc_4231),
	cmocka_unit_test(hex_takes_exactly_its_digits),
	cmocka_unit_test(base64_agrees_with_rfc_4648),
	cmocka_unit_test(base64_has_one_spelling_of_each_value),
	cmocka_unit_test(sealed_text_opens_under_its_key_only),
	cmocka_unit_test(sealed_text_that_was_changed_does_not_open),
	cmocka_unit_test(sha1_makes_the_handshake_of_rfc_6455),
};
TEST_MAIN(tests)
