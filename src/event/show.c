#include "show.h"

#include <saga/event.h>

#include <assert.h>
#include <string.h>

#include "utf8.h"

bool saga__is_control(const void *at, size_t step)
{
	const unsigned char *c = at;

	if (step == 1)
		return c[0] < 0x20 || c[0] == 0x7f;
	if (step == 2)
		return c[0] == 0xc2 && c[1] < 0xa0; /* U+0080 to U+009F */
	if (step != 3 || c[0] != 0xe2)
		return false;
	return (c[1] == 0x80 && c[2] >= 0xa8 && c[2] <= 0xae) || /* U+2028 to U+202E */
		(c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9);  /* U+2066 to U+2069 */
}

size_t saga__show(const void *at, size_t left, char shown[SAGA__SHOWN_MOST], size_t *ret_step)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *c = at;
	size_t step = saga__utf8_step(at, left), size = 0;

	assert(left);
	*ret_step = step ? step : 1;
	if (step && !saga__is_control(at, step)) {
		memcpy(shown, at, step);
		return step;
	}
	for (size_t i = 0; i < *ret_step; i++) {
		shown[size++] = '\\';
		shown[size++] = 'x';
		shown[size++] = digits[c[i] >> 4];
		shown[size++] = digits[c[i] & 15];
	}
	assert(size <= SAGA__SHOWN_MOST);
	return size;
}

size_t saga_text_shown(const char *text, char *buffer, size_t size)
{
	size_t left = strlen(text), length = 0, end = 0;

	while (left) {
		char shown[SAGA__SHOWN_MOST];
		size_t step, put = saga__show(text, left, shown, &step);

		length += put;
		if (length < size) {
			memcpy(buffer + end, shown, put);
			end = length;
		}
		text += step;
		left -= step;
	}
	if (size)
		buffer[end] = '\0';
	return length;
}
