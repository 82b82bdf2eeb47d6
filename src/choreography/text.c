#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool grow(struct saga__text *text, size_t more)
{
	size_t room = text->room ? text->room : 256;
	char *at;

	while (room - text->length <= more)
		room *= 2;
	if (room == text->room)
		return true;
	if (!(at = realloc(text->at, room)))
		return false;
	text->at = at;
	text->room = room;
	return true;
}

void saga__text_add(struct saga__text *text, const char *format, ...)
{
	va_list list;
	int size;

	va_start(list, format);
	size = vsnprintf(NULL, 0, format, list);
	va_end(list);
	if (size < 0 || text->no_memory || !grow(text, (size_t)size)) {
		text->no_memory = true;
		return;
	}
	va_start(list, format);
	(void)vsnprintf(text->at + text->length, text->room - text->length, format, list);
	va_end(list);
	text->length += (size_t)size;
}
