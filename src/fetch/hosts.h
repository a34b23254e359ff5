/* SPDX-License-Identifier: MIT
 *
 * How many downloads each host has now, and until when it asked to be left alone. Thread-safe.
 * Private to fetch.
 */
#ifndef BULB_FETCH_HOSTS_H
#define BULB_FETCH_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOSTS_MAX 1024

struct hosts;
struct hosts *hosts_new(size_t per_host);
void hosts_free(struct hosts *h);
/* As the fetch_ calls of the same names. */
bool hosts_enter(struct hosts *h, const char *host);
void hosts_leave(struct hosts *h, const char *host, int64_t retry_after_ms);
size_t hosts_full(struct hosts *h, char ***ret);

#endif
