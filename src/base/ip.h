/* SPDX-License-Identifier: MIT
 *
 * IP addresses and CIDR blocks. Addresses are kept as 16 bytes, IPv4 as ::ffff:a.b.c.d.
 */
#ifndef BULB_BASE_IP_H
#define BULB_BASE_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

struct ip {
	uint8_t b[16];
};
struct cidr {
	struct ip ip;
	uint8_t bits; /* of 128 */
};

bool ip_parse(const char *s, struct ip *ret); /* canonical dotted quads and RFC 4291 text only */
bool ip_from_sockaddr(const struct sockaddr *sa, struct ip *ret);
bool ip_is_v4(const struct ip *ip);
void ip_format(const struct ip *ip, char out[46]);
bool cidr_parse(const char *s, struct cidr *ret); /* "10.0.0.0/8", "::1", "fe80::/10" */
bool cidr_has(const struct cidr *c, const struct ip *ip);
bool cidr_any(const struct cidr *list, size_t n, const struct ip *ip);
/* Looks like an attempt at a dotted quad (all parts are numbers in any base) without being the
 * canonical form: 010.0.0.1, 0x7f.1, 2130706433. */
bool ip_is_odd_quad(const char *host);

#endif
