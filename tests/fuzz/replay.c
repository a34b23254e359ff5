/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target over the files of a corpus, so that every input that ever mattered is tried in
 * the normal test run, with the normal compiler. Prints TAP, one line a file.
 */
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 64;
	}
	struct dirent **names;
	int n = scandir(argv[1], &names, NULL, alphasort);
	if (n < 0) {
		perror(argv[1]);
		return 1;
	}
	int done = 0;
	for (int i = 0; i < n; i++) {
		struct buf path = BUF_INIT(4096), data = BUF_INIT(64 << 20);
		struct err e = { 0 };
		buf_printf(&path, "%s/%s", argv[1], names[i]->d_name);
		if (names[i]->d_name[0] != '.') {
			if (io_read_file(buf_str(&path), data.max, &data, &e) != OK) {
				printf("not ok %d - %s: %s\n", ++done, names[i]->d_name, e.text);
			} else {
				(void)LLVMFuzzerTestOneInput((const uint8_t *)buf_str(&data),
					data.len);
				printf("ok %d - %s\n", ++done, names[i]->d_name);
			}
		}
		buf_done(&path);
		buf_done(&data);
		free(names[i]);
	}
	free(names);
	printf("1..%d\n", done);
	return done == 0;
}
