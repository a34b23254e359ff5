/* SPDX-License-Identifier: MIT
 *
 * Part of the build: turns files into a C source that holds their bytes.
 *
 *   embed OUT.c SYMBOL FILE...
 *
 * OUT.c defines `const struct embedded SYMBOL[]`, ended by a NULL name: the files' base names and
 * bytes (with a NUL after them, not counted). src/base/embed.h declares struct embedded.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what)
{
	fprintf(stderr, "embed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static size_t write_bytes(FILE *out, const char *path, int index)
{
	FILE *in = fopen(path, "rb");
	if (!in)
		fail(path);
	fprintf(out, "static const unsigned char file_%d[] = {", index);
	size_t n = 0;
	for (int c; (c = fgetc(in)) != EOF; n++)
		fprintf(out, "%s%d,", n % 24 ? "" : "\n", c);
	if (ferror(in))
		fail(path);
	fclose(in);
	fprintf(out, "\n0 };\n");
	return n;
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: embed OUT.c SYMBOL FILE...\n");
		return 64;
	}
	FILE *out = fopen(argv[1], "wb");
	size_t *sizes = calloc((size_t)argc, sizeof(*sizes));
	if (!out || !sizes)
		fail(argv[1]);
	fprintf(out, "#include \"base/embed.h\"\n");
	for (int i = 3; i < argc; i++)
		sizes[i] = write_bytes(out, argv[i], i);
	fprintf(out, "extern const struct embedded %s[];\nconst struct embedded %s[] = {\n", argv[2],
		argv[2]);
	for (int i = 3; i < argc; i++) {
		const char *slash = strrchr(argv[i], '/');
		fprintf(out, "\t{ \"%s\", (const char *)file_%d, %zu },\n", slash ? slash + 1 : argv[i],
			i, sizes[i]);
	}
	fprintf(out, "\t{ 0 }\n};\n");
	free(sizes);
	if (fclose(out) != 0)
		fail(argv[1]);
	return 0;
}
