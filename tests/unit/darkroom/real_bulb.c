/* SPDX-License-Identifier: MIT
 *
 * A `bulb darkroom` and nothing else, with the real decoders.
 */
#include "inside/inside.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "darkroom") == 0)
		inside_main(argc - 2, argv + 2);
	fprintf(stderr, "usage: real_bulb darkroom\n");
	return 64;
}
