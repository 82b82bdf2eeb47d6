#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

/*
 * A target takes any bytes and ends the process if something does not hold. libFuzzer drives it
 * (-Dfuzz=enabled, clang), or replay.c with the files of its corpus.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition_) \
	do { \
		if (!(condition_)) { \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, \
				#condition_); \
			abort(); \
		} \
	} while (0)

/* The bytes as decisions; 0 when they are used up. */
struct fuzz_bytes {
	const uint8_t *at;
	size_t left;
};

static inline unsigned fuzz_byte(struct fuzz_bytes *bytes)
{
	if (!bytes->left)
		return 0;
	bytes->left--;
	return *bytes->at++;
}

/* A copy of its exact size, so that ASan sees what is read beyond it; the caller's to free. */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	HOLDS(copy);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

/* The same as a text. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	HOLDS(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

#endif
