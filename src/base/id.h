/* SPDX-License-Identifier: MIT
 *
 * Random ids and bytes, from getrandom(2).
 */
#ifndef BULB_BASE_ID_H
#define BULB_BASE_ID_H

#include <stddef.h>
#include <stdint.h>

#define ID_LEN 26 /* 128 bits in Crockford's base 32, lower case */

void random_bytes(void *out, size_t n); /* never fails: ends the process if the kernel has none */
uint64_t random_below(uint64_t n);      /* 0 … n-1, unbiased; n > 0 */
void id_new(char out[ID_LEN + 1]);

#endif
