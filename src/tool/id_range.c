#include "id_range.h"

#include <string.h>

static int digit_of(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) % 16 : -1;
}

static bool is_dash(size_t at)
{
	return at == 8 || at == 13 || at == 18 || at == 23;
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

		if (is_dash(i) ? text[i] != '-' : digit < 0)
			return false;
		if (is_dash(i))
			continue;
		set_digit(&range.first, count, digit);
		set_digit(&range.last, count++, digit);
	}
	*ret_range = range;
	return true;
}
