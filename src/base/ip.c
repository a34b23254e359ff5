/* SPDX-License-Identifier: MIT
 *
 * Addresses as 16 bytes whatever their family, so that one comparison serves both and a mapped
 * ::ffff:10.0.0.1 can never slip past a rule about 10.0.0.0/8.
 */
#include "base/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF };

static void set_v4(struct ip *ip, const void *four)
{
	memcpy(ip->b, v4_prefix, 12);
	memcpy(ip->b + 12, four, 4);
}

bool ip_parse(const char *s, struct ip *ret)
{
	struct in_addr v4;
	struct in6_addr v6;
	if (inet_pton(AF_INET, s, &v4) == 1) {
		set_v4(ret, &v4);
		return true;
	}
	if (inet_pton(AF_INET6, s, &v6) == 1) {
		memcpy(ret->b, &v6, 16);
		return true;
	}
	return false;
}

bool ip_from_sockaddr(const struct sockaddr *sa, struct ip *ret)
{
	if (sa->sa_family == AF_INET) {
		set_v4(ret, &((const struct sockaddr_in *)(const void *)sa)->sin_addr);
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(ret->b, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
		return true;
	}
	return false;
}

bool ip_is_v4(const struct ip *ip)
{
	return memcmp(ip->b, v4_prefix, 12) == 0;
}

void ip_format(const struct ip *ip, char out[46])
{
	if (ip_is_v4(ip))
		inet_ntop(AF_INET, ip->b + 12, out, 46);
	else
		inet_ntop(AF_INET6, ip->b, out, 46);
}

bool cidr_parse(const char *s, struct cidr *ret)
{
	char host[46];
	const char *slash = strchr(s, '/');
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	if (n >= sizeof(host))
		return false;
	memcpy(host, s, n);
	host[n] = '\0';
	struct cidr c = { .bits = 128 };
	if (!ip_parse(host, &c.ip))
		return false;
	if (slash) {
		bool dotted = !strchr(host, ':');
		char *end;
		if (slash[1] < '0' || slash[1] > '9' || (slash[1] == '0' && slash[2] != '\0'))
			return false;
		unsigned long bits = strtoul(slash + 1, &end, 10);
		if (*end != '\0' || bits > (dotted ? 32 : 128))
			return false;
		c.bits = (uint8_t)(bits + (dotted ? 96 : 0));
	}
	*ret = c;
	return true;
}

bool cidr_has(const struct cidr *c, const struct ip *ip)
{
	size_t whole = c->bits / 8;
	if (memcmp(c->ip.b, ip->b, whole) != 0)
		return false;
	unsigned rest = c->bits % 8;
	return rest == 0 || ((c->ip.b[whole] ^ ip->b[whole]) >> (8 - rest)) == 0;
}

bool cidr_any(const struct cidr *list, size_t n, const struct ip *ip)
{
	for (size_t i = 0; i < n; i++)
		if (cidr_has(&list[i], ip))
			return true;
	return false;
}

/* A number as inet_aton reads one: decimal, 0 octal, 0x hex; "0x" alone is one to browsers. */
static bool is_number(const char *s, size_t n)
{
	bool hex = n >= 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	if (hex) {
		s += 2;
		n -= 2;
	}
	if (n == 0)
		return hex;
	return strspn(s, hex ? "0123456789abcdefABCDEF" : "0123456789") >= n;
}

bool ip_is_odd_quad(const char *host)
{
	struct in_addr v4;
	if (*host == '\0' || inet_pton(AF_INET, host, &v4) == 1)
		return false;
	for (const char *p = host; *p;) {
		size_t n = strcspn(p, ".");
		if (!is_number(p, n))
			return false;
		p += n;
		if (*p == '.')
			p++;
	}
	return true;
}
