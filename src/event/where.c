#include "where.h"

#include <stdarg.h>
#include <string.h>

#include "utf8.h"

int saga__error_within(saga_error *error, int code, const char *format, ...)
{
	if (error) {
		char inner[SAGA_ERROR_TEXT];
		va_list list;

		memcpy(inner, error->text, sizeof inner);
		va_start(list, format);
		saga__vsay(error->text, sizeof error->text, format, list);
		va_end(list);

		size_t size = strlen(error->text);

		saga__say(error->text + size, sizeof error->text - size, "%s", inner);
		error->code = code;
	}
	return code;
}
