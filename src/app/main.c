/* SPDX-License-Identifier: MIT
 *
 * main(): which command, and nothing else.
 */
#include <stdio.h>

int main(void)
{
	fprintf(stderr, "bulb: not wired yet\n");
	return 1;
}
