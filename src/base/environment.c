/* SPDX-License-Identifier: MIT
 *
 * An empty variable counts as not there, as compose files make them.
 */
#include "base/environment.h"

#include <stddef.h>
#include <string.h>

const char *environment_get(char *const *envp, const char *name)
{
	size_t n = strlen(name);
	for (; envp && *envp; envp++)
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=' && (*envp)[n + 1])
			return *envp + n + 1;
	return NULL;
}
