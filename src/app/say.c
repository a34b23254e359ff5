/* SPDX-License-Identifier: MIT
 *
 * The hint comes from the table, so the terminal and the page under /errors/ say the same.
 */
#include "app/say.h"

#include "app/cmd.h"

#include <stdio.h>

int say_error(const struct err *e)
{
	if (e->code == ERR_USAGE) {
		fprintf(stderr, "bulb: %s\n", e->text);
		return EXIT_BAD_USAGE;
	}
	fprintf(stderr, "bulb: %s (%s)\n      %s\n", e->text, err_name(e->code), err_hint(e->code));
	return 1;
}
