/* SPDX-License-Identifier: MIT
 *
 * Looking up a variable in an environment that was handed over. Only conf reads the process's own.
 */
#ifndef BULB_BASE_ENVIRONMENT_H
#define BULB_BASE_ENVIRONMENT_H

/* The value of a variable, NULL when it is not there or empty. */
const char *environment_get(char *const *envp, const char *name);

#endif
