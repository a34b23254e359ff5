/* SPDX-License-Identifier: MIT
 *
 * Functions that are easy to use wrongly and have a better one in base/. The build puts this
 * header before every file of ours (-include), so that a call does not compile.
 */
#ifndef BULB_BASE_BANNED_H
#define BULB_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BANNED(f) banned_function_##f

#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef strtok
#undef sprintf
#undef vsprintf
#define strcpy(d, s)     BANNED(strcpy)    /* snprintf, mem_strdup */
#define strcat(d, s)     BANNED(strcat)    /* buf_puts */
#define strncpy(d, s, n) BANNED(strncpy)   /* snprintf */
#define strncat(d, s, n) BANNED(strncat)   /* buf_add */
#define strtok(s, d)     BANNED(strtok)    /* strsep, strchr */
#define sprintf(...)     BANNED(sprintf)   /* snprintf, buf_printf */
#define vsprintf(...)    BANNED(vsprintf)  /* vsnprintf */
#define gmtime(t)        BANNED(gmtime)    /* gmtime_r, clock_format_rfc3339 */
#define localtime(t)     BANNED(localtime) /* nothing here is local */
#define asctime(t)       BANNED(asctime)
#define ctime(t)         BANNED(ctime)
#define atoi(s)          BANNED(atoi) /* strtoll and a look at its end */
#define atol(s)          BANNED(atol)
#define atof(s)          BANNED(atof)
#define rand()           BANNED(rand)   /* random_below */
#define system(s)        BANNED(system) /* posix_spawn */
#define popen(c, m)      BANNED(popen)

#endif
