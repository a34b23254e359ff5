/* SPDX-License-Identifier: MIT
 *
 * The log: one event per line on standard error, text or JSON. Events stand in log.def. Values are
 * escaped; secrets have no way in: never pass a URL that did not go through url_for_log().
 * Thread-safe. Only worker, lambda, dispatch, push, api, app and http's edge log; everything below returns errors.
 */
#ifndef BULB_BASE_LOG_H
#define BULB_BASE_LOG_H

#include "base/cdefs.h"

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_event {
#define LOG(name, level, text) LOG_##name,
#include "base/log.def"
#undef LOG
	LOG_COUNT
};

void log_setup(enum log_level least, bool json);
/* One line: time, level, event, job (a public id; may be NULL), and a message made from fmt, which
 * reads as "key=value key=value" where that helps. Control characters are escaped. */
void log_event(enum log_event ev, const char *job, const char *fmt, ...) PRINTF_LIKE(3, 4);
const char *log_event_name(enum log_event ev);
enum log_level log_event_level(enum log_event ev);

#endif
