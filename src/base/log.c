/* SPDX-License-Identifier: MIT
 *
 * One event per line by one write(2), so that lines of several threads and processes never mix and
 * nothing waits in a buffer when the process dies. A value cannot forge a line: control characters
 * and bytes that are no UTF-8 are escaped in both forms.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/json.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define MESSAGE_MAX 4096
#define LINE_MAX    (MESSAGE_MAX * 6 + 512)

static const struct row {
	const char *name;
	enum log_level level;
} rows[LOG_COUNT] = {
#define LOG(name, level, text) [LOG_##name] = { #name, LOG_LEVEL_##level },
#include "base/log.def"
#undef LOG
};
static const char *const level_names[] = { "debug", "info", "warn", "error" };
static char names[LOG_COUNT][40];
static atomic_int least_level = LOG_LEVEL_INFO;
static atomic_bool as_json;

__attribute__((constructor)) static void names_make(void)
{
	for (int i = 0; i < LOG_COUNT; i++)
		for (size_t k = 0; rows[i].name[k] && k + 1 < sizeof(names[i]); k++)
			names[i][k] = (char)tolower((unsigned char)rows[i].name[k]);
}

void log_setup(enum log_level least, bool json)
{
	least_level = (int)least;
	as_json = json;
}

const char *log_event_name(enum log_event ev)
{
	return names[ev];
}

enum log_level log_event_level(enum log_event ev)
{
	return rows[ev].level;
}

static bool is_control(const unsigned char *p)
{
	return *p < 0x20 || *p == 0x7F || (*p == 0xC2 && p[1] < 0xA0);
}

/* The message with control characters (C0, DEL, and C1 in UTF-8) and whatever is not UTF-8 escaped,
 * byte by byte: a terminal that reads single bytes takes some of them for commands. */
static void put_escaped(struct buf *line, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	while (*p) {
		size_t n = is_control(p) ? 0 : utf8_length(p);
		if (n > 0)
			buf_add(line, p, n);
		else if (*p == '\n')
			buf_puts(line, "\\n");
		else
			buf_printf(line, "\\x%02x", *p);
		p += n > 0 ? n : 1;
	}
}

static void put_text(struct buf *line, enum log_event ev, const char *time, const char *job,
	const char *message)
{
	buf_printf(line, "%s %-5s %s", time, level_names[rows[ev].level], names[ev]);
	if (job) {
		buf_puts(line, " job=");
		put_escaped(line, job);
	}
	if (*message) {
		buf_putc(line, ' ');
		put_escaped(line, message);
	}
}

static void put_json(struct buf *line, enum log_event ev, const char *time, const char *job,
	const char *message)
{
	buf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", time,
		level_names[rows[ev].level], names[ev]);
	if (job) {
		buf_puts(line, ",\"job\":");
		json_quote(line, job);
	}
	buf_puts(line, ",\"message\":");
	json_quote(line, message);
	buf_putc(line, '}');
}

void log_event(enum log_event ev, const char *job, const char *fmt, ...)
{
	if ((int)rows[ev].level < least_level)
		return;
	char message[MESSAGE_MAX], time[CLOCK_RFC3339_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	clock_format_rfc3339(clock_wall_ms(), time);
	struct buf line = BUF_INIT(LINE_MAX);
	(as_json ? put_json : put_text)(&line, ev, time, job, message);
	buf_putc(&line, '\n');
	ssize_t ignored = write(STDERR_FILENO, buf_str(&line), line.len);
	(void)ignored; /* nobody is left to tell */
	buf_done(&line);
}
