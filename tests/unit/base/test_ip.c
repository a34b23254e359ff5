/* SPDX-License-Identifier: MIT
 *
 * Addresses and blocks: one form for both families, and spellings that try to look like names.
 */
#include "lib/test.h"

#include "base/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static bool in_block(const char *block, const char *address)
{
	struct cidr c;
	struct ip ip;
	assert_true(cidr_parse(block, &c));
	assert_true(ip_parse(address, &ip));
	return cidr_has(&c, &ip) && cidr_any((struct cidr[]){ c }, 1, &ip);
}

static void addresses_are_written_in_one_form(void **state)
{
	(void)state;
	static const char *const pairs[][2] = { { "10.0.0.1", "10.0.0.1" }, { "::1", "::1" },
		{ "2001:DB8:0:0::1", "2001:db8::1" }, { "::ffff:10.0.0.1", "10.0.0.1" },
		{ "::ffff:0a00:0001", "10.0.0.1" } };
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct ip ip;
		char out[46];
		assert_true(ip_parse(pairs[i][0], &ip));
		ip_format(&ip, out);
		assert_string_equal(out, pairs[i][1]);
	}
}

static void odd_spellings_are_no_addresses(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "010.0.0.1", "10.1", "1.2.3.4.5", "1.2.3.256",
		"0x7f.1", "1.2.3.4 ", "fe80::1%eth0", "[::1]", "2130706433", ":::" };
	struct ip ip;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (ip_parse(bad[i], &ip))
			fail_msg("taken: '%s'", bad[i]);
}

static void odd_quads_are_seen(void **state)
{
	(void)state;
	static const char *const odd[] = { "010.0.0.1", "0x7f.1", "2130706433", "127.1",
		"0x7f000001", "127.0.0.1.", "1.2.3.4.5", "0x.0x.0x.0x", "017700000001" };
	static const char *const fine[] = { "127.0.0.1", "example.com", "1.example", "0xg", "abc",
		"", "1-2.3" };
	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		if (!ip_is_odd_quad(odd[i]))
			fail_msg("not seen: '%s'", odd[i]);
	for (size_t i = 0; i < ARRAY_LEN(fine); i++)
		if (ip_is_odd_quad(fine[i]))
			fail_msg("wrongly seen: '%s'", fine[i]);
}

static void blocks_hold_their_addresses_in_either_spelling(void **state)
{
	(void)state;
	assert_true(in_block("10.0.0.0/8", "10.255.1.2"));
	assert_true(in_block("10.0.0.0/8", "::ffff:10.1.2.3"));
	assert_false(in_block("10.0.0.0/8", "11.0.0.0"));
	assert_false(in_block("10.0.0.0/8", "::a00:1"));
	assert_true(in_block("169.254.0.0/16", "169.254.169.254"));
	assert_true(in_block("172.16.0.0/12", "172.31.255.255"));
	assert_false(in_block("172.16.0.0/12", "172.32.0.0"));
	assert_true(in_block("fe80::/10", "febf::1"));
	assert_false(in_block("fe80::/10", "fec0::1"));
	assert_true(in_block("192.0.2.7", "192.0.2.7"));
	assert_false(in_block("192.0.2.7", "192.0.2.6"));
	assert_true(in_block("0.0.0.0/0", "8.8.8.8"));
	assert_false(in_block("0.0.0.0/0", "2001:db8::1"));
	assert_true(in_block("::/0", "2001:db8::1"));
}

static void ill_formed_blocks_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
		"10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/8x", "::/129", "host/8", "10.0.0.0/8/8" };
	struct cidr c;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (cidr_parse(bad[i], &c))
			fail_msg("taken: '%s'", bad[i]);
}

static void socket_addresses_are_taken(void **state)
{
	(void)state;
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7F000001) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr unix_socket = { .sa_family = AF_UNIX };
	struct ip ip;
	char out[46];
	assert_true(ip_from_sockaddr((struct sockaddr *)&v4, &ip));
	assert_true(ip_is_v4(&ip));
	ip_format(&ip, out);
	assert_string_equal(out, "127.0.0.1");
	assert_true(ip_from_sockaddr((struct sockaddr *)&v6, &ip));
	assert_false(ip_is_v4(&ip));
	assert_false(ip_from_sockaddr(&unix_socket, &ip));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(addresses_are_written_in_one_form),
	cmocka_unit_test(odd_spellings_are_no_addresses),
	cmocka_unit_test(odd_quads_are_seen),
	cmocka_unit_test(blocks_hold_their_addresses_in_either_spelling),
	cmocka_unit_test(ill_formed_blocks_are_refused),
	cmocka_unit_test(socket_addresses_are_taken),
};
TEST_MAIN(tests)
