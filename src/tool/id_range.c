#include "id_range.h"

#include <string.h>

static int digit_of(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) % 16 : -1;
}

/* Stores print ids without dashes; so each dash may be left out. */
static bool may_be_dash(const char *text, size_t i, size_t digits)
{
	return i > 0 && text[i - 1] != '-' &&
		(digits == 8 || digits == 12 || digits == 16 || digits == 20);
}

static void set_digit(saga_id *id, size_t nth, int digit)
{
	uint8_t *byte = &id->bytes[nth / 2];

	*byte = (uint8_t)(nth % 2 ? (*byte & 0xf0) | digit : (*byte & 0x0f) | digit << 4);
}

bool id_range_read(const char *text, struct id_range *ret_range)
{
	struct id_range range = { .text = text };
	size_t length = strlen(text), count = 0;

	if (length < ID_LEAST || length >= SAGA_ID_TEXT)
		return false;
	memset(&range.last, 0xff, sizeof range.last);
	for (size_t i = 0; i < length; i++) {
		int digit = digit_of(text[i]);

		if (text[i] == '-' && may_be_dash(text, i, count))
			continue;
		if (digit < 0 || count == 2 * sizeof range.first.bytes)
			return false;
		set_digit(&range.first, count, digit);
		set_digit(&range.last, count++, digit);
	}
	*ret_range = range;
	return true;
}
