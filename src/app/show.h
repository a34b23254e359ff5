/* SPDX-License-Identifier: MIT
 *
 * A job's events, shown in a terminal as they come: a progress bar on a terminal, plain lines in a
 * pipe, or the events themselves, one JSON text a line. `run`, `watch` and `submit --wait` all show
 * through here, from the same events.
 */
#ifndef BULB_APP_SHOW_H
#define BULB_APP_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum show_kind { SHOW_BAR, SHOW_LINES, SHOW_JSON };

struct show;
/* SHOW_JSON when json, else a bar if standard error is a terminal, else lines on standard output.
 * no_color: NO_COLOR is set. */
struct show *show_new(bool json, bool no_color);
void show_free(struct show *s);
/* One event (docs/events.md) as compact JSON text. Text that is no event is ignored. */
void show_event(struct show *s, const char *json, size_t n);
bool show_ended(const struct show *s);       /* the job's terminal event was shown */
int64_t show_sequence(const struct show *s); /* of the last event; 0: none yet */
/* As `run` and `watch` exit: 0 all succeeded, 2 some failed or were canceled, 1 not ended. */
int show_exit_code(const struct show *s);

#endif
