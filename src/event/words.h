#ifndef SAGA_EVENT_WORDS_H
#define SAGA_EVENT_WORDS_H

/*
 * Short texts, as nearly all are, eight bytes at a time and in line: on the way of every field a
 * call of the C library costs more than the text.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Not on the way of most: in line, it would only cost the others their registers. */
#if defined(__GNUC__)
#define SAGA__ASIDE __attribute__((__noinline__))
#else
#define SAGA__ASIDE
#endif

static inline uint64_t saga__word8(const void *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof word);
	return word;
}

static inline uint32_t saga__word4(const void *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof word);
	return word;
}

/* A word with all of 4 to 7 bytes, the middle ones twice. */
static inline uint64_t saga__word_of(const char *at, size_t size)
{
	return saga__word4(at) | (uint64_t)saga__word4(at + size - 4) << 32;
}

/* Has a bit of SAGA__ODD for each of eight bytes that is not 1 to 127, or stands behind one. */
#define SAGA__ODD UINT64_C(0x8080808080808080)

static inline uint64_t saga__word_odd(uint64_t word)
{
	return (word - UINT64_C(0x0101010101010101)) | word;
}

/* Whether each byte is from 1 to 127: UTF-8 without a NUL, and no more to ask. */
static inline bool saga__plain(const char *at, size_t size)
{
	const signed char *byte = (const signed char *)at;

	if (size < 4)
		return size == 0 || (byte[0] > 0 && byte[size >> 1] > 0 && byte[size - 1] > 0);
	if (size < 8)
		return !(saga__word_odd(saga__word_of(at, size)) & SAGA__ODD);

	uint64_t odd = saga__word_odd(saga__word8(at + size - 8));

	for (size_t i = 0; i < size - 8; i += 8)
		odd |= saga__word_odd(saga__word8(at + i));
	return !(odd & SAGA__ODD);
}

static inline void saga__copy(char *to, const char *from, size_t size)
{
	if (size == 0)
		return;
	if (size < 4) {
		to[0] = from[0];
		to[size >> 1] = from[size >> 1];
		to[size - 1] = from[size - 1];
	} else if (size < 8) {
		uint32_t last = saga__word4(from + size - 4);

		memcpy(to, from, 4);
		memcpy(to + size - 4, &last, 4);
	} else {
		uint64_t last = saga__word8(from + size - 8);

		for (size_t i = 0; i < size - 8; i += 8)
			memcpy(to + i, from + i, 8);
		memcpy(to + size - 8, &last, 8);
	}
}

/* Copies, and answers saga__plain of it. */
static inline bool saga__copy_plain(char *to, const char *from, size_t size)
{
	if (size < 8) {
		bool plain = saga__plain(from, size);

		saga__copy(to, from, size);
		return plain;
	}

	uint64_t last = saga__word8(from + size - 8);
	uint64_t odd = saga__word_odd(last);

	for (size_t i = 0; i < size - 8; i += 8) {
		uint64_t word = saga__word8(from + i);

		odd |= saga__word_odd(word);
		memcpy(to + i, &word, 8);
	}
	memcpy(to + size - 8, &last, 8);
	return !(odd & SAGA__ODD);
}

static inline bool saga__same(const char *a, const char *b, size_t size)
{
	if (size < 4)
		return size == 0 ||
			(a[0] == b[0] && a[size >> 1] == b[size >> 1] &&
				a[size - 1] == b[size - 1]);
	if (size < 8)
		return saga__word4(a) == saga__word4(b) &&
			saga__word4(a + size - 4) == saga__word4(b + size - 4);
	for (size_t i = 0; i < size - 8; i += 8)
		if (saga__word8(a + i) != saga__word8(b + i))
			return false;
	return saga__word8(a + size - 8) == saga__word8(b + size - 8);
}

#endif
