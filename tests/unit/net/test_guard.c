/* SPDX-License-Identifier: MIT */
#include "lib/test.h"
#include "net/net.h"

static bool allowed(const struct net_guard *g, const char *text)
{
	struct ip ip;
	if (!ip_parse(text, &ip))
		fail_msg("not an address: %s", text);
	return net_address_allowed(g, &ip);
}

static void addresses_that_are_not_public_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255",
		"100.64.0.1", "100.127.255.255", "100.100.100.200", "127.0.0.1", "127.255.255.254",
		"168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1",
		"172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1",
		"192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1",
		"203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
		"::ffff:0:127.0.0.1", "100::1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1",
		"64:ff9b:1::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
		"2001::1", "2001:0:4136:e378::1", "2001:10::1", "2001:20::1", "2001:1ff:ffff::1",
		"2001:db8::1", "2002:7f00:1::1", "2002:a00:1::", "2002:a9fe:a9fe::1",
		"2002:c0a8:101::1", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "1fff::1",
		"2a00:1450::5efe:10.0.0.1", "2a00:1450::200:5efe:127.0.0.1" };
	struct net_guard g = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (allowed(&g, bad[i]))
			fail_msg("%s is allowed", bad[i]);
}

static void public_addresses_are_allowed(void **state)
{
	(void)state;
	static const char *const good[] = { "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0",
		"93.184.216.34", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
		"168.63.129.15", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
		"192.0.1.0", "192.88.98.1", "192.167.255.255", "192.169.0.0", "198.17.255.255",
		"198.20.0.0", "203.0.112.255", "223.255.255.255", "2001:200::1",
		"2001:4860:4860::8888", "2606:4700::1111", "2a00:1450:4001:82a::200e",
		"2002:808:808::1", "64:ff9b::808:808", "::ffff:8.8.8.8", "3ffe::1", "3fff:1000::1",
		"2a00:1450::5efe:8.8.8.8" };
	struct net_guard g = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!allowed(&g, good[i]))
			fail_msg("%s is refused", good[i]);
}

static void an_allowed_block_opens_that_block_only(void **state)
{
	(void)state;
	struct cidr list[2];
	assert_true(cidr_parse("10.0.0.5/32", &list[0]));
	assert_true(cidr_parse("fd12::/16", &list[1]));
	struct net_guard g = { .allow = list, .allow_n = 2 };
	assert_true(allowed(&g, "10.0.0.5"));
	assert_true(allowed(&g, "::ffff:10.0.0.5"));
	assert_true(allowed(&g, "64:ff9b::10.0.0.5"));
	assert_true(allowed(&g, "2002:a00:5::1"));
	assert_true(allowed(&g, "fd12::1"));
	assert_false(allowed(&g, "10.0.0.6"));
	assert_false(allowed(&g, "fd13::1"));
	assert_false(allowed(&g, "127.0.0.1"));
}

static void a_guard_that_is_off_allows_all(void **state)
{
	(void)state;
	struct net_guard g = { .off = true };
	assert_true(allowed(&g, "127.0.0.1"));
	assert_true(allowed(&g, "::1"));
}

/* Every first octet, both ends: the blocks refused are those of the table, no wider. */
static void whole_blocks_are_refused_and_no_more(void **state)
{
	(void)state;
	struct net_guard g = { 0 };
	for (unsigned a = 0; a < 256; a++) {
		struct ip ip = {
			.b = { [10] = 0xff, [11] = 0xff, [12] = (uint8_t)a, 200, 200, 200 }
		};
		bool bad = a == 0 || a == 10 || a == 127 || a >= 224;
		assert_int_equal(net_address_allowed(&g, &ip), !bad);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(addresses_that_are_not_public_are_refused),
	cmocka_unit_test(public_addresses_are_allowed),
	cmocka_unit_test(an_allowed_block_opens_that_block_only),
	cmocka_unit_test(a_guard_that_is_off_allows_all),
	cmocka_unit_test(whole_blocks_are_refused_and_no_more),
};
TEST_MAIN(tests)
