/* SPDX-License-Identifier: MIT
 *
 * What systemd wants of a service (sd_notify(3), sd_listen_fds(3)), without its library.
 */
#ifndef BULB_APP_SYSTEMD_H
#define BULB_APP_SYSTEMD_H

#include <stdint.h>

/* state: "READY=1", "STOPPING=1", "WATCHDOG=1". socket: NOTIFY_SOCKET, or NULL: nothing happens. */
void systemd_notify(const char *socket, const char *state);
/* The first listening socket that was handed over; only where there is one. */
int systemd_listen_fd(void);

#endif
