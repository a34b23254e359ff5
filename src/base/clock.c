/* SPDX-License-Identifier: MIT
 *
 * Times and their two text forms. Everything is UTC: the process's time zone is never asked.
 */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000

static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
	"Oct", "Nov", "Dec" };

static struct timespec now(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return t;
}

int64_t clock_wall_ms(void)
{
	struct timespec t = now(CLOCK_REALTIME);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / NS_PER_MS;
}

int64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t clock_mono_us(void)
{
	struct timespec t = now(CLOCK_MONOTONIC);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct timespec clock_deadline(int64_t ms)
{
	struct timespec t = now(CLOCK_MONOTONIC);
	int64_t ns = t.tv_nsec + (ms % 1000) * NS_PER_MS;
	t.tv_sec += ms / 1000 + ns / (1000 * NS_PER_MS);
	t.tv_nsec = ns % (1000 * NS_PER_MS);
	return t;
}

/* Splits into calendar parts; returns the milliseconds within the second. */
static int split(int64_t wall_ms, struct tm *ret)
{
	int ms = (int)(wall_ms % 1000);
	time_t seconds = wall_ms / 1000;
	if (ms < 0) {
		ms += 1000;
		seconds--;
	}
	if (!gmtime_r(&seconds, ret) || ret->tm_year + 1900 > 9999 || ret->tm_year + 1900 < 0)
		*ret = (struct tm){ .tm_year = 9999 - 1900, .tm_mon = 11, .tm_mday = 31 };
	return ms;
}

void clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_MAX])
{
	struct tm t;
	unsigned ms = (unsigned)split(wall_ms, &t) % 1000;
	snprintf(out, CLOCK_RFC3339_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
		(unsigned)(t.tm_year + 1900) % 10000, (unsigned)(t.tm_mon + 1) % 100,
		(unsigned)t.tm_mday % 100, (unsigned)t.tm_hour % 100, (unsigned)t.tm_min % 100,
		(unsigned)t.tm_sec % 100, ms);
}

void clock_format_http(int64_t wall_ms, char out[CLOCK_RFC3339_MAX])
{
	struct tm t;
	(void)split(wall_ms, &t);
	snprintf(out, CLOCK_RFC3339_MAX, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days[t.tm_wday],
		(unsigned)t.tm_mday % 100, months[t.tm_mon], (unsigned)(t.tm_year + 1900) % 10000,
		(unsigned)t.tm_hour % 100, (unsigned)t.tm_min % 100, (unsigned)t.tm_sec % 100);
}

/* The n digits at s, or -1. */
static int digits(const char *s, int n)
{
	int v = 0;
	for (int i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (s[i] - '0');
	}
	return v;
}

static int name_index(const char *s, const char (*names)[4], int n)
{
	for (int i = 0; i < n; i++)
		if (memcmp(s, names[i], 3) == 0)
			return i;
	return -1;
}

/* false: no such day or time of day */
static bool from_parts(struct tm *t, int64_t *ret_wall_ms)
{
	if (t->tm_mon < 0 || t->tm_mon > 11 || t->tm_mday < 1 || t->tm_mday > 31 ||
		t->tm_year < 0 || t->tm_hour < 0 || t->tm_hour > 23 || t->tm_min < 0 ||
		t->tm_min > 59 || t->tm_sec < 0 || t->tm_sec > 60)
		return false;
	struct tm day = { .tm_mday = t->tm_mday, .tm_mon = t->tm_mon, .tm_year = t->tm_year };
	(void)timegm(&day);
	if (day.tm_mday != t->tm_mday) /* 31 Feb */
		return false;
	*ret_wall_ms = (int64_t)timegm(t) * 1000;
	return true;
}

bool clock_parse_http(const char *s, int64_t *ret_wall_ms)
{
	static const char mask[] = "Aaa, 00 Aaa 0000 00:00:00 GMT";
	if (strlen(s) != sizeof(mask) - 1)
		return false;
	for (size_t i = 0; i < sizeof(mask) - 1; i++)
		if (strchr(", :", mask[i]) && s[i] != mask[i])
			return false;
	struct tm t = { .tm_mday = digits(s + 5, 2),
		.tm_mon = name_index(s + 8, months, 12),
		.tm_year = digits(s + 12, 4) - 1900,
		.tm_hour = digits(s + 17, 2),
		.tm_min = digits(s + 20, 2),
		.tm_sec = digits(s + 23, 2) };
	if (name_index(s, days, 7) < 0 || memcmp(s + 26, "GMT", 3) != 0)
		return false;
	return from_parts(&t, ret_wall_ms);
}

bool clock_parse_rfc3339(const char *s, int64_t *ret_wall_ms)
{
	static const char mask[] = "0000-00-00T00:00:00";
	if (strlen(s) < sizeof(mask))
		return false;
	for (size_t i = 0; i < sizeof(mask) - 1; i++)
		if (mask[i] != '0' && s[i] != mask[i])
			return false;
	const char *end = s + sizeof(mask) - 1;
	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	struct tm t = { .tm_year = digits(s, 4) - 1900,
		.tm_mon = digits(s + 5, 2) - 1,
		.tm_mday = digits(s + 8, 2),
		.tm_hour = digits(s + 11, 2),
		.tm_min = digits(s + 14, 2),
		.tm_sec = digits(s + 17, 2) };
	return strcmp(end, "Z") == 0 && from_parts(&t, ret_wall_ms);
}
