/* SPDX-License-Identifier: MIT
 *
 * One file out of a pinned npm package: from the registry, or from disk where there is no network.
 * Both the package and the file are checked before anything is given out.
 */
#ifndef BULB_APP_PACKAGE_H
#define BULB_APP_PACKAGE_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "conf/conf.h"

struct package {
	const char *name, *version; /* "onnxruntime-node", "1.30.0" */
	const char *integrity;      /* of the tarball: "sha512-…", as the registry tells it */
	const char *member;         /* "package/bin/…/libonnxruntime.so.1" */
	const char *file;           /* the name under which it is installed */
	int64_t tarball_max, bytes_max;
	uint8_t sha256[SHA256_LEN]; /* of the member */
};
struct package_source {
	const char *registry; /* URL without a slash at its end */
	struct conf_list
		from;    /* folders, .tgz files or plain files; where there are any, no network */
	const char *dir; /* where a download may lie while it is read */
	/* How far it is; total 0: not known. */
	void (*progress)(const struct package *p, int64_t bytes, int64_t total);
};
/* The file's bytes, appended to ret. ERR_USAGE: none of `from` has it; ERR_FETCH_*; ERR_SYSTEM: it is
 * not what it should be, or the disk; ERR_DECODE_CORRUPT, ERR_LIMIT_OUTPUT: of the archive. */
enum err_code package_get(const struct package *p, const struct package_source *s, struct buf *ret,
	struct err *e) MUST_CHECK;

#endif
