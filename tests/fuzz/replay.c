/*
 * replay CORPUS CUTS runs a target over its corpus, without a fuzzer: each file, and beginnings of
 * it. A corpus that is not there or has no file is a failure: the test would see nothing.
 */
#include "fuzz.h"

#include <dirent.h>

enum {
	FILE_BYTES = 1 << 20
};

static size_t cuts; /* at most so many beginnings of one file */

static size_t read_file(const char *path, uint8_t *bytes)
{
	FILE *file = fopen(path, "rb");
	size_t size;

	HOLDS(file);
	size = fread(bytes, 1, FILE_BYTES, file);
	HOLDS(!ferror(file) && size < FILE_BYTES);
	fclose(file);
	return size;
}

static void replay(const char *path, uint8_t *bytes)
{
	size_t size = read_file(path, bytes), step = size / cuts + 1;

	for (size_t cut = 0; cut < size; cut += step) {
		uint8_t *copy = fuzz_copy(bytes, cut);

		LLVMFuzzerTestOneInput(copy, cut);
		free(copy);
	}
	LLVMFuzzerTestOneInput(bytes, size);
}

static size_t replay_all(const char *directory)
{
	uint8_t *bytes = malloc(FILE_BYTES);
	DIR *dir = opendir(directory);
	struct dirent *entry;
	size_t count = 0;

	HOLDS(bytes);
	while (dir && (entry = readdir(dir))) {
		char path[4096];

		if (entry->d_name[0] == '.')
			continue;
		HOLDS(snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) <
			(int)sizeof path);
		replay(path, bytes);
		count++;
	}
	if (dir)
		closedir(dir);
	free(bytes);
	return count;
}

int main(int argc, char **argv)
{
	size_t count = 0;

	if (argc == 3 && (cuts = strtoul(argv[2], NULL, 10)))
		count = replay_all(argv[1]);

	printf("%zu files\n", count);
	return count ? EXIT_SUCCESS : EXIT_FAILURE;
}
