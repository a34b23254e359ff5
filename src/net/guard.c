/* SPDX-License-Identifier: MIT
 *
 * Which addresses bulb may connect to. Names play no part in it: whoever can make a name resolve to
 * 8.8.8.8 can make it resolve to 127.0.0.1 a moment later, so only the address about to be
 * connected counts.
 *
 * IPv4: everything but the blocks that IANA's special-purpose registry does not call globally
 * reachable. IPv6: nothing but 2000::/3, less the blocks in it with a special purpose. Where an
 * IPv6 address leads to an IPv4 one, by 6to4, NAT64 or ISATAP, the IPv4 one is judged.
 * https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry
 */
#include "net/net.h"

#include <string.h>

#define V4(p, q, r, s, n)                                                                          \
	{                                                                                          \
		{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, p, q, r, s } }, 96 + (n)             \
	}
#define V6(p, q, n)                                                                                \
	{                                                                                          \
		{ { (p) >> 8, (p)&0xff, (q) >> 8, (q)&0xff } }, (n)                                \
	}

static const struct cidr refused[] = {
	V4(0, 0, 0, 0, 8),        /* this network; Linux takes 0.0.0.0 for loopback */
	V4(10, 0, 0, 0, 8),       /* private */
	V4(100, 64, 0, 0, 10),    /* carrier-grade NAT; 100.100.100.200 is Alibaba's metadata */
	V4(127, 0, 0, 0, 8),      /* loopback */
	V4(168, 63, 129, 16, 32), /* Azure's host, the same public-looking address everywhere */
	V4(169, 254, 0, 0, 16),   /* link-local; 169.254.169.254 is most clouds' metadata */
	V4(172, 16, 0, 0, 12),    /* private */
	V4(192, 0, 0, 0, 24),     /* protocol assignments; 192.0.0.192 is Oracle's metadata */
	V4(192, 0, 2, 0, 24),     /* documentation */
	V4(192, 88, 99, 0, 24),   /* 6to4 relays */
	V4(192, 168, 0, 0, 16),   /* private */
	V4(198, 18, 0, 0, 15),    /* benchmarks */
	V4(198, 51, 100, 0, 24),  /* documentation */
	V4(203, 0, 113, 0, 24),   /* documentation */
	V4(224, 0, 0, 0, 4),      /* multicast */
	V4(240, 0, 0, 0, 4),      /* reserved, broadcast */
	V6(0x2001, 0, 23),        /* protocol assignments, Teredo, benchmarks, ORCHID */
	V6(0x2001, 0xdb8, 32),    /* documentation */
	V6(0x3fff, 0, 20),        /* documentation */
};
static const struct cidr v6_global = V6(0x2000, 0, 3);
static const struct cidr v6_6to4 = V6(0x2002, 0, 16);
static const struct cidr v6_nat64 = V6(0x64, 0xff9b, 96);

/* ISATAP: an interface id of 0000:5efe or 0200:5efe, then the IPv4 address (RFC 5214 §6.1). */
static bool is_isatap(const struct ip *ip)
{
	return (ip->b[8] & 0xfd) == 0 && ip->b[9] == 0 && ip->b[10] == 0x5e && ip->b[11] == 0xfe;
}

static bool v4_allowed(const struct net_guard *g, const uint8_t four[4])
{
	struct ip v4 = { .b = { [10] = 0xff, [11] = 0xff } };
	memcpy(v4.b + 12, four, 4);
	return net_address_allowed(g, &v4);
}

bool net_address_allowed(const struct net_guard *g, const struct ip *ip)
{
	if (g->off || cidr_any(g->allow, g->allow_n, ip))
		return true;
	if (cidr_any(refused, ARRAY_LEN(refused), ip))
		return false;
	if (ip_is_v4(ip))
		return true;
	if (cidr_has(&v6_nat64, ip))
		return v4_allowed(g, ip->b + 12);
	if (cidr_has(&v6_6to4, ip))
		return v4_allowed(g, ip->b + 2);
	if (is_isatap(ip) && !v4_allowed(g, ip->b + 12))
		return false;
	return cidr_has(&v6_global, ip);
}
