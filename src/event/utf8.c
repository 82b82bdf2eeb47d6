#include "utf8.h"

#include <stdio.h>
#include <string.h>

#include "words.h"

/* Table 3-7 of the Unicode standard: where the second byte may lie, for each first byte. */
static size_t shape_of(unsigned char first, unsigned char *ret_low, unsigned char *ret_high)
{
	*ret_low = 0x80;
	*ret_high = 0xbf;
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	if (first < 0xe0)
		return 2;
	if (first < 0xf0) {
		if (first == 0xe0)
			*ret_low = 0xa0;
		if (first == 0xed)
			*ret_high = 0x9f;
		return 3;
	}
	if (first == 0xf0)
		*ret_low = 0x90;
	if (first == 0xf4)
		*ret_high = 0x8f;
	return 4;
}

size_t saga__utf8_step(const void *at, size_t left)
{
	const unsigned char *byte = at;
	unsigned char low, high;

	if (left == 0)
		return 0;

	size_t size = shape_of(byte[0], &low, &high);

	if (size == 0 || size > left)
		return 0;
	if (size > 1 && (byte[1] < low || byte[1] > high))
		return 0;
	for (size_t i = 2; i < size; i++)
		if ((byte[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

bool saga__utf8_text(const void *text, size_t size)
{
	const char *at = text;
	const char *end = at + size;

	if (saga__plain(at, size))
		return true;
	while (at < end) {
		size_t step = *at ? saga__utf8_step(at, (size_t)(end - at)) : 0;

		if (step == 0)
			return false;
		at += step;
	}
	return true;
}

/* How many bytes are of one character that is not whole, at least 1; unfinished: the text ends. */
static size_t torn_size(const char *at, size_t left, bool *ret_unfinished)
{
	const unsigned char *byte = (const unsigned char *)at;
	unsigned char low, high;
	size_t size = shape_of(byte[0], &low, &high), has = 1;

	while (has < size && has < left && byte[has] >= low && byte[has] <= high) {
		low = 0x80;
		high = 0xbf;
		has++;
	}
	*ret_unfinished = has < size && has == left;
	return has;
}

void saga__utf8_mend(char *text)
{
	const char *at = text, *end = text + strlen(text);
	char *to = text;

	if (saga__utf8_text(text, (size_t)(end - text)))
		return;
	while (at < end) {
		size_t left = (size_t)(end - at), step = saga__utf8_step(at, left);
		bool unfinished = false;

		if (step) {
			memmove(to, at, step);
			to += step;
		} else {
			step = torn_size(at, left, &unfinished);
			if (!unfinished)
				*to++ = '?';
		}
		at += step;
	}
	*to = '\0';
}

void saga__vsay(char *buffer, size_t size, const char *format, va_list list)
{
	if (vsnprintf(buffer, size, format, list) < 0 && size)
		buffer[0] = '\0';
	if (size)
		saga__utf8_mend(buffer);
}

void saga__say(char *buffer, size_t size, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	saga__vsay(buffer, size, format, list);
	va_end(list);
}
