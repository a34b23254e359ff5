/* SPDX-License-Identifier: MIT
 *
 * Metrics in Prometheus text form (exposition format 0.0.4). The table is metrics.def. Thread-safe.
 */
#ifndef BULB_BASE_METRICS_H
#define BULB_BASE_METRICS_H

#include "base/buf.h"

#include <stdint.h>

enum metric {
#define METRIC(name, type, public_name, labels, help) METRIC_##name,
#include "base/metrics.def"
#undef METRIC
	METRIC_COUNT
};

/* Label values stand in the table's order; fewer than three are ended by NULL in place of the rest.
 * They must be static strings or short copies of our own tables' names. */
void metric_add(enum metric m, double v, const char *l1, const char *l2, const char *l3);
void metric_set(enum metric m, double v, const char *l1, const char *l2, const char *l3);
void metric_observe(enum metric m, double seconds, const char *l1);               /* histograms */
double metric_get(enum metric m, const char *l1, const char *l2, const char *l3); /* for tests */
/* Everything, process_* included. */
void metrics_render(struct buf *out);
void metrics_render_process(struct buf *out); /* only process_* */

#endif
