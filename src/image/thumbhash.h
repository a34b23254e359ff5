/* SPDX-License-Identifier: MIT
 *
 * ThumbHash: a picture in about 25 bytes, to show until the real one is there.
 * https://evanw.github.io/thumbhash/ describes the format.
 */
#ifndef BULB_IMAGE_THUMBHASH_H
#define BULB_IMAGE_THUMBHASH_H

#include <stddef.h>
#include <stdint.h>

#define THUMBHASH_SIDE 100 /* of the picture that is hashed, at most */
#define THUMBHASH_MAX  25

/* rgba: packed, straight alpha. Returns how many bytes were written. */
size_t thumbhash(int w, int h, const uint8_t *rgba, uint8_t out[THUMBHASH_MAX]);

#endif
