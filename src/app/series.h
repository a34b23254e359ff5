/* SPDX-License-Identifier: MIT
 *
 * Metrics whose labels can only hold what one of our tables holds are there as 0 from the start: a
 * rate over a series that appears with its first event misses that event.
 */
#ifndef BULB_APP_SERIES_H
#define BULB_APP_SERIES_H

void series_begin(void);

#endif
