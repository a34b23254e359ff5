/* SPDX-License-Identifier: MIT
 *
 * The process_* metrics that every Prometheus dashboard expects, from /proc/self. A line whose
 * source cannot be read is left out.
 */
#include "base/io.h"
#include "base/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void put(struct buf *out, const char *name, const char *type, const char *help, double v)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, type, name, v);
}

/* Wall time of the system's start, in seconds, from the btime line of /proc/stat; 0 if unknown. */
static double boot_time(void)
{
	struct buf text = BUF_INIT(1 << 20);
	double t = 0;
	if (io_read_file("/proc/stat", text.max, &text, NULL) == OK) {
		const char *line = strstr(buf_str(&text), "\nbtime ");
		t = line ? strtod(line + 7, NULL) : 0;
	}
	buf_done(&text);
	return t;
}

/* proc(5): field 2, the name, ends at the last ')'; it may hold anything, so fields count from there.
 * 0 when there are not so many. */
static double stat_field(const char *stat, int n)
{
	const char *p = strrchr(stat, ')');
	for (int i = 2; i < n && p; i++)
		p = strchr(p + 1, ' ');
	return p ? strtod(p, NULL) : 0;
}

static void put_stat(struct buf *out, const char *stat)
{
	double utime = stat_field(stat, 14), stime = stat_field(stat, 15);
	double start = stat_field(stat, 22), rss = stat_field(stat, 24);
	if (rss <= 0)
		return;
	double ticks = (double)sysconf(_SC_CLK_TCK), boot = boot_time();
	put(out, "process_cpu_seconds_total", "counter", "user and system time",
		(utime + stime) / ticks);
	put(out, "process_resident_memory_bytes", "gauge", "memory held in RAM",
		rss * (double)sysconf(_SC_PAGESIZE));
	if (boot > 0)
		put(out, "process_start_time_seconds", "gauge",
			"when the process started, since 1970", boot + start / ticks);
}

static void put_fds(struct buf *out)
{
	DIR *d = opendir("/proc/self/fd");
	if (d) {
		int n = -1; /* the folder's own */
		for (struct dirent *de; (de = readdir(d));)
			n += de->d_name[0] != '.';
		closedir(d);
		put(out, "process_open_fds", "gauge", "open file descriptors", n);
	}
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		put(out, "process_max_fds", "gauge", "most file descriptors it may have",
			(double)limit.rlim_cur);
}

void metrics_render_process(struct buf *out)
{
	struct buf stat = BUF_INIT(8192);
	if (io_read_file("/proc/self/stat", stat.max, &stat, NULL) == OK)
		put_stat(out, buf_str(&stat));
	buf_done(&stat);
	put_fds(out);
}
